package krpc_test

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// names resolves each host after its own delay; a host that is not there has no address.
type names map[string]struct {
	after time.Duration
	ip    netip.Addr
}

var errNoHost = errors.New("no such host")

func (n names) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	select {
	case <-time.After(n[host].after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !n[host].ip.IsValid() {
		return nil, errNoHost
	}
	return []netip.Addr{n[host].ip}, nil
}

func TestBootstrapNamesAreTriedSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(20)
		dns := names{"dead": {time.Minute, netip.Addr{}}, "silent": {0, addr(200).Addr()}, "good": {time.Second, addr(0).Addr()}}
		r := l.add(100, krpc.Config{Upkeep: true, Bootstrap: []string{"dead:6881", "silent:6881", "good:6881"}, Resolve: dns.resolve})
		start := time.Now()
		for r.Len() < 8 {
			time.Sleep(100 * time.Millisecond)
			require.Less(t, time.Since(start), 6*time.Second, "a dead name keeps nobody waiting")
		}
	})
}

func TestResolvingIsRepeatedUntilANameHasAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(20)
		var asked atomic.Int32
		var up atomic.Bool
		r := l.add(100, krpc.Config{Upkeep: true, Bootstrap: []string{"name:6881"}, Resolve: func(context.Context, string) ([]netip.Addr, error) {
			asked.Add(1)
			if !up.Load() {
				return nil, errNoHost
			}
			return []netip.Addr{addr(0).Addr()}, nil
		}})
		var names *krpc.BootstrapError
		for _, err := range r.Closest(r.Key(), krpc.PingArgs{}).Replies(t.Context()) {
			require.ErrorAs(t, err, &names)
			require.ErrorIs(t, names.Errs[0], errNoHost)
		}
		time.Sleep(time.Hour)
		require.Greater(t, asked.Load(), int32(8))
		require.Less(t, asked.Load(), int32(30), "ever more seldom")
		up.Store(true)
		time.Sleep(6 * time.Minute)
		require.GreaterOrEqual(t, r.Len(), 8)
	})
}

func TestClosingDoesNotWaitForAResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		r := l.add(0, krpc.Config{Upkeep: true, Bootstrap: []string{"slow:1"}, Resolve: names{"slow": {time.Hour, netip.Addr{}}}.resolve})
		ended := make(chan error)
		go func() {
			for _, err := range r.Closest(r.Key(), krpc.PingArgs{}).Replies(context.Background()) {
				ended <- err
			}
		}()
		time.Sleep(time.Millisecond)
		start := time.Now()
		require.NoError(t, r.Close())
		require.Error(t, <-ended)
		require.Zero(t, time.Since(start))
	})
}

func TestSavedNodesSpareTheBootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(30)
		var asked atomic.Int32
		resolve := func(context.Context, string) ([]netip.Addr, error) {
			asked.Add(1)
			return []netip.Addr{addr(250).Addr()}, nil
		}
		router := netip.AddrPortFrom(addr(250).Addr(), 6881)
		saved := l.rpcs[7].Nodes()
		dead := routing.Node{Key: routing.Key{1}, Addr: addr(240)}
		cfg := krpc.Config{Upkeep: true, Bootstrap: []string{"router:6881"}, Resolve: resolve, Nodes: append(saved, dead)}
		r := l.add(100, cfg)
		require.NoError(t, r.Ready(t.Context()))
		for _, err := range r.Closest(routing.Key{1}, krpc.FindNodeArgs{}).Replies(t.Context()) {
			require.NoError(t, err)
		}
		time.Sleep(time.Hour)
		require.GreaterOrEqual(t, r.Len(), 8)
		require.Zero(t, l.net.SentTo(router))
		require.Zero(t, asked.Load())

		// When they are all gone the join goes on through the bootstrap.
		cfg.Nodes, cfg.Bootstrap = []routing.Node{dead}, []string{addr(0).String()}
		r = l.add(101, cfg)
		require.NoError(t, r.Ready(t.Context()))
		require.GreaterOrEqual(t, r.Len(), 8)
	})
}

func TestIntroductionsAreJoinedThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(20)
		r := l.add(100, krpc.Config{Upkeep: true, Bootstrap: []string{"[2a01::1]:6881"}}) // none of our family
		require.NoError(t, r.Ready(t.Context()))
		require.Zero(t, r.Len())
		require.True(t, r.Lonely())
		r.Introduce(routing.Node{Key: l.rpcs[3].Key(), Addr: addr(3)}, time.Now())
		require.NoError(t, r.Ready(t.Context()), "waits for the join it makes possible")
		require.GreaterOrEqual(t, r.Len(), 8)
		time.Sleep(time.Second)
		require.False(t, r.Lonely())
	})
}

func TestAnotherIDAnotherNeighbourhood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(40)
		r := l.add(100, krpc.Config{Upkeep: true, Bootstrap: []string{addr(0).String()}})
		require.NoError(t, r.Ready(t.Context()))
		require.Error(t, r.SetID([]byte("short"), time.Now()))
		id := l.rpcs[9].ID()
		id = append(append([]byte(nil), id[:19]...), id[19]^1)
		require.NoError(t, r.SetID(id, time.Now()))
		require.Equal(t, id, r.ID())
		time.Sleep(10 * time.Second)
		require.Contains(t, r.Nodes(), routing.Node{Key: l.rpcs[9].Key(), Addr: addr(9)}, "it looked itself up")
		reply, err := l.rpcs[5].Query(t.Context(), addr(100), krpc.PingArgs{})
		require.NoError(t, err)
		require.Equal(t, r.Key(), reply.From.Key)
	})
}
