package attacks

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// ourselves is how others see the node.
var ourselves = netip.MustParseAddrPort("45.45.45.45:6881")

// forbidden are addresses that no packet may go to.
func forbidden() (all []netip.AddrPort) {
	for _, ip := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255",
		"169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "192.168.255.255",
		"198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
		"255.255.255.255", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::1", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "::",
	} {
		all = append(all, netip.AddrPortFrom(netip.MustParseAddr(ip), 6881))
	}
	return append(all, ourselves, netip.AddrPortFrom(netip.MustParseAddr("45.1.2.3"), 0))
}

// Row 20: whoever names such addresses, as contacts, saved nodes, bootstrap, targets of a ping or as the source of a query,
// nothing is sent there.
func TestNoPacketToFilteredAddresses(t *testing.T) {
	barred := make(map[netip.AddrPort]bool)
	cfg := mainline.Config{Inbound: socket.Inbound{PerSource: -1}}
	for i, a := range forbidden() {
		barred[a], barred[netip.AddrPortFrom(a.Addr().Unmap(), a.Port())] = true, true
		cfg.Nodes = append(cfg.Nodes, krpc.Node{ID: krpc.ID{byte(i + 1)}, Addr: a})
		cfg.Bootstrap = append(cfg.Bootstrap, a.String())
	}
	s := newStage(t, cfg)
	p := s.public(300)
	s.know(p)
	sent := 0
	s.spy = func(to netip.AddrPort, _ []byte) {
		sent++
		require.False(t, barred[to] && to != ourselves, "a packet to %v", to)
	}
	s.play = func(to netip.AddrPort, q *krpc.Message) []byte {
		id, ok := p.at[to]
		target, has := q.Target(krpc.IDSize)
		if !ok || !has {
			return p.play(to, q)
		}
		res := &krpc.GetPeersResults{NodesResults: krpc.NodesResults{Nodes: p.closest(krpc.IDOf(target), 3)}, Token: []byte("t"), Values: forbidden()}
		for i := range 40 { // nearer than anybody
			bad := routing.Node{Key: s.id(krpc.IDOf(target), 40+i%100).Key(), Addr: forbidden()[s.rng.IntN(len(barred)-4)]}
			if bad.Addr.Addr().Unmap().Is4() {
				res.Nodes = append(res.Nodes, bad)
			} else {
				res.Nodes6 = append(res.Nodes6, bad)
			}
		}
		return krpc.AppendResponse(nil, q.TID(), id[:], res, krpc.Header{IP: ourselves})
	}
	lookups := func() {
		for range size(30, 10) {
			_, found := s.lookup(s.randomID(), routing.Thorough())
			require.NotEmpty(t, found)
			l := s.node.GetPeers(s.randomID())
			l.Drive(func(*krpc.Reply) {}, func(error) {})
			s.pass(10 * time.Second)
		}
	}
	lookups()
	seen, agreed := s.node.Endpoints()[0].External()
	require.True(t, agreed)
	require.Equal(t, ourselves, seen)
	s.spy = func(to netip.AddrPort, _ []byte) {
		sent++
		require.False(t, barred[to], "a packet to %v", to)
	}
	lookups()
	s.pass(time.Hour)
	for _, a := range forbidden() {
		require.False(t, s.ask(a, s.randomID(), krpc.FindNodeArgs{}), "an answer to %v", a)
		require.Error(t, s.node.RPC().NewAsker(func(routing.Node) krpc.Args { return krpc.PingArgs{} }, false).Ask(routing.Node{Addr: a}, -1, time.Second))
	}
	s.pass(time.Hour)
	for _, c := range s.node.RPC().Contacts() {
		require.False(t, c.Verified && barred[c.Addr])
	}
	require.Greater(t, sent, 100)
	require.Positive(t, s.sock().Stats().FilteredOut)
	require.Positive(t, s.sock().Stats().FilteredIn)
	require.Positive(t, s.sock().Stats().OwnAddress)
}
