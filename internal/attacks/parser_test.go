package attacks

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// hostile are packets as long as they come that are made to keep a parser busy, to make it recurse or to make it trust
// a length.
func hostile() map[string][]byte {
	const n = 1500
	fill := func(head, with, tail string) []byte {
		return []byte(head + strings.Repeat(with, (n-len(head)-len(tail))/len(with)) + tail)
	}
	return map[string][]byte{
		"lists in lists":              fill("", "l", ""),
		"dictionaries in each other":  fill("", "d0:", ""),
		"closed again":                fill("d1:a", "l", strings.Repeat("e", 700)),
		"dictionaries, closed again":  fill("d1:a", "d1:a", strings.Repeat("e", 300)),
		"a huge length":               fill("d1:a999999999999999999999999999999:", "x", ""),
		"a length beyond the end":     fill("d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa6:target2000:", "x", "e1:y1:qe"),
		"a negative length":           fill("d1:a-5:", "x", ""),
		"leading zeros":               fill("d00001:a", "x", "e"),
		"a long integer":              fill("d1:ai", "9", "e1:y1:qe"),
		"an endless integer":          fill("d1:ai-", "9", ""),
		"many small items":            fill("d1:al", "i1e", "e1:y1:qe"),
		"many empty strings":          fill("d1:al", "0:", "e1:t1:t1:y1:qe"),
		"many keys":                   fill("d", "1:bi1e", "1:y1:qe"),
		"the same key again":          fill("d", "1:y1:r1:t1:t", "e"),
		"nothing but digits":          fill("d", "1", ""),
		"nothing but colons":          fill("d", ":", ""),
		"zeros":                       fill("d", "\x00", ""),
		"an end at once":              fill("de", "e", ""),
		"integer keys":                fill("d", "i1ei1e", "e"),
		"a query without id":          fill("d1:ad1:x1:ye1:q4:ping1:t1000:", "t", "1:y1:qe"),
		"a transaction id too long":   fill("d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t1430:", "t", "1:y1:qe"),
		"a query of lists":            fill("d1:al1:xe1:q4:ping1:x", "le", "1:y1:qe"),
		"nodes that are one too many": fill("d1:rd2:id20:aaaaaaaaaaaaaaaaaaaa5:nodes1400:", "x", "e1:t4:abcd1:y1:re"),
	}
}

// Row 1: no input costs memory or harms the node, and none is answered with more than an error.
func TestHostilePackets(t *testing.T) {
	s := newStage(t, mainline.Config{NoUpkeep: true, Inbound: socket.Inbound{PerSource: -1}})
	s.know(s.public(50))
	out := func(int, netip.AddrPort, []byte) {}
	for name, b := range hostile() {
		d := socket.Datagram{Payload: b, From: stranger(1), At: s.now}
		s.sock().Receive(d, out)
		require.Zero(t, testing.AllocsPerRun(100, func() { s.sock().Receive(d, out) }), name)
		before := s.bytes
		s.receive(d.From, b)
		require.LessOrEqual(t, s.bytes-before, uint64(100), "%s: an error, if it is a query at all", name)
	}
	require.True(t, s.ask(stranger(2), krpc.ID{5}, krpc.PingArgs{}), "the node is well")
}

// Damaged queries of all kinds: every prefix, every byte set to the letters that mean something, random bytes.
func TestDamagedQueries(t *testing.T) {
	s := newStage(t, mainline.Config{NoUpkeep: true, Inbound: socket.Inbound{PerSource: -1}})
	s.know(s.public(50))
	id := krpc.ID{5}
	queries := []krpc.Args{
		krpc.PingArgs{}, krpc.FindNodeArgs{Want: krpc.WantBoth}, krpc.GetPeersArgs{Scrape: true},
		krpc.AnnouncePeerArgs{Port: 1, Token: []byte("12345678")}, krpc.GetArgs{}, krpc.SampleArgs{},
		krpc.PutArgs{Token: []byte("12345678"), V: []byte("i1e"), K: make([]byte, 32), Sig: make([]byte, 64), Salt: []byte("s")},
	}
	check := func(b []byte) {
		before := s.served
		s.receive(stranger(1), b)
		require.LessOrEqual(t, s.served-before, 1, "%q", b)
	}
	for _, args := range queries {
		whole := krpc.AppendQuery(nil, []byte("abcd"), id[:], args, krpc.Header{Version: []byte("XX00")})
		for i := range whole {
			check(whole[:i])
			for _, c := range []byte("deli0:9\x00\xff-") {
				b := bytes.Clone(whole)
				b[i] = c
				check(b)
			}
		}
		for range size(20_000, 2_000) {
			b := bytes.Clone(whole)
			for range 1 + s.rng.IntN(4) {
				b[s.rng.IntN(len(b))] = byte(s.rng.Uint32())
			}
			check(b)
		}
	}
	for range size(100_000, 10_000) {
		b := make([]byte, 1+s.rng.IntN(100))
		for i := range b {
			b[i] = "de:0123456789il\x00q"[s.rng.IntN(17)]
		}
		b[0] = 'd'
		check(b)
	}
	require.True(t, s.ask(stranger(2), id, krpc.PingArgs{}), "the node is well")
}

// How long the worst packets keep a node: docs/defences.md quotes the longest.
func BenchmarkHostilePackets(b *testing.B) {
	for name, packet := range hostile() {
		b.Run(fmt.Sprintf("%q", name), func(b *testing.B) {
			s := newStage(b, mainline.Config{NoUpkeep: true})
			d := socket.Datagram{Payload: packet, From: stranger(1), At: s.now}
			b.ReportAllocs()
			for b.Loop() {
				s.sock().Receive(d, s.out)
			}
		})
	}
}
