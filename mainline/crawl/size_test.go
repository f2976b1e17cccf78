package crawl_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/crawl"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// counted asserts that all of n nodes were found. The estimate may be a little more: if few name a node, who knows.
func counted(t *testing.T, n int, e crawl.Estimate) {
	require.Equal(t, n, e.Counted)
	require.InDelta(t, float64(n), e.Low, 1e-9)
	require.InEpsilon(t, n, e.Nodes, 0.06)
	require.GreaterOrEqual(t, e.High, e.Nodes)
}

func TestSizeOfASmallNetworkIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, crawler := network(t, 60, simnet.Config{Seed: 1})
		for _, n := range nodes[50:] {
			n.Close()
		}
		var last crawl.Estimate
		for e, err := range crawl.NewSize(crawler, crawl.SizeConfig{Seed: 1}).Estimates(t.Context()) {
			require.NoError(t, err)
			require.Greater(t, e.Targets, last.Targets)
			last = e
		}
		require.Equal(t, crawl.Count, last.Method)
		counted(t, 50, last)
		require.Zero(t, crawler.RPC().InFlight())
	})
}

func TestSizeOfPartsOfANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, crawler := network(t, 150, simnet.Config{Seed: 1})
		var zones []crawl.Zone
		cfg := crawl.SizeConfig{Seed: 1, K: 10, Targets: 12, Counted: func(z crawl.Zone) { zones = append(zones, z) }}
		var all []crawl.Estimate
		for e, err := range crawl.NewSize(crawler, cfg).Estimates(t.Context()) {
			require.NoError(t, err)
			all = append(all, e)
		}
		require.Len(t, all, 12)
		require.Len(t, zones, 12)
		for _, z := range zones {
			require.Len(t, z.Nodes, 10)
			require.False(t, z.Whole)
			edge, there := z.Nodes[9].ID.Key().Xor(z.Target.Key()), 0
			for _, n := range nodes {
				if n.ID().Key().Xor(z.Target.Key()).Compare(edge) <= 0 {
					there++
				}
			}
			require.LessOrEqual(t, there, 12, "no branch is overlooked")
		}
		first, last := all[0], all[11]
		require.Equal(t, crawl.Density, last.Method)
		require.Less(t, last.High-last.Low, first.High-first.Low)
		require.InEpsilon(t, 150, last.Nodes, 0.4)
		require.Greater(t, last.Queries, first.Queries)
		require.Zero(t, crawler.RPC().InFlight())
	})
}

func TestSizeStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, crawler := network(t, 60, simnet.Config{Seed: 1})
		cfg := crawl.SizeConfig{K: 8}
		for range crawl.NewSize(crawler, cfg).Estimates(t.Context()) {
			break
		}
		require.Zero(t, crawler.RPC().InFlight())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range crawl.NewSize(crawler, cfg).Estimates(ctx) {
			cancel()
			last = err
		}
		require.ErrorIs(t, last, context.Canceled)
		require.Zero(t, crawler.RPC().InFlight())
	})
}

func TestSizeOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{})
		defer net.Close()
		for _, bootstrap := range [][]string{nil, {addr(9).String()}} {
			node, err := mainline.New(mainline.Config{Bootstrap: bootstrap, NoUpkeep: true}, net.Listen(addr(0)))
			require.NoError(t, err)
			want := routing.ErrNoAnswer
			if bootstrap == nil {
				want = routing.ErrNoNodes
			}
			var errs []error
			for _, err := range crawl.NewSize(node, crawl.SizeConfig{}).Estimates(t.Context()) {
				errs = append(errs, err)
			}
			require.Len(t, errs, 1)
			require.ErrorIs(t, errs[0], want)
			ended := make(chan error, 1)
			crawl.NewSize(node, crawl.SizeConfig{}).Drive(func(crawl.Estimate) { t.Error("nobody is there") }, func(err error) { ended <- err })
			require.ErrorIs(t, <-ended, want)
			node.Close()
		}
	})
}

func TestDrivenSizeIsTheSameWithoutALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, crawler := network(t, 60, simnet.Config{Seed: 1})
		var last crawl.Estimate
		ended := make(chan error, 2)
		crawl.NewSize(crawler, crawl.SizeConfig{}).Drive(func(e crawl.Estimate) { last = e }, func(err error) { ended <- err })
		require.NoError(t, <-ended)
		counted(t, 60, last)
		synctest.Wait()
		require.Empty(t, ended, "done once")
		require.Zero(t, crawler.RPC().InFlight())
	})
}

// Ids that others made up, and answers in another's name, do not stop it.
func TestSizeAmongRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Seed: 2})
		defer net.Close()
		start := func(i int) *mainline.Node {
			node, err := mainline.New(mainline.Config{Bootstrap: []string{addr(0).String()}, Rate: -1, Secure: mainline.SecureOff}, net.Listen(addr(i)))
			require.NoError(t, err)
			require.NoError(t, node.Ready(t.Context()))
			time.Sleep(2 * time.Minute)
			return node
		}
		nodes := make([]*mainline.Node, 30)
		for i := range nodes {
			nodes[i] = start(i)
		}
		for i := 20; i < 30; i++ { // with another id at the same address
			nodes[i].Close()
			nodes[i] = start(i)
		}
		defer func() {
			for _, n := range nodes {
				n.Close()
			}
		}()
		var last crawl.Estimate
		for e, err := range crawl.NewSize(nodes[0], crawl.SizeConfig{}).Estimates(t.Context()) {
			require.NoError(t, err)
			last = e
		}
		counted(t, 29, last) // all but the one that asks
	})
}
