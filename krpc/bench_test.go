package krpc

import (
	"net/netip"
	"testing"
	"time"

	oracle "github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"

	"github.com/dhtkit/dhtkit/routing"
)

// The four messages of the comparison, written by our encoder; theirs reads the same bytes and writes the same.
var (
	benchID      = ID([]byte("abcdefghij0123456789"))
	benchTarget  = ID([]byte("mnopqrstuvwxyz123456"))
	benchTID     = []byte("\x01\x02\x03\x04")
	benchHeader  = Header{Version: []byte("dk\x00\x01"), IP: netip.MustParseAddrPort("203.0.113.9:40000")}
	benchResults = NodesResults{Nodes: benchNodes(8)}
	benchArgs    = Args(GetPeersArgs{InfoHash: benchTarget})
	benchReply   = AppendResponse(nil, benchTID, benchID[:], &benchResults, benchHeader)
	benchQuery   = AppendQuery(nil, benchTID, benchID[:], benchArgs, Header{})
)

func benchNodes(n int) []routing.Node {
	nodes := make([]routing.Node, n)
	for i := range nodes {
		id := benchTarget
		id[19] ^= byte(i)
		nodes[i] = routing.Node{Key: id.Key(), Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), uint16(6881+i))}
	}
	return nodes
}

// sink keeps results alive.
var sink int

func oursParse(b []byte) {
	m, err := Parse(b)
	if err != nil {
		panic(err)
	}
	sink += int(m.Kind())
}

func theirsParse(b []byte) {
	var m oracle.Msg
	if err := bencode.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	sink += len(m.T)
}

func oursEncodeReply(dst []byte) []byte {
	return AppendResponse(dst[:0], benchTID, benchID[:], &benchResults, benchHeader)
}

func oursEncodeQuery(dst []byte) []byte {
	return AppendQuery(dst[:0], benchTID, benchID[:], benchArgs, Header{})
}

func theirsMsg(b []byte) (m oracle.Msg) {
	if err := bencode.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	return m
}

func theirsEncode(m *oracle.Msg) []byte { return bencode.MustMarshal(m) }

// codecPair is one benchmark in both codecs.
type codecPair struct {
	name         string
	ours, theirs func()
}

func codecPairs() []codecPair {
	buf := make([]byte, 0, MaxDatagram)
	reply, query := theirsMsg(benchReply), theirsMsg(benchQuery)
	return []codecPair{
		{"ParseFindNodeReply", func() { oursParse(benchReply) }, func() { theirsParse(benchReply) }},
		{"ParseGetPeersQuery", func() { oursParse(benchQuery) }, func() { theirsParse(benchQuery) }},
		{"EncodeFindNodeReply", func() { buf = oursEncodeReply(buf) }, func() { sink += len(theirsEncode(&reply)) }},
		{"EncodeGetPeersQuery", func() { buf = oursEncodeQuery(buf) }, func() { sink += len(theirsEncode(&query)) }},
		// Theirs copies every value while it parses, ours reads them when asked: the same with all of them read.
		{"ReadFindNodeReply", oursReadReply, func() { theirsParse(benchReply) }},
		{"ReadGetPeersQuery", oursReadQuery, func() { theirsParse(benchQuery) }},
	}
}

func oursReadReply() {
	m, _ := Parse(benchReply)
	id, _ := m.ID()
	ip, _ := m.IP()
	sink += int(id[0]) + int(ip.Port()) + len(m.TID()) + len(m.Version())
	for n := range m.Contacts(IDSize) {
		sink += int(n.Addr.Port())
	}
}

func oursReadQuery() {
	m, _ := Parse(benchQuery)
	id, _ := m.ID()
	a, _ := m.GetPeers()
	sink += int(id[0]) + int(a.InfoHash[0]) + len(m.TID()) + len(m.Method())
}

func benchPair(b *testing.B, i int) {
	p := codecPairs()[i]
	run := func(f func()) func(b *testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		}
	}
	b.Run("dhtkit", run(p.ours))
	b.Run("anacrolix", run(p.theirs))
}

func BenchmarkParseFindNodeReply(b *testing.B)  { benchPair(b, 0) }
func BenchmarkParseGetPeersQuery(b *testing.B)  { benchPair(b, 1) }
func BenchmarkEncodeFindNodeReply(b *testing.B) { benchPair(b, 2) }
func BenchmarkEncodeGetPeersQuery(b *testing.B) { benchPair(b, 3) }

// BenchmarkCodecRatio measures both codecs in turn, in slices short enough that a change of the machine's speed meets
// both, and reports how many times faster ours is.
func BenchmarkCodecRatio(b *testing.B) {
	for _, p := range codecPairs() {
		b.Run(p.name, func(b *testing.B) {
			var ours, theirs time.Duration
			for b.Loop() {
				start := time.Now()
				for range 1000 {
					p.ours()
				}
				ours += time.Since(start)
				start = time.Now()
				for range 20 {
					p.theirs()
				}
				theirs += time.Since(start)
			}
			b.ReportMetric(float64(theirs)/20/(float64(ours)/1000), "times-faster")
			b.ReportMetric(float64(ours)/1000/float64(b.N), "ours-ns")
			b.ReportMetric(float64(theirs)/20/float64(b.N), "theirs-ns")
		})
	}
}

// The first look at a datagram.
func BenchmarkClassify(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		k, tid, _ := Classify(benchReply)
		sink += int(k) + len(tid)
	}
}

func BenchmarkReadFindNodeReply(b *testing.B) { benchPair(b, 4) }
func BenchmarkReadGetPeersQuery(b *testing.B) { benchPair(b, 5) }
