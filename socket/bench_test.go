package socket_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/socket"
)

// What the socket itself costs, without a kernel: a request served.
func BenchmarkServe(b *testing.B) {
	s, _, _ := stepped(socket.Config{})
	out := func(int, netip.AddrPort, []byte) {}
	d := socket.Datagram{Payload: text("hello").AppendPacket(nil, []byte("abcd")), From: node(2), At: epoch}
	b.ReportAllocs()
	for b.Loop() {
		s.Receive(d, out)
	}
}

// A query sent and its reply matched, with 1000 others in flight.
func BenchmarkAsk(b *testing.B) {
	s, g, _ := stepped(socket.Config{Window: 2000})
	var reply []byte
	out := func(_ int, _ netip.AddrPort, b []byte) { reply = append(reply[:0], b...) }
	for range 1000 {
		if err := g.Send(socket.Query{To: node(3), Packet: text("x"), Hard: time.Hour}); err != nil {
			b.Fatal(err)
		}
	}
	g = s.Group(socket.GroupConfig{OnEvent: func(socket.Event) bool { return false }})
	q := socket.Query{To: node(2), Packet: text("hello")}
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Send(q); err != nil {
			b.Fatal(err)
		}
		s.Advance(epoch, out)
		reply[0] = '!'
		s.Receive(socket.Datagram{Payload: reply, From: node(2), At: epoch}, out)
	}
}
