package krpc

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// hexBytes is a byte string written as hex in the vector files.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// bepVectors is testdata/bep.json.
type bepVectors struct {
	Messages []struct {
		Name, Origin, Note string
		Hex                hexBytes
	}
	Tolerance []struct {
		Name, Want string
		Hex        hexBytes
	}
	Compact struct {
		Peers []struct {
			IP      netip.Addr
			Port    uint16
			Compact hexBytes
		}
		TorrentNodes struct{ Bencoded hexBytes } `json:"torrent_nodes"`
		BEP52        struct {
			V2  hexBytes `json:"v2_infohash"`
			Key ID       `json:"dht_key"`
		} `json:"bep52_key"`
	}
	XOR struct {
		Target           ID
		IDs              []ID
		ClosestFirst     []ID  `json:"closest_first"`
		SharedPrefixBits []int `json:"shared_prefix_bits"`
	}
}

// captured is testdata/bittorrent-dht.json.
type captured struct {
	Exchanges []struct {
		Name, Note string
		Datagrams  []hexBytes
	}
}

func readVectors[T any](t testing.TB, name string) (v T) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &v))
	return v
}

// vectorDatagrams returns every datagram of the vector files, also those of the other protocol.
func vectorDatagrams(t testing.TB) (all [][]byte) {
	t.Helper()
	bep, capt := readVectors[bepVectors](t, "bep.json"), readVectors[captured](t, "bittorrent-dht.json")
	for _, m := range bep.Messages {
		all = append(all, m.Hex)
	}
	for _, m := range bep.Tolerance {
		all = append(all, m.Hex)
	}
	for _, x := range capt.Exchanges {
		for _, d := range x.Datagrams {
			all = append(all, d)
		}
	}
	text, err := os.ReadFile("testdata/dht-rpc.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			b, err := hex.DecodeString(line)
			require.NoError(t, err)
			all = append(all, b)
		}
	}
	return all
}

// typedArgs decodes a query into the argument type of its method.
func typedArgs(m *Message) (Args, error) {
	switch string(m.Method()) {
	case MethodPing:
		return m.Ping()
	case MethodFindNode:
		return m.FindNode()
	case MethodGetPeers:
		return m.GetPeers()
	case MethodAnnouncePeer:
		return m.AnnouncePeer()
	case MethodGet:
		return m.Get()
	case MethodPut:
		return m.Put()
	case MethodSample:
		return m.Sample()
	}
	return nil, ErrMethodUnknown
}

// typedLists decodes both node lists.
func typedLists(m *Message, idLen int) (r NodesResults) {
	for n := range m.Contacts(idLen) {
		if n.Addr.Addr().Is4() {
			r.Nodes = append(r.Nodes, n)
		} else {
			r.Nodes6 = append(r.Nodes6, n)
		}
	}
	r.WantNodes, r.WantNodes6 = m.Field("nodes") != nil, m.Field("nodes6") != nil
	return r
}

// typedResults decodes an answer into the result type of the method it answers; nil for methods of one's own.
func typedResults(m *Message, method string) Results {
	lists := typedLists(m, IDSize)
	switch method {
	case MethodPing, MethodAnnouncePeer, MethodPut:
		return PingResults{}
	case MethodFindNode:
		return &lists
	case MethodGetPeers:
		r := &GetPeersResults{NodesResults: lists, Token: m.Token(), BFsd: m.BFsd(), BFpe: m.BFpe()}
		for v := range m.Values {
			r.Values = append(r.Values, v)
		}
		return r
	case MethodGet:
		r := &GetResults{NodesResults: lists, Token: m.Token(), V: m.Value(), K: m.K(), Sig: m.Sig()}
		r.Seq, r.HasSeq = m.Seq()
		return r
	case MethodSample:
		r := &SampleResults{NodesResults: lists}
		r.Interval, _ = m.Interval()
		r.Num, _ = m.Num()
		for h := range m.Samples {
			r.Samples = append(r.Samples, h)
		}
		return r
	}
	return nil
}

// rawFields decodes a body as a method of one's own would.
func rawFields(t testing.TB, m *Message) (fields map[string]any) {
	t.Helper()
	require.NoError(t, m.Decode(&fields))
	delete(fields, "id")
	return fields
}

func headerOf(m *Message) Header {
	ip, _ := m.IP()
	return Header{Version: m.Version(), ReadOnly: m.ReadOnly(), IP: ip}
}

// reencode takes a datagram apart and writes it anew: through the types of its method, or through the raw types.
// method is what an answer answers.
func reencode(t testing.TB, m *Message, method string, raw bool) []byte {
	t.Helper()
	tid, id, h := m.TID(), m.IDBytes(), headerOf(m)
	switch {
	case m.Kind() == KindError:
		return AppendError(nil, tid, m.Err(), h)
	case m.Kind() == KindQuery && raw:
		return AppendQuery(nil, tid, id, RawArgs{Name: string(m.Method()), Fields: rawFields(t, m)}, h)
	case m.Kind() == KindQuery:
		args, err := typedArgs(m)
		require.NoError(t, err)
		return AppendQuery(nil, tid, id, args, h)
	case raw:
		return AppendResponse(nil, tid, id, &RawResults{Fields: rawFields(t, m)}, h)
	}
	r := typedResults(m, method)
	require.NotNil(t, r, "no result type for %s", method)
	return AppendResponse(nil, tid, id, r, h)
}

