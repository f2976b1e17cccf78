package crawl_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/crawl"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i >> 8), byte(i), 1}), 6881)
}

// network starts n nodes in memory and one more that knows the first, for the crawl.
func network(t *testing.T, n int, cfg simnet.Config) (nodes []*mainline.Node, crawler *mainline.Node) {
	net := simnet.New(cfg)
	for i := range n + 1 {
		c := mainline.Config{Bootstrap: []string{addr(0).String()}, Rate: -1, Secure: mainline.SecureOff}
		if i == n {
			c.NoUpkeep, c.ReadOnly = true, true
		}
		node, err := mainline.New(c, net.Listen(addr(i)))
		require.NoError(t, err)
		require.NoError(t, node.Ready(t.Context()))
		time.Sleep(2 * time.Minute) // a newcomer is asked after 90 s, and listed then
		nodes = append(nodes, node)
	}
	t.Cleanup(func() {
		for _, node := range nodes {
			node.Close()
		}
		net.Close()
	})
	return nodes[:n], nodes[n]
}

func TestCrawlFindsEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, crawler := network(t, 150, simnet.Config{Seed: 1})
		c := crawl.New(crawler, crawl.Config{Seed: 1})
		got := make(map[netip.AddrPort]krpc.ID)
		for found, err := range c.Nodes(t.Context()) {
			require.NoError(t, err)
			require.NotContains(t, got, found.Addr, "each node once")
			require.Equal(t, "DK\x00\x01", found.Version)
			got[found.Addr] = found.ID
		}
		for _, node := range nodes {
			require.Equal(t, node.ID(), got[node.Addr()])
		}
		s := c.Stats()
		require.Equal(t, 150, s.Nodes)
		require.LessOrEqual(t, float64(s.Queries)/150, 3.4)
		require.Equal(t, s.Queries, s.Answered+sum(s.Losses), "every query is accounted for")
		require.Zero(t, crawler.RPC().InFlight())
	})
}

func sum(losses map[string]uint64) (n uint64) {
	for _, v := range losses {
		n += v
	}
	return n
}

func TestStopTakesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, crawler := network(t, 100, simnet.Config{Seed: 1})
		c := crawl.New(crawler, crawl.Config{})
		found, queriesAtStop := 0, uint64(0)
		for _, err := range c.Nodes(t.Context()) {
			require.NoError(t, err)
			if found++; found == 10 {
				c.Stop()
				queriesAtStop = c.Stats().Queries
			}
		}
		s := c.Stats()
		require.Greater(t, found, 10, "answers in flight are taken")
		require.Equal(t, queriesAtStop, s.Queries, "nothing more is asked")
		require.Equal(t, s.Queries, s.Answered+sum(s.Losses))
	})
}

func TestMaxNodesAndBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, crawler := network(t, 60, simnet.Config{Seed: 1})
		for range crawl.New(crawler, crawl.Config{}).Nodes(t.Context()) {
			break
		}
		require.Zero(t, crawler.RPC().InFlight())
		c := crawl.New(crawler, crawl.Config{MaxNodes: 20, Window: 4})
		n := 0
		for range c.Nodes(t.Context()) {
			n++
		}
		require.GreaterOrEqual(t, n, 20)
		require.Less(t, n, 25, "at most what was in flight beyond the limit")
	})
}

func TestDeadContactsAreTriedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, crawler := network(t, 60, simnet.Config{Seed: 1})
		for _, n := range nodes[40:] {
			n.Close()
		}
		c := crawl.New(crawler, crawl.Config{Seed: 1, Targets: 2}) // so that two name everybody
		n := 0
		for _, err := range c.Nodes(t.Context()) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 40, n)
		lost := c.Stats().Losses["timeout"]
		require.Positive(t, lost)
		require.Zero(t, lost%2, "two tries each: %d", lost)
	})
}

func TestNobodyThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{})
		defer net.Close()
		node, err := mainline.New(mainline.Config{Bootstrap: []string{addr(9).String()}, NoUpkeep: true}, net.Listen(addr(0)))
		require.NoError(t, err)
		defer node.Close()
		var last error
		for _, err := range crawl.New(node, crawl.Config{}).Nodes(t.Context()) {
			last = err
		}
		require.ErrorIs(t, last, routing.ErrNoAnswer)
	})
}

func TestDriveIsTheSameWithoutALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, crawler := network(t, 60, simnet.Config{Seed: 1})
		c := crawl.New(crawler, crawl.Config{})
		found := make(map[netip.AddrPort]bool)
		ended := make(chan error, 2)
		c.Drive(func(f crawl.Found) { found[f.Addr] = true }, func(err error) { ended <- err })
		require.NoError(t, <-ended)
		require.Len(t, found, 60)
		require.Equal(t, 60, c.Stats().Nodes)
		synctest.Wait()
		require.Empty(t, ended, "done once")
		require.Zero(t, crawler.RPC().InFlight())
	})
}
