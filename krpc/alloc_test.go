package krpc

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
)

func requireNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	require.Zero(t, testing.AllocsPerRun(100, f), what)
}

// Whatever comes in, whole or cut off: reading it allocates nothing.
func TestParseAllocatesNothing(t *testing.T) {
	for _, b := range vectorDatagrams(t) {
		requireNoAllocs(t, string(b), func() {
			m, err := Parse(b)
			Classify(b)
			Parse(b[:len(b)/2])
			if err == nil {
				touch(&m)
			}
		})
	}
}

// touch calls the accessors a server and a lookup use.
func touch(m *Message) {
	for n := range m.Contacts(IDSize) {
		sink += int(n.Addr.Port())
	}
	for n := range m.Nodes {
		sink += int(n.Addr.Port())
	}
	for p := range m.Values {
		sink += int(p.Port())
	}
	for h := range m.Samples {
		sink += int(h[0])
	}
	errs := [8]error{m.CheckQuery(IDSize)}
	_, errs[1] = m.Ping()
	_, errs[2] = m.FindNode()
	_, errs[3] = m.GetPeers()
	_, errs[4] = m.AnnouncePeer()
	_, errs[5] = m.Get()
	_, errs[6] = m.Put()
	_, errs[7] = m.Sample()
	for _, err := range errs {
		if err != nil {
			sink++
		}
	}
	_, ok := m.Target(IDSize)
	if _, isKey := m.Key(IDSize); ok && isKey {
		sink += len(m.Token()) + len(m.Field("x"))
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, MaxDatagram)
	nodes6 := []routing.Node{nodeAt(3, "[2001:db8::1]:1")}
	lists := NodesResults{Nodes: benchNodes(8), Nodes6: nodes6}
	for name, r := range map[string]Results{
		"ping": PingResults{}, "find_node": &lists, "get_peers": &GetPeersResults{NodesResults: lists, Token: benchTID},
		"get": &GetResults{NodesResults: lists, V: []byte("le")}, "sample": &SampleResults{NodesResults: lists, Samples: []ID{benchID}},
	} {
		requireNoAllocs(t, name, func() { buf = AppendResponse(buf[:0], benchTID, benchID[:], r, benchHeader) })
	}
	for _, a := range []Args{
		PingArgs{}, FindNodeArgs{}, GetPeersArgs{}, AnnouncePeerArgs{Port: 1, Token: benchTID}, GetArgs{}, PutArgs{V: []byte("le")}, SampleArgs{},
	} {
		requireNoAllocs(t, a.Method(), func() { buf = AppendQuery(buf[:0], benchTID, benchID[:], a, benchHeader) })
	}
	requireNoAllocs(t, "error", func() { buf = AppendError(buf[:0], benchTID, ErrMethodUnknown, benchHeader) })
}

// The codec's share of serving a find_node: from datagram to datagram.
func TestServingAllocatesNothing(t *testing.T) {
	query := AppendQuery(nil, benchTID, benchID[:], FindNodeArgs{Target: benchTarget}, Header{})
	buf := make([]byte, 0, MaxDatagram)
	requireNoAllocs(t, "find_node", func() {
		m, err := Parse(query)
		if err != nil || m.CheckQuery(IDSize) != nil || string(m.Method()) != MethodFindNode {
			panic("not served")
		}
		if _, err := m.FindNode(); err != nil {
			panic(err)
		}
		buf = AppendResponse(buf[:0], m.TID(), benchID[:], &benchResults, benchHeader)
	})
	require.Equal(t, string(benchReply), string(buf))
}
