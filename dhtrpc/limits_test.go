package dhtrpc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/socket"
)

// A stranger who asks too much gets no more answers; others do. On a public network that is so without asking for it.
func TestInboundLimit(t *testing.T) {
	public, err := Config{}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, socket.PublicInbound(), public.Socket.Inbound)
	s := step(t, Config{Socket: socket.Config{Inbound: public.Socket.Inbound}}, "127.0.0.1:43111")
	flood, other := netip.MustParseAddrPort("10.0.0.9:9"), netip.MustParseAddrPort("10.3.0.9:9")
	ping := (&Message{Internal: true, Command: CommandPing}).Append(nil)
	served := 0
	for range 200 {
		served += len(answers(s.receive(0, flood, ping)))
	}
	require.Equal(t, 25, served)
	require.Len(t, answers(s.receive(0, other, ping)), 1)
	s.pass(10 * time.Second)
	require.Empty(t, answers(s.receive(0, flood, ping)), "silenced")
	s.pass(5 * time.Minute)
	require.Len(t, answers(s.receive(0, flood, ping)), 1)
	require.EqualValues(t, 175, s.Stats().Socket.OverRate+s.Stats().Socket.Silenced-1)
}

// Requests beyond the packet rate wait their turn, and none is lost.
func TestOutboundLimit(t *testing.T) {
	s := step(t, Config{Socket: socket.Config{Packets: 10, Burst: 5}}, "127.0.0.1:43111")
	for i := range 30 {
		_, err := s.Send(peer(i), Call{CallOptions: CallOptions{Retries: -1}}, func(*Reply, error) {})
		require.NoError(t, err)
	}
	s.pass(0)
	require.Len(t, s.take(), 5)
	require.Equal(t, 25, s.Stats().Requests.Waiting)
	for range 5 {
		s.pass(time.Second)
	}
	require.Len(t, s.take(), 25)
	require.Zero(t, s.Stats().Requests.Waiting)
}

// An application's datagrams are not counted as ours, whatever their length.
func TestForeign(t *testing.T) {
	var got []socket.Datagram
	s := step(t, Config{Foreign: func(d socket.Datagram) { got = append(got, d) }}, "127.0.0.1:43111", "127.0.0.1:43112")
	from := netip.MustParseAddrPort("10.0.0.9:9")
	for _, b := range []string{"\x00", "\xff\x01 a stream's packet", "\x23 another network"} {
		require.Empty(t, s.receive(1, from, []byte(b)))
		require.Equal(t, b, string(got[len(got)-1].Payload))
		require.Equal(t, from, got[len(got)-1].From)
		require.Equal(t, 1, got[len(got)-1].Conn)
	}
	require.Len(t, got, 3)
	s.receive(1, from, []byte{firstResponse, 0}) // ours, but damaged
	s.receive(1, from, []byte{firstRequest, 0})
	require.Len(t, got, 3)
	require.EqualValues(t, 1, s.Stats().Socket.Malformed)
	require.EqualValues(t, 1, s.Stats().Malformed)
}

func TestLocalAddr(t *testing.T) {
	var list []netip.Addr
	for _, a := range []string{"127.0.0.1", "::1", "fe80::1", "169.254.3.4", "192.168.1.7", "10.0.0.2"} {
		list = append(list, netip.MustParseAddr(a))
	}
	all := netip.MustParseAddrPort("0.0.0.0:43111")
	one := netip.MustParseAddrPort("127.0.0.1:43111")
	require.Equal(t, one, localAddr(one, list))
	require.Equal(t, netip.MustParseAddrPort("192.168.1.7:43111"), localAddr(all, list))
	require.False(t, localAddr(all, list[:4]).IsValid())
	require.Equal(t, one, step(t, Config{}, one.String()).LocalAddr())
}
