package socket_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

func TestRoutable(t *testing.T) {
	const never, private, always = 0, 1, 2
	for ap, want := range map[string]int{
		"8.8.8.8:1":                 always,
		"1.0.0.1:65535":             always,
		"223.255.255.254:6881":      always,
		"[2a00:1450::1]:6881":       always,
		"[::ffff:8.8.8.8]:6881":     always,
		"8.8.8.8:0":                 never,
		"0.0.0.0:6881":              never,
		"0.1.2.3:6881":              never,
		"[::]:6881":                 never,
		"[::ffff:0.0.0.0]:6881":     never,
		"224.0.0.1:6881":            never,
		"239.255.255.250:1900":      never,
		"240.0.0.1:6881":            never,
		"255.255.255.255:6881":      never,
		"[ff02::1]:6881":            never,
		"[::ffff:224.0.0.1]:6881":   never,
		"127.0.0.1:6881":            private,
		"127.255.0.1:6881":          private,
		"[::1]:6881":                private,
		"[::ffff:127.0.0.1]:6881":   private,
		"10.1.2.3:6881":             private,
		"172.16.0.1:6881":           private,
		"172.31.255.255:6881":       private,
		"172.32.0.1:6881":           always,
		"192.168.1.1:6881":          private,
		"[fd00::1]:6881":            private,
		"100.64.0.1:6881":           private,
		"100.127.255.255:6881":      private,
		"100.128.0.1:6881":          always,
		"169.254.1.1:6881":          private,
		"[fe80::1]:6881":            private,
		"[fe80::1%eth0]:6881":       private,
		"192.0.2.1:6881":            private,
		"198.51.100.1:6881":         private,
		"203.0.113.1:6881":          private,
		"198.18.0.1:6881":           private,
		"[2001:db8::1]:6881":        private,
		"[::ffff:192.168.1.1]:6881": private,
	} {
		a := addr(ap)
		require.Equal(t, want == always, socket.Routable(a, false), "%v on the public network", a)
		require.Equal(t, want != never, socket.Routable(a, true), "%v on a private one", a)
	}
	require.False(t, socket.Routable(netip.AddrPort{}, true))
}

func TestNothingGoesWhereItMustNot(t *testing.T) {
	s, g, _ := stepped(socket.Config{})
	s.SetExternal(addr("81.2.3.4:7000"))
	s.SetExternal(addr("[2a00::1]:7000"))
	var w wire
	bad := []string{"127.0.0.1:6881", "10.0.0.1:1", "224.0.0.1:1", "255.255.255.255:1", "8.8.8.8:0", "[::]:1",
		"[::ffff:127.0.0.1]:6881", "81.2.3.4:7000", "[2a00::1]:7000", node(1).String()}
	for _, to := range bad {
		require.ErrorIs(t, g.Send(socket.Query{To: addr(to), Packet: text("x")}), socket.ErrFiltered, to)
		require.ErrorIs(t, s.SendRaw(0, addr(to), []byte("x")), socket.ErrFiltered, to)
		request := text("hello").AppendPacket(nil, []byte("id"))
		s.Receive(socket.Datagram{Payload: request, From: addr(to), At: epoch}, w.out)
	}
	s.Advance(epoch, w.out)
	require.Empty(t, w)
	require.Equal(t, map[string]uint64{"filtered": 21, "own-address": 9}, s.Stats().Losses())
	require.NoError(t, g.Send(socket.Query{To: addr("81.2.3.4:7001"), Packet: text("x")}))
}

func TestAMappedSourceIsTheIPv4One(t *testing.T) {
	s, g, _ := stepped(socket.Config{})
	var w wire
	ask(t, g, socket.Query{To: addr("[::ffff:80.0.0.2]:6881")})
	s.Advance(epoch, w.out)
	require.Equal(t, addr("80.0.0.2:6881"), w[0].to)
	s.Receive(socket.Datagram{Payload: answer(w[0].b), From: addr("[::ffff:80.0.0.2]:6881"), At: epoch}, w.out)
	require.Equal(t, addr("80.0.0.2:6881"), next(t, g, socket.Reply).From)
}

// A conn bound to all addresses knows the machine's own.
func TestOwnAddressesOfAWildcard(t *testing.T) {
	n := simnet.New(simnet.Config{})
	defer n.Close()
	s := socket.New(socket.Config{Private: true}, new(echo), n.Listen(addr("0.0.0.0:6881")))
	g := s.Group(socket.GroupConfig{})
	q := socket.Query{Packet: text("x")}
	q.To = addr("127.0.0.1:6881")
	require.ErrorIs(t, g.Send(q), socket.ErrFiltered)
	q.To = addr("127.0.0.1:6882")
	require.NoError(t, g.Send(q))
	ifs, err := net.InterfaceAddrs()
	if err != nil {
		t.Skip("this machine does not tell its addresses")
	}
	for _, i := range ifs {
		ip, _ := netip.AddrFromSlice(i.(*net.IPNet).IP)
		q.To = netip.AddrPortFrom(ip.Unmap(), 6881)
		require.ErrorIs(t, g.Send(q), socket.ErrFiltered)
	}
}