// checkReencode wants the bytes back. A datagram that is to go through the raw types must be one that the types of its
// method cannot write, so that no exception outlives its reason.
func checkReencode(t *testing.T, b []byte, method, rawBecause string) {
	t.Helper()
	m, err := Parse(b)
	require.NoError(t, err)
	if rawBecause == "" || m.Kind() == KindError {
		require.Equal(t, string(b), string(reencode(t, &m, method, false)))
		return
	}
	require.Equal(t, string(b), string(reencode(t, &m, method, true)))
	if m.Kind() == KindQuery {
		if args, err := typedArgs(&m); err == nil {
			require.NotEqual(t, string(b), string(AppendQuery(nil, m.TID(), m.IDBytes(), args, headerOf(&m))))
		}
	} else if r := typedResults(&m, method); r != nil {
		require.NotEqual(t, string(b), string(AppendResponse(nil, m.TID(), m.IDBytes(), r, headerOf(&m))))
	}
}

// What bittorrent-dht sends and our types do not write, by exchange and method of the query.
var rawCaptured = map[string]string{
	"find_node-no-target find_node":        "no target: our accessor answers 203",
	"get_peers-no-info_hash get_peers":     "no info_hash: 203",
	"announce_peer announce_peer":          "implied_port 0 written out, which we leave out",
	"announce_peer-no-token announce_peer": "no token: 203",
	"lookup-announce announce_peer":        "implied_port 0 written out",
	"put-too-big put":                      "v of more than 1000 bytes: 205",
	"unknown-method no_such_method":        "a method without types",
	"k-rpc-echo-32 echo":                   "a method without types",
	"k-rpc-token echo":                     "a method without types",
	"k-rpc-error-string fail":              "a method without types",
	"k-rpc-error-list failcode":            "a method without types",
}

func TestCapturedReencode(t *testing.T) {
	used := map[string]bool{}
	n := 0
	for _, x := range readVectors[captured](t, "bittorrent-dht.json").Exchanges {
		methods := map[string]string{} // by transaction id
		for _, b := range x.Datagrams {
			m, err := Parse(b)
			require.NoError(t, err, x.Name)
			if m.Kind() == KindQuery {
				methods[string(m.TID())] = string(m.Method())
			}
			method := methods[string(m.TID())]
			key := x.Name + " " + method
			reason := rawCaptured[key]
			if m.Kind() == KindResponse && method != "echo" {
				reason = "" // only the query is out of the ordinary
			}
			used[key] = used[key] || reason != ""
			t.Run(key+" "+m.Kind().String(), func(t *testing.T) { checkReencode(t, b, method, reason) })
			n++
		}
	}
	require.Equal(t, 71, n)
	for key := range rawCaptured {
		require.True(t, used[key], "no datagram for %q", key)
	}
}

// The 32-byte networks of k-rpc: ids and compact nodes of their length, through the typed lists.
func TestCapturedLongIDs(t *testing.T) {
	seen := 0
	for _, x := range readVectors[captured](t, "bittorrent-dht.json").Exchanges {
		if !strings.HasPrefix(x.Name, "k-rpc-echo") && !strings.HasPrefix(x.Name, "k-rpc-token") {
			continue
		}
		m, err := Parse(x.Datagrams[1])
		require.NoError(t, err)
		_, ok := m.ID()
		require.False(t, ok)
		_, ok = m.Key(32)
		require.True(t, ok)
		fields := rawFields(t, &m)
		delete(fields, "nodes")
		r := &RawResults{Fields: fields, NodesResults: typedLists(&m, 32)}
		require.Len(t, r.Nodes, 2)
		require.Equal(t, "127.0.0.9:9", r.Nodes[0].Addr.String())
		require.Equal(t, string(x.Datagrams[1]), string(AppendResponse(nil, m.TID(), m.IDBytes(), r, Header{})))
		seen++
	}
	require.Equal(t, 2, seen)
}

// Methods that the answers among the BEP vectors belong to, by the start of their names.
var vectorMethods = []struct{ prefix, method string }{
	{"ping", MethodPing}, {"find_node", MethodFindNode}, {"response over IPv6", MethodFindNode},
	{"get_peers", MethodGetPeers}, {"announce_peer", MethodAnnouncePeer}, {"get re", MethodGet},
	{"sample_infohashes", MethodSample}, {"vote", "vote"},
}

// What the BEPs and clients write and our types do not.
var rawVectors = map[string]string{
	"find_node response":            "a stand-in of 9 bytes for nodes",
	"get_peers response with nodes": "a stand-in of 9 bytes for nodes",
	"get_peers reply with one concatenated values string (old mainline)": "we write a list",
	"vote reply (libbtdht)":  "a method without types",
	"punch query (libbtdht)": "a method without types",
}

