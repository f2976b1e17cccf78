package swarm

import (
	"math/bits"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// asker is a host of one node that keeps what it receives.
type asker struct {
	t    *testing.T
	e    *sim.Engine
	at   sim.Node
	got  []krpc.Message
	from []sim.Node
}

func newAsker(t *testing.T, s *Swarm) *asker {
	a := &asker{t: t, e: sim.New(sim.Config{Seed: 1}), at: sim.Node(s.Len())}
	s.Attach(a.e)
	a.e.Attach(a.at, 1, a)
	return a
}

func (*asker) Wake(time.Duration, sim.Node) {}

func (a *asker) Receive(_ time.Duration, _, from sim.Node, b []byte) {
	m, err := krpc.Parse(b)
	require.NoError(a.t, err)
	a.got, a.from = append(a.got, m.Clone()), append(a.from, from)
}

// ask sends a query and returns the answer; ok is false if there is none.
func (a *asker) ask(to sim.Node, args krpc.Args) (m krpc.Message, ok bool) {
	a.got, a.from = nil, nil
	a.e.Send(a.at, to, krpc.AppendQuery(nil, []byte("ab"), make([]byte, 20), args, krpc.Header{}))
	a.e.Run(a.e.Now() + time.Second)
	if len(a.got) == 0 {
		return m, false
	}
	require.Equal(a.t, []sim.Node{to}, a.from)
	require.Equal(a.t, "ab", string(a.got[0].TID()))
	return a.got[0], true
}

func nodes(m krpc.Message) (list []routing.Node) {
	for n := range m.Contacts(20) {
		list = append(list, n)
	}
	return list
}

func TestNodesAnswerKRPC(t *testing.T) {
	s := New(Config{Seed: 1, Nodes: 500})
	a := newAsker(t, s)
	answered := 0
	for i := range sim.Node(100) {
		m, ok := a.ask(i, krpc.FindNodeArgs{Target: target(3)})
		require.Equal(t, s.Alive(i), ok)
		if !ok {
			continue
		}
		answered++
		id, _ := m.ID()
		require.Equal(t, s.ID(i), id)
		ip, _ := m.IP()
		require.Equal(t, sim.Addr(a.at), ip)
		require.Nil(t, m.Token())
		var l list
		s.nearest(&l, i, prefixOf(target(3)))
		for j, n := range nodes(m) {
			require.Equal(t, routing.Node{Key: s.ID(l.nodes[j]).Key(), Addr: sim.Addr(l.nodes[j])}, n)
		}
		require.Len(t, nodes(m), 8)
	}
	require.EqualValues(t, answered, s.Served())
	alive := s.Closest(nil, target(3), 1)[0]
	m, _ := a.ask(alive, krpc.GetPeersArgs{InfoHash: target(3)})
	require.Len(t, m.Token(), 8)
	require.Len(t, nodes(m), 8)
	token := string(m.Token())
	m, _ = a.ask(alive, krpc.AnnouncePeerArgs{InfoHash: target(3), Port: 1, Token: []byte(token)})
	require.Equal(t, krpc.KindResponse, m.Kind())
	m, _ = a.ask(alive, krpc.PingArgs{})
	id, _ := m.ID()
	require.Equal(t, s.ID(alive), id)
	require.Empty(t, nodes(m))
	m, _ = a.ask(alive, krpc.RawArgs{Name: "unheard_of"})
	require.Equal(t, 204, m.Err().Code)
	a.e.Send(a.at, alive, []byte("garbage"))
	a.e.Run(a.e.Now() + time.Second)
	require.Len(t, a.got, 1, "no answer to garbage")
}

func TestDecoysAreEndless(t *testing.T) {
	s := New(Config{Seed: 1, Nodes: 2000, Decoys: 0.5})
	a := newAsker(t, s)
	seen := make(map[routing.Node]int)
	decoys, all := 0, 0
	alive := s.Closest(nil, target(3), 1)[0]
	for range 200 {
		m, _ := a.ask(alive, krpc.FindNodeArgs{Target: target(4)})
		for _, n := range nodes(m) {
			all++
			at, ok := sim.NodeAt(n.Addr)
			require.True(t, ok)
			if int(at) >= s.Len() {
				decoys++
				seen[n]++
			}
		}
	}
	require.InDelta(t, 0.5, float64(decoys)/float64(all), 0.05)
	require.Len(t, seen, decoys, "none twice")
}

func TestLiarsLie(t *testing.T) {
	honest := New(Config{Seed: 1, Nodes: 2000})
	for kind, check := range map[Lie]func(t *testing.T, own krpc.ID, at sim.Node, m krpc.Message){
		WrongID: func(t *testing.T, own krpc.ID, _ sim.Node, m krpc.Message) {
			id, ok := m.ID()
			require.True(t, ok)
			require.NotEqual(t, own, id)
		},
		Invented: func(t *testing.T, own krpc.ID, _ sim.Node, m krpc.Message) {
			require.Len(t, nodes(m), 8)
			for _, n := range nodes(m) {
				at, _ := sim.NodeAt(n.Addr)
				require.Greater(t, int(at), honest.Len())
			}
		},
		Endless: func(t *testing.T, own krpc.ID, _ sim.Node, m krpc.Message) {
			for _, n := range nodes(m) {
				require.GreaterOrEqual(t, routing.CommonBits(n.Key, target(4).Key()), 24)
			}
		},
		Flood: func(t *testing.T, own krpc.ID, at sim.Node, m krpc.Message) {
			require.Len(t, nodes(m), 8)
			for _, n := range nodes(m) {
				require.Equal(t, sim.Addr(at).Addr().AsSlice()[:3], n.Addr.Addr().AsSlice()[:3])
				require.GreaterOrEqual(t, routing.CommonBits(n.Key, target(4).Key()), 60)
			}
		},
		Mirror: func(t *testing.T, own krpc.ID, _ sim.Node, m krpc.Message) {
			ip, _ := m.IP()
			for _, n := range nodes(m) {
				require.Equal(t, ip, n.Addr)
			}
		},
		Garbage: func(t *testing.T, own krpc.ID, _ sim.Node, m krpc.Message) { t.Error("a message") },
	} {
		s := New(Config{Seed: 1, Nodes: 2000, Liars: 0.2, Lie: kind})
		a := newAsker(t, s)
		if kind == Garbage {
			a.e = sim.New(sim.Config{})
			s.Attach(a.e)
			var n int
			a.e.Attach(a.at, 1, bytesOnly(func(b []byte) {
				_, err := krpc.Parse(b)
				require.Error(t, err)
				n++
			}))
			for i := range sim.Node(200) {
				if s.Lies(i) {
					a.e.Send(a.at, i, krpc.AppendQuery(nil, []byte("ab"), make([]byte, 20), krpc.PingArgs{}, krpc.Header{}))
				}
			}
			a.e.Run(time.Second)
			require.Greater(t, n, 10)
			continue
		}
		liars := 0
		for i := range sim.Node(200) {
			if m, ok := a.ask(i, krpc.FindNodeArgs{Target: target(4)}); ok && s.Lies(i) {
				check(t, s.ID(i), i, m)
				liars++
			}
		}
		require.InDelta(t, 24, liars, 15, "a fifth of those that are alive")
	}
}

type bytesOnly func(b []byte)

func (f bytesOnly) Receive(_ time.Duration, _, _ sim.Node, b []byte) { f(b) }
func (bytesOnly) Wake(time.Duration, sim.Node)                       {}

func TestLiarHost(t *testing.T) {
	e := sim.New(sim.Config{})
	e.Attach(10, 5, &Liar{Engine: e, Lie: Mirror})
	var got []krpc.Message
	e.Attach(0, 1, bytesOnly(func(b []byte) {
		m, err := krpc.Parse(b)
		require.NoError(t, err)
		got = append(got, m.Clone())
	}))
	e.Send(0, 12, krpc.AppendQuery(nil, []byte("ab"), make([]byte, 20), krpc.FindNodeArgs{Target: target(1)}, krpc.Header{}))
	e.Run(time.Second)
	require.Len(t, got, 1)
	id, _ := got[0].ID()
	require.Equal(t, LiarID(12), id)
	require.Equal(t, sim.Addr(0), nodes(got[0])[0].Addr)
}

func TestNearID(t *testing.T) {
	for n := range 64 {
		for i := range uint64(20) {
			id := nearID(target(1), n, sim.Mix(i, uint64(n)))
			require.Equal(t, n, bits.LeadingZeros64(prefixOf(id)^prefixOf(target(1))))
		}
	}
}
