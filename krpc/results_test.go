package krpc

import (
	"bytes"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
)

func nodeAt(fill byte, addr string) routing.Node {
	return routing.Node{Key: routing.KeyOf(bytes.Repeat([]byte{fill}, IDSize)), Addr: netip.MustParseAddrPort(addr)}
}

func TestResultsRoundTrip(t *testing.T) {
	lists := NodesResults{
		Nodes:     []routing.Node{nodeAt(1, "192.0.2.1:6881"), nodeAt(2, "192.0.2.2:65535")},
		Nodes6:    []routing.Node{nodeAt(3, "[2001:db8::1]:1")},
		WantNodes: true, WantNodes6: true,
	}
	filter := bytes.Repeat([]byte{0x55}, filterSize)
	for method, want := range map[string]Results{
		MethodPing:     PingResults{},
		MethodFindNode: &lists,
		MethodGetPeers: &GetPeersResults{NodesResults: lists, Token: []byte("tk"), BFsd: filter, BFpe: filter,
			Values: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.3:3"), netip.MustParseAddrPort("[2001:db8::2]:2")}},
		MethodGet: &GetResults{NodesResults: lists, Token: []byte("tk"), V: []byte("d1:ai1ee"), K: bytes.Repeat([]byte("k"), 32),
			Sig: bytes.Repeat([]byte("s"), 64), Seq: 7, HasSeq: true},
		MethodSample: &SampleResults{NodesResults: lists, Interval: 300, Num: 41, Samples: []ID{benchID, benchTarget}},
	} {
		b := AppendResponse(nil, benchTID, benchID[:], want, benchHeader)
		require.True(t, Canonical(b), "%q", b)
		m := mustParse(t, b)
		require.Equal(t, want, typedResults(m, method))
		require.Equal(t, benchHeader, headerOf(m))
	}
}

func TestEmptyLists(t *testing.T) {
	require.Equal(t, string(replyWith("")), string(AppendResponse(nil, []byte("aa"), benchID[:], &NodesResults{}, Header{})))
	require.Equal(t, string(replyWith("5:nodes0:6:nodes60:")),
		string(AppendResponse(nil, []byte("aa"), benchID[:], &NodesResults{WantNodes: true, WantNodes6: true}, Header{})))
	require.Equal(t, string(replyWith("8:intervali0e3:numi0e7:samples0:")),
		string(AppendResponse(nil, []byte("aa"), benchID[:], &SampleResults{}, Header{})))
}

// A list holds its own family only, IPv4-mapped addresses go out as IPv4.
func TestListsKeepToTheirFamily(t *testing.T) {
	mixed := []routing.Node{nodeAt(1, "192.0.2.1:1"), nodeAt(2, "[2001:db8::1]:2"), nodeAt(3, "[::ffff:192.0.2.3]:3"), {}}
	m := mustParse(t, AppendResponse(nil, []byte("aa"), benchID[:], &NodesResults{Nodes: mixed, Nodes6: mixed}, Header{}))
	var got []string
	for n := range m.Nodes {
		got = append(got, n.Addr.String())
	}
	for n := range m.Nodes6 {
		got = append(got, n.Addr.String())
	}
	require.Equal(t, []string{"192.0.2.1:1", "192.0.2.3:3", "[2001:db8::1]:2"}, got)
}

func TestNodesAreTolerant(t *testing.T) {
	id := strings.Repeat("x", 20)
	entry := func(id, addr string) string { return id + addr }
	good := entry(id, "\xc0\x00\x02\x01\x1a\xe1")
	for name, list := range map[string]string{
		"plain":       good,
		"tail":        good + "def456...",
		"port 0":      entry(id, "\xc0\x00\x02\x02\x00\x00") + good,
		"unspecified": entry(id, "\x00\x00\x00\x00\x1a\xe1") + good,
		"this net":    entry(id, "\x00\x01\x02\x03\x1a\xe1") + good,
		"multicast":   entry(id, "\xe0\x00\x00\x01\x1a\xe1") + good,
		"broadcast":   good + entry(id, "\xff\xff\xff\xff\x1a\xe1"),
		"zero id":     entry(strings.Repeat("\x00", 20), "\xc0\x00\x02\x02\x1a\xe1") + good,
	} {
		m := mustParse(t, replyWith("5:nodes"+string(appendText(nil, list))))
		var got []Node
		for n := range m.Nodes {
			got = append(got, n)
		}
		require.Equal(t, []Node{{ID([]byte(id)), netip.MustParseAddrPort("192.0.2.1:6881")}}, got, name)
	}
	six := func(addr string) string {
		return id + string(as16(addr)) + "\x1a\xe1"
	}
	list := six("::ffff:192.0.2.1") + six("::") + six("ff02::1") + six("2001:db8::1") + "tail"
	m := mustParse(t, replyWith("5:nodesi1e6:nodes6"+string(appendText(nil, list))))
	var got []string
	for n := range m.Contacts(IDSize) {
		got = append(got, n.Addr.String())
	}
	require.Equal(t, []string{"[2001:db8::1]:6881"}, got)
	for _, idLen := range []int{-1, 0, 33, math.MaxInt} {
		for range m.Contacts(idLen) {
			t.Fatal("no id is that long")
		}
	}
}

func as16(addr string) []byte {
	b := netip.MustParseAddr(addr).As16()
	return b[:]
}

func TestIteratorsStop(t *testing.T) {
	both := string(appendText(nil, strings.Repeat(strings.Repeat("x", 20)+"\xc0\x00\x02\x01\x1a\xe1", 3)))
	six := string(appendText(nil, strings.Repeat(strings.Repeat("x", 20)+string(as16("2001:db8::1"))+"\x1a\xe1", 3)))
	m := mustParse(t, replyWith("5:nodes"+both+"6:nodes6"+six+"7:samples40:"+strings.Repeat("h", 40)+
		"6:valuesl6:\xc0\x00\x02\x01\x1a\xe16:\xc0\x00\x02\x01\x1a\xe1e"))
	n := 0
	for range m.Nodes {
		n++
		break
	}
	for range m.Nodes6 {
		n++
		break
	}
	for range m.Contacts(IDSize) {
		n++
		break
	}
	for range m.Values {
		n++
		break
	}
	for range m.Samples {
		n++
		break
	}
	require.Equal(t, 5, n)
}

func TestValues(t *testing.T) {
	v6 := "18:" + string(as16("2001:db8::1")) + "\x00\x02"
	for in, want := range map[string][]string{
		"l6:\xc0\x00\x02\x01\x00\x01" + v6 + "e":                                 {"192.0.2.1:1", "[2001:db8::1]:2"},
		"l6:\xc0\x00\x02\x01\x00\x006:\xc0\x00\x02\x02\x00\x01e":                 {"192.0.2.2:1"},
		"l5:123450:i1elel6:\xc0\x00\x02\x01\x00\x01e6:\xc0\x00\x02\x02\x00\x01e": {"192.0.2.2:1"},
		"l18:" + string(as16("::ffff:192.0.2.1")) + "\x00\x02e":                  nil,
		"15:\xc0\x00\x02\x01\x00\x01\xc0\x00\x02\x02\x00\x02xyz":                 {"192.0.2.1:1", "192.0.2.2:2"},
		"le": nil, "0:": nil, "i1e": nil, "d6:\xc0\x00\x02\x01\x00\x016:\xc0\x00\x02\x02\x00\x01e": nil,
	} {
		var got []string
		for p := range mustParse(t, replyWith("6:values"+in)).Values {
			got = append(got, p.String())
		}
		require.Equal(t, want, got, "%q", in)
	}
	m := mustParse(t, AppendResponse(nil, nil, benchID[:], &GetPeersResults{Values: make([]netip.AddrPort, 1)}, Header{}))
	require.Equal(t, "le", string(m.Field("values")), "an invalid address is left out")
}

func TestSampleAnswer(t *testing.T) {
	for in, want := range map[string]int64{
		"i0e": 0, "i21600e": 21600, "i21601e": 21600, "i-1e": 21600, "i99999999999999999999e": 21600, "1:1": 21600,
	} {
		got, _ := mustParse(t, replyWith("8:interval"+in)).Interval()
		require.Equal(t, want, got, in)
	}
	_, ok := mustParse(t, replyWith("")).Interval()
	require.False(t, ok)
	m := mustParse(t, replyWith("3:numi41e7:samples45:"+strings.Repeat("h", 45)))
	n := 0
	for range m.Samples {
		n++
	}
	num, ok := m.Num()
	require.True(t, ok && m.HasSamples())
	require.EqualValues(t, 41, num)
	require.Equal(t, 2, n, "the rest is ignored")
	require.False(t, mustParse(t, replyWith("7:samplesle")).HasSamples())
}

func TestItemAnswer(t *testing.T) {
	m := mustParse(t, replyWith(aKey+"3:seqi1e"+aSig+"1:vle"))
	require.Equal(t, "le", string(m.Value()))
	require.Len(t, m.K(), 32)
	require.Len(t, m.Sig(), 64)
	m = mustParse(t, replyWith("1:k31:"+strings.Repeat("k", 31)+"3:seq1:13:sigi1e5:token129:"+strings.Repeat("t", 129)))
	require.Nil(t, m.Value())
	require.Nil(t, m.K())
	require.Nil(t, m.Sig())
	require.Nil(t, m.Token())
	_, ok := m.Seq()
	require.False(t, ok)
}

func TestFilters(t *testing.T) {
	f := "256:" + strings.Repeat("f", 256)
	m := mustParse(t, replyWith("4:BFpe"+f+"4:BFse"+f))
	require.Len(t, m.BFpe(), 256)
	require.Len(t, m.BFsd(), 256, "under mldht's name")
	m = mustParse(t, replyWith("4:BFpe3:abc4:BFsdi1e"))
	require.Nil(t, m.BFpe())
	require.Nil(t, m.BFsd())
}

func TestIntegers(t *testing.T) {
	for in, want := range map[string]int64{
		"i0e": 0, "i-1e": -1, "i9223372036854775807e": 1<<63 - 1, "i-9223372036854775808e": -1 << 63,
	} {
		got, ok := mustParse(t, replyWith("3:seq"+in)).Seq()
		require.True(t, ok, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"i9223372036854775808e", "i-9223372036854775809e", "i18446744073709551616e", "i99999999999999999999e", "1:1", "le"} {
		_, ok := mustParse(t, replyWith("3:seq"+in)).Seq()
		require.False(t, ok, in)
	}
}

func TestCanonical(t *testing.T) {
	for _, in := range []string{"0:", "1:x", "i0e", "i-1e", "le", "de", "d0:i1e1:ai1ee", "d1:ad1:bi1ee1:bd1:ai1eee", "ld1:bi1eed1:ai1eee", nested(32)} {
		require.True(t, Canonical([]byte(in)), in)
	}
	for _, in := range []string{
		"", "x", "1:", "01:x", "i00e", "i-0e", "ie", "i1", "l", "d", "d1:ae", "leX", "i1ei1e", "di1ei1ee",
		"d1:bi1e1:ai1ee", "d1:ai1e1:ai1ee", "ld1:bi1e1:ai1eee", "d1:ad1:di1ee1:ai1ee", "d2:aai1e1:ai1ee", nested(33),
	} {
		require.False(t, Canonical([]byte(in)), in)
	}
}

// Strings around the lengths where the head grows by a digit.
func TestContentOfEveryLength(t *testing.T) {
	for n := range 1100 {
		s := strings.Repeat("x", n)
		require.Equal(t, s, string(content(appendText(nil, s))))
	}
}
