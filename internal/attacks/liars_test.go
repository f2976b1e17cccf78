package attacks

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// Row 10: thirty nodes that answer under another id each time, and that others name under ever new ids, right where we look.
// Each gets two queries until it is known, and one an hour after that.
func TestKnownLiarsAreLeftAlone(t *testing.T) {
	const liars = 30
	s := newStage(t, mainline.Config{})
	p := s.public(200)
	s.know(p)
	queries := make(map[netip.AddrPort][]time.Time)
	s.play = func(to netip.AddrPort, q *krpc.Message) []byte {
		if to.Addr().As4()[0] != 93 {
			target, has := q.Target(krpc.IDSize)
			id, ok := p.at[to]
			if !has || !ok {
				return p.play(to, q)
			}
			res := &krpc.NodesResults{Nodes: p.closest(krpc.IDOf(target), 6)}
			for range 2 {
				n := routing.Node{Key: s.id(krpc.IDOf(target), 20).Key(), Addr: liarAt(s.rng.IntN(liars))}
				res.Nodes = append(res.Nodes, n)
			}
			return krpc.AppendResponse(nil, q.TID(), id[:], res, krpc.Header{})
		}
		queries[to] = append(queries[to], s.now)
		id := s.randomID()
		return krpc.AppendResponse(nil, q.TID(), id[:], krpc.PingResults{}, krpc.Header{})
	}
	hours := size(6, 3)
	for end := s.now.Add(time.Duration(hours) * time.Hour); s.now.Before(end); {
		_, found := s.lookup(s.randomID(), routing.Fast())
		require.Len(t, found, 8)
		require.Zero(t, distinct(found, func(n krpc.Node) bool { return n.Addr.Addr().As4()[0] == 93 }))
		s.pass(20 * time.Second)
	}
	require.Len(t, queries, liars)
	total := 0
	for liar, times := range queries {
		total += len(times)
		require.GreaterOrEqual(t, len(times), 3, "they are asked again one day")
		for i := 3; i < len(times); i++ {
			require.GreaterOrEqual(t, times[i].Sub(times[i-2]), time.Hour, "%v: three queries within an hour", liar)
		}
	}
	t.Logf("%.2f queries an hour and liar", float64(total)/liars/float64(hours))
	require.Zero(t, distinct(s.node.Nodes(), func(n krpc.Node) bool { return n.Addr.Addr().As4()[0] == 93 }))
	require.GreaterOrEqual(t, s.node.RPC().Counts().Banned, uint64(liars))
}

func liarAt(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{93, byte(i), 1, 1}), 6881)
}

// A reply that names eight liars, nearer than anybody, costs a lookup eight queries.
func TestAPollutedReplyIsCheap(t *testing.T) {
	asked := func(lies bool, seed int) (queries int, found []krpc.Node) {
		s := newStage(t, mainline.Config{NoUpkeep: true, Seed: &[32]byte{byte(seed)}})
		p := s.public(300)
		for _, n := range p.closest(s.node.ID(), 40) {
			s.node.RPC().AddAnswered(n, roundTrip, s.now)
		}
		target := s.randomID()
		liar := p.closest(target, 8)[4].Addr
		s.play = func(to netip.AddrPort, q *krpc.Message) []byte {
			if to.Addr().As4()[0] == 93 {
				id := s.randomID()
				return krpc.AppendResponse(nil, q.TID(), id[:], krpc.PingResults{}, krpc.Header{})
			}
			if !lies || to != liar {
				return p.play(to, q)
			}
			id, res := p.at[to], &krpc.NodesResults{}
			for i := range 8 {
				res.Nodes = append(res.Nodes, routing.Node{Key: s.id(target, 30+i).Key(), Addr: liarAt(i)})
			}
			return krpc.AppendResponse(nil, q.TID(), id[:], res, krpc.Header{})
		}
		l, found := s.lookup(target, routing.Fast())
		return l.Stats().Asked, found
	}
	extra := 0
	for seed := range size(40, 10) {
		clean, want := asked(false, seed)
		dirty, found := asked(true, seed)
		require.LessOrEqual(t, dirty-clean, 8)
		require.Equal(t, want, found)
		extra += dirty - clean
	}
	require.Positive(t, extra)
}