// Errors in the disguise of clients are read as what they are and written in the form of BEP 5.
var plainErrors = map[string]string{
	"error that also carries r (libbtdht's put errors)": "d1:eli302e3:olde1:t2:aa1:y1:ee",
	"error labelled as a reply (bitmagnet)":             "d1:eli204e7:unknowne1:t2:aa1:y1:ee",
}

func TestVectorsReencode(t *testing.T) {
	messages := readVectors[bepVectors](t, "bep.json").Messages
	require.Len(t, messages, 47)
	for _, v := range messages {
		t.Run(v.Name, func(t *testing.T) {
			if want, ok := plainErrors[v.Name]; ok {
				m, err := Parse(v.Hex)
				require.NoError(t, err)
				require.Equal(t, KindError, m.Kind())
				require.Equal(t, want, string(AppendError(nil, m.TID(), m.Err(), Header{})))
				return
			}
			method := ""
			for _, p := range vectorMethods {
				if strings.HasPrefix(v.Name, p.prefix) {
					method = p.method
				}
			}
			checkReencode(t, v.Hex, method, rawVectors[v.Name])
		})
	}
}

// What the vectors say beyond their bytes.
func TestVectorsMeaning(t *testing.T) {
	parse := func(name string) *Message {
		for _, v := range readVectors[bepVectors](t, "bep.json").Messages {
			if v.Name == name {
				m, err := Parse(v.Hex)
				require.NoError(t, err)
				return &m
			}
		}
		t.Fatalf("no vector %q", name)
		return nil
	}
	peers := func(m *Message) (all []string) {
		for p := range m.Values {
			all = append(all, p.String())
		}
		return all
	}
	require.Equal(t, []string{"97.120.106.101:11893", "105.100.104.116:28269"}, peers(parse("get_peers response with peers")))
	require.Equal(t, []string{"192.0.2.1:1", "[2001:db8::1]:2"}, peers(parse("get_peers response with a hybrid values list")))
	require.Equal(t, []string{"192.0.2.1:1", "192.0.2.2:2"},
		peers(parse("get_peers reply with one concatenated values string (old mainline)")))

	var nodes []string
	for n := range parse("find_node response with both families").Contacts(IDSize) {
		nodes = append(nodes, n.Addr.String())
	}
	require.Equal(t, []string{"192.0.2.1:6881", "198.51.100.7:51413", "[2001:db8::1]:6881"}, nodes)
	for range parse("find_node response").Nodes {
		t.Fatal("the stand-in holds no node")
	}

	ip, ok := parse("response over IPv6 with an 18-byte ip").IP()
	require.True(t, ok)
	require.Equal(t, "[2001:db8::9]:40000", ip.String())
	require.True(t, parse("read-only ping query").ReadOnly())
	require.Len(t, parse("get_peers scrape response").BFsd(), 256)

	empty := parse("sample_infohashes response, nothing stored")
	require.True(t, empty.HasSamples())
	require.False(t, parse("find_node response").HasSamples())

	a, err := parse("announce_peer query").AnnouncePeer()
	require.NoError(t, err)
	require.True(t, a.ImpliedPort)
	require.EqualValues(t, 6881, a.Port)
	p, err := parse("put query, mutable with salt and cas").Put()
	require.NoError(t, err)
	require.True(t, p.Mutable() && p.HasCas)
	require.Equal(t, "foobar", string(p.Salt))
	require.Equal(t, "12:Hello World!", string(p.V))
}

func TestVectorsCompact(t *testing.T) {
	v := readVectors[bepVectors](t, "bep.json").Compact
	require.Len(t, v.Peers, 4)
	for _, p := range v.Peers {
		want := netip.AddrPortFrom(p.IP.Unmap(), p.Port)
		require.Equal(t, want, addrPort(p.Compact))
		if !p.IP.Is4In6() { // which is read, and written as the IPv4 address it stands for
			require.Equal(t, []byte(p.Compact), appendPeer(nil, want))
		}
	}
	require.Equal(t, v.BEP52.Key, ID(v.BEP52.V2[:IDSize]), "a v2 info hash is cut (BEP 52)")

	// The nodes of a torrent file (BEP 5) are for a program's bootstrap list.
	var file struct {
		Nodes [][2]any `bencode:"nodes"`
	}
	require.NoError(t, bencode.Unmarshal(v.TorrentNodes.Bencoded, &file))
	require.Equal(t, [][2]any{{"127.0.0.1", int64(6881)}, {"your.router.node", int64(4804)},
		{"2001:db8:100:0:d5c8:db3f:995e:c0f7", int64(1941)}}, file.Nodes)
}

func TestVectorsXOR(t *testing.T) {
	v := readVectors[bepVectors](t, "bep.json").XOR
	require.Len(t, v.IDs, 10)
	target := v.Target.Key()
	for i, id := range v.IDs {
		bits := routing.CommonBits(target, id.Key())
		require.Equal(t, v.SharedPrefixBits[i], min(bits, 8*IDSize))
	}
	slices.SortFunc(v.IDs, func(a, b ID) int { return routing.CompareDistance(target, a.Key(), b.Key()) })
	require.Equal(t, v.ClosestFirst, v.IDs)
}
