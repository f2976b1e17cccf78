package dhtrpc

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/socket"
)

// BenchmarkServe is what a request costs from datagram to datagram, in a node that has heard of 1000 others; the system calls are
// not in it.
func BenchmarkServe(b *testing.B) {
	now := time.Unix(1e9, 0)
	n, err := New(Config{Private: true, Socket: socket.Config{
		Local: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:40000")}, Now: func() time.Time { return now },
	}})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, n.Close()) })
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, byte(rng.Uint32()), byte(rng.Uint32())}), uint16(rng.Uint32()|1024))
		n.table.Answered(nodeAt(a), time.Millisecond, now)
	}
	target := Hash([]byte("a target"))
	d := socket.Datagram{From: netip.MustParseAddrPort("127.0.0.1:50000"), At: now}
	to := netip.MustParseAddrPort("127.0.0.1:40000")
	p := &protocol{node: n, served: make([]served, 2)}
	n.Handle(1, func(q *Request) { q.Reply(nil) })
	for _, c := range []struct {
		name string
		Message
	}{
		{"ping", Message{Internal: true, Command: CommandPing}},
		{"find_node", Message{Internal: true, Command: CommandFindNode, Target: target[:]}},
		{"user", Message{Command: 1, Target: target[:]}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.To = to
			d.Payload = c.Append(nil)
			var out []byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if c.Target != nil {
					d.Payload[len(d.Payload)-IDSize] = byte(i)
				}
				if out = p.Serve(out[:0], d); len(out) == 0 {
					b.Fatal("silence")
				}
			}
		})
	}
}
