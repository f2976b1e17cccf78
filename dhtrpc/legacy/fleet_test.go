package legacy_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc/legacy"
	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// fleet is a network of stepped nodes, moved by the simulation engine: no goroutine, no clock, no connection.
type fleet struct {
	t      *testing.T
	engine *sim.Engine
	links  *sim.Links
	nodes  []*legacy.Node
	at     sim.Node // whose datagrams go out now
	epoch  time.Time
}

func newFleet(t *testing.T, seed uint64, size int) *fleet {
	f := &fleet{t: t, links: sim.NewLinks(sim.LinkConfig{Seed: seed}), nodes: make([]*legacy.Node, size), epoch: time.Unix(0, 0).UTC()}
	f.engine = sim.New(sim.Config{Seed: seed, Link: f.links, Opaque: true})
	f.engine.Attach(0, size, f)
	t.Cleanup(func() {
		for _, n := range f.nodes {
			if n != nil {
				require.NoError(t, n.Close())
			}
		}
	})
	return f
}

// start makes node i, which joins through node 0.
func (f *fleet) start(i sim.Node, cfg legacy.Config) *legacy.Node {
	f.t.Helper()
	cfg.Socket.Seed = &[32]byte{byte(i), byte(i >> 8), 1}
	cfg.Socket.Local = []netip.AddrPort{sim.Addr(i)}
	cfg.ID = legacy.ID(routing.Key{byte(i * 37), byte(i), 7})
	if i > 0 {
		cfg.Bootstrap = []string{sim.Addr(0).String()}
	}
	n, err := legacy.New(cfg)
	require.NoError(f.t, err)
	f.nodes[i] = n
	f.Wake(f.engine.Now(), i)
	return n
}

func (f *fleet) out(_ int, to netip.AddrPort, b []byte) {
	if n, ok := sim.NodeAt(to); ok {
		f.engine.Send(f.at, n, b)
	}
}

// Receive implements sim.Host.
func (f *fleet) Receive(now time.Duration, to, from sim.Node, payload []byte) {
	if f.nodes[to] == nil {
		return
	}
	f.at = to
	f.nodes[to].Socket().Receive(socket.Datagram{Payload: payload, From: sim.Addr(from), At: f.epoch.Add(now)}, f.out)
	f.rearm(to)
}

// Wake implements sim.Host.
func (f *fleet) Wake(now time.Duration, n sim.Node) {
	f.at = n
	f.nodes[n].Socket().Advance(f.epoch.Add(now), f.out)
	f.rearm(n)
}

func (f *fleet) rearm(n sim.Node) {
	next := f.nodes[n].Socket().NextWake()
	if next.IsZero() {
		f.engine.SetTimer(n, -1)
		return
	}
	f.engine.SetTimer(n, next.Sub(f.epoch))
}

// run lets a query of node i come to its end and returns its replies.
func (f *fleet) run(i sim.Node, q *legacy.Query) (replies []*legacy.Reply, err error) {
	f.t.Helper()
	f.Wake(f.engine.Now(), i)
	over := false
	q.Drive(func(r *legacy.Reply) { replies = append(replies, r) }, func(e error) {
		require.False(f.t, over, "done is called once")
		over, err = true, e
	})
	f.Wake(f.engine.Now(), i)
	ended := !f.engine.RunWhile(f.engine.Now()+time.Minute, func() bool { return !over })
	require.True(f.t, ended, "the query has an end")
	return replies, err
}

// A swarm half of which is behind port-restricted NATs is one network with hole punching, and half a one without.
func TestSwarmBehindNATs(t *testing.T) {
	size := sim.Node(80)
	if testing.Short() {
		size = 41
	}
	for _, direct := range []bool{false, true} {
		f := newFleet(t, 7, int(size)+1)
		f.start(0, legacy.Config{Ephemeral: true})
		updates := make(map[sim.Node]bool)
		natted := func(i sim.Node) bool { return i%2 == 1 }
		for i := sim.Node(1); i < size; i++ {
			if natted(i) {
				f.links.SetNAT(i, sim.Restricted)
			}
			n := f.start(i, legacy.Config{NoHolepunch: direct})
			n.OnUpdate("kv", func(r *legacy.Request) {
				updates[i] = true
				r.Reply(nil)
			})
			f.engine.Run(f.engine.Now() + 10*time.Second)
		}
		f.engine.Run(f.engine.Now() + 3*time.Minute)
		f.links.SetNAT(size, sim.Restricted)
		me := f.start(size, legacy.Config{NoHolepunch: direct, Ephemeral: true})
		f.engine.Run(f.engine.Now() + time.Second)

		target := legacy.ID{0x42}
		q := me.Update("kv", target, []byte("hello"))
		replies, err := f.run(size, q)
		require.NoError(t, err)
		require.Len(t, replies, 20)
		require.Len(t, updates, 20)
		behind := 0
		for i := range updates {
			if natted(i) {
				behind++
			}
		}
		if direct {
			require.LessOrEqual(t, behind, 2)
		} else {
			require.GreaterOrEqual(t, behind, 6)
		}
		t.Logf("hole punching %v: %d of 20 behind a NAT, %+v", !direct, behind, q.Stats())
	}
}

// The same seed gives the same network, to the last datagram.
func TestFleetsRepeat(t *testing.T) {
	hash := func() uint64 {
		f := newFleet(t, 3, 20)
		f.start(0, legacy.Config{Ephemeral: true})
		for i := sim.Node(1); i < 20; i++ {
			f.start(i, legacy.Config{})
			f.engine.Run(f.engine.Now() + time.Second)
		}
		f.engine.Run(f.engine.Now() + 5*time.Minute)
		return f.engine.Hash()
	}
	require.Equal(t, hash(), hash())
}
