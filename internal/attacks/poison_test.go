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

// Row 5: queries from fresh ids and addresses put nobody into a bucket, and make the node send one ping a second at most.
func TestPoisoningByQueries(t *testing.T) {
	s := newStage(t, mainline.Config{})
	var pings []time.Time
	s.play = func(netip.AddrPort, *krpc.Message) []byte {
		pings = append(pings, s.now)
		return nil
	}
	total := size(100_000, 10_000)
	for i := range total {
		id := s.randomID()
		if i%2 == 0 {
			id = s.id(s.node.ID(), s.rng.IntN(60)) // close to us, where there is room
		}
		s.ask(stranger(i), id, krpc.FindNodeArgs{Target: id})
		s.pass(10 * time.Millisecond)
		if i%1000 == 0 {
			require.Zero(t, s.node.Len())
		}
	}
	require.Zero(t, s.node.Len(), "nobody unverified in a bucket")
	require.Zero(t, len(s.node.RPC().Nearest(s.node.ID().Key(), 100)))
	virtual := time.Duration(total) * 10 * time.Millisecond
	require.LessOrEqual(t, len(pings), int(virtual/time.Second)+1)
	require.Greater(t, len(pings), 4, "it does try some")
	for i := 1; i < len(pings); i++ {
		require.GreaterOrEqual(t, pings[i].Sub(pings[i-1]), time.Second)
	}
	require.LessOrEqual(t, len(s.node.RPC().Contacts()), 50*8, "candidates are few")
}

// Row 6: a thousand ids and ports on one address.
func TestManyIDsOnOneAddress(t *testing.T) {
	s := newStage(t, mainline.Config{NoUpkeep: true})
	p := s.public(200)
	target := s.randomID()
	host := neighbour(1).Addr()
	hostile := func(n krpc.Node) bool { return n.Addr.Addr() == host }
	for i := range 1000 {
		p.add(krpc.Node{ID: s.id(target, 20+i%60), Addr: netip.AddrPortFrom(host, uint16(1000+i))})
	}
	s.know(p)
	require.LessOrEqual(t, distinct(s.table(), hostile), 1)
	s.play = p.play
	asked := map[netip.AddrPort]int{}
	s.spy = func(to netip.AddrPort, _ []byte) { asked[netip.AddrPortFrom(to.Addr(), 0)]++ }
	for _, profile := range []routing.LookupConfig{routing.Fast(), routing.Thorough(), routing.Economy()} {
		clear(asked)
		_, found := s.lookup(target, profile)
		require.Len(t, found, 8)
		require.LessOrEqual(t, distinct(found, hostile), 1)
		most := 1
		if profile.Sound > 0 {
			most = 2 // one of the closest is asked for its own neighbours, too
		}
		require.LessOrEqual(t, asked[netip.AddrPortFrom(host, 0)], most)
	}
	require.LessOrEqual(t, distinct(s.table(), hostile), 1)
}

// Row 7: all of a /24 lie, with ids around the target and all over the key space.
func TestOneSubnet(t *testing.T) {
	s := newStage(t, mainline.Config{NoUpkeep: true})
	p := s.public(1000)
	target := s.randomID()
	hostile := func(n krpc.Node) bool { return n.Addr.Addr().As4()[0] == 91 }
	liars := &public{at: map[netip.AddrPort]krpc.ID{}}
	for i := 1; i <= 254; i++ {
		n := krpc.Node{ID: s.id(target, 20+i%60), Addr: neighbour(i)}
		if i%2 == 0 {
			n.ID = s.id(s.node.ID(), i%12)
		}
		liars.add(n)
		p.add(n)
	}
	s.know(p)
	held := distinct(s.table(), hostile)
	require.LessOrEqual(t, held, 10)
	require.Positive(t, held)
	require.Greater(t, s.node.Len(), 200)
	t.Logf("a /24 of liars holds %d of %d entries", held, s.node.Len())

	s.play = func(to netip.AddrPort, q *krpc.Message) []byte {
		if to.Addr().As4()[0] == 91 {
			return liars.play(to, q) // who name only each other
		}
		return p.play(to, q)
	}
	for _, profile := range []routing.LookupConfig{routing.Fast(), routing.Thorough(), routing.Economy()} {
		for range size(10, 3) {
			_, found := s.lookup(target, profile)
			require.Len(t, found, 8)
			require.LessOrEqual(t, distinct(found, hostile), 1)
			_, found = s.lookup(s.randomID(), profile)
			require.LessOrEqual(t, distinct(found, hostile), 1)
		}
	}
	require.LessOrEqual(t, distinct(s.table(), hostile), 10)
}
