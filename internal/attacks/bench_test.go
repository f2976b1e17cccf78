package attacks

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// Row 3: what a refused query costs against a served one, from datagram to answer or oblivion, without the system calls.
func BenchmarkQueryFlood(b *testing.B) {
	none := func(int, netip.AddrPort, []byte) {}
	id := krpc.ID{5}
	query := krpc.AppendQuery(nil, []byte("abcd"), id[:], krpc.FindNodeArgs{Target: krpc.ID{9}}, krpc.Header{})
	served := 0.
	for _, flood := range []struct {
		name    string
		sources int
		bytes   int           // budget a second
		apart   time.Duration // between two queries
	}{
		{"served", 1 << 20, 0, time.Second},
		{"one source", 1, 0, 0},
		{"16,000 sources in turn", 16_000, 0, 0},
		{"a million sources in turn", 1_000_000, 1, 0},
	} {
		b.Run(flood.name, func(b *testing.B) {
			in := socket.PublicInbound()
			in.Bytes = flood.bytes
			s := newStage(b, mainline.Config{NoUpkeep: true, Inbound: in})
			s.know(s.public(300))
			i := 0
			receive := func() {
				i++
				s.now = s.now.Add(flood.apart)
				s.sock().Receive(socket.Datagram{Payload: query, From: stranger(i % flood.sources), At: s.now}, none)
			}
			for range 60 * min(flood.sources, 16_000) {
				receive() // until all are silenced
			}
			b.ReportAllocs()
			for b.Loop() {
				receive()
			}
			cost := float64(b.Elapsed()) / float64(b.N)
			if flood.name == "served" {
				served = cost
			}
			b.ReportMetric(served/cost, "times-cheaper")
		})
	}
}

// The same over UDP on loopback: one address sends all it can, another one asks and waits, again and again.
func BenchmarkQueryFloodUDP(b *testing.B) {
	in := socket.PublicInbound()
	in.PerSource, in.Burst, in.Most, in.PerNet = 1000, 1000, 20_000, -1 // so that the one who asks is no flood
	for _, flooded := range []bool{false, true} {
		name := "quiet"
		if flooded {
			name = "flooded"
		}
		b.Run(name, func(b *testing.B) {
			node, err := mainline.Listen("127.0.0.1:0", mainline.Config{Private: true, Inbound: in, NoUpkeep: true})
			require.NoError(b, err)
			defer node.Close()
			dial := func(ip string) *net.UDPConn {
				c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)}, net.UDPAddrFromAddrPort(node.Addr()))
				require.NoError(b, err)
				return c
			}
			id := krpc.ID{5}
			query := krpc.AppendQuery(nil, []byte("abcd"), id[:], krpc.PingArgs{}, krpc.Header{})
			flood, ask := dial("127.0.0.2"), dial("127.0.0.3")
			defer ask.Close()
			over := make(chan struct{})
			go func() { // ends when the conn is closed
				defer close(over)
				for flooded {
					if _, err := flood.Write(query); err != nil && flood.SetDeadline(time.Time{}) != nil {
						return
					}
				}
			}()
			before := node.RPC().Socket().Stats().Received
			var waits []time.Duration
			buf, lost := make([]byte, 2048), 0
			for b.Loop() {
				start := time.Now()
				ask.Write(query)
				ask.SetReadDeadline(start.Add(time.Second))
				if _, err := ask.Read(buf); err != nil {
					lost++
					continue
				}
				waits = append(waits, time.Since(start))
				time.Sleep(2 * time.Millisecond)
			}
			received := node.RPC().Socket().Stats().Received - before
			flood.Close()
			<-over
			slices.Sort(waits)
			b.ReportMetric(float64(received)/b.Elapsed().Seconds(), "packets/s")
			b.ReportMetric(float64(waits[len(waits)*95/100].Microseconds()), "p95-µs")
			b.ReportMetric(float64(lost)/float64(lost+len(waits)), "lost")
		})
	}
}
