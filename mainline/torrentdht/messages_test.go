package torrentdht

import (
	"errors"
	"net"
	"strings"
	"testing"

	theirs "github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/krpc"
)

const (
	testID   = "abcdefghij0123456789"
	testHash = "mnopqrstuvwxyz123456"
	key32    = "0123456789abcdef0123456789abcdef"
)

var sig64 = strings.Repeat("s", 64)

// roundTrips are canonical messages of every method, in every form that both sides can say.
var roundTrips = map[string]string{
	"ping":              "d1:ad2:id20:" + testID + "e1:q4:ping1:t2:aa1:v4:DK\x00\x011:y1:qe",
	"ping, read-only":   "d1:ad2:id20:" + testID + "e1:q4:ping2:roi1e1:t2:aa1:y1:qe",
	"pong":              "d2:ip6:\x01\x02\x03\x04\x1a\xe11:rd2:id20:" + testID + "e1:t2:aa1:y1:re",
	"pong over IPv6":    "d2:ip18:" + "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x07\x1a\xe11:rd2:id20:" + testID + "e1:t2:aa1:y1:re",
	"find_node":         "d1:ad2:id20:" + testID + "6:target20:" + testHash + "4:wantl2:n42:n6ee1:q9:find_node1:t2:aa1:y1:qe",
	"find_node of 0":    "d1:ad2:id20:" + testID + "6:target20:" + strings.Repeat("\x00", 20) + "e1:q9:find_node1:t2:aa1:y1:qe",
	"nodes":             "d1:rd2:id20:" + testID + "5:nodes26:" + testHash + "\xc0\x00\x02\x07\x1a\xe16:nodes60:e1:t2:aa1:y1:re",
	"nodes6":            "d1:rd2:id20:" + testID + "6:nodes638:" + testHash + "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x07\x1a\xe1e1:t2:aa1:y1:re",
	"get_peers":         "d1:ad2:id20:" + testID + "9:info_hash20:" + testHash + "e1:q9:get_peers1:t2:aa1:y1:qe",
	"get_peers, scrape": "d1:ad2:id20:" + testID + "9:info_hash20:" + testHash + "6:noseedi1e6:scrapei1e4:wantl2:n6ee1:q9:get_peers1:t2:aa1:y1:qe",
	"peers": "d1:rd2:id20:" + testID + "5:token8:aoeusnth6:valuesl6:axje.u18:" + "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) +
		"\x07\x1a\xe1ee1:t2:aa1:y1:re",
	"filters": "d1:rd4:BFpe256:" + strings.Repeat("p", 256) + "4:BFsd256:" + strings.Repeat("s", 256) + "2:id20:" + testID + "e1:t2:aa1:y1:re",
	"announce_peer": "d1:ad2:id20:" + testID + "12:implied_porti1e9:info_hash20:" + testHash +
		"4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
	"get": "d1:ad2:id20:" + testID + "3:seqi4e6:target20:" + testHash + "e1:q3:get1:t2:aa1:y1:qe",
	"item": "d1:rd2:id20:" + testID + "1:k32:" + key32 + "3:seqi0e3:sig64:" + sig64 +
		"5:token1:x1:vd1:ai1e1:bleee1:t2:aa1:y1:re",
	"put, immutable": "d1:ad2:id20:" + testID + "5:token1:x1:v12:Hello World!e1:q3:put1:t2:aa1:y1:qe",
	"put, mutable": "d1:ad3:casi3e2:id20:" + testID + "1:k32:" + key32 + "4:salt6:foobar3:seqi4e3:sig64:" + sig64 +
		"5:token1:x1:vli1e1:aee1:q3:put1:t2:aa1:y1:qe",
	"sample_infohashes": "d1:ad2:id20:" + testID + "6:target20:" + testHash + "e1:q17:sample_infohashes1:t2:aa1:y1:qe",
	"samples":           "d1:rd2:id20:" + testID + "8:intervali60e5:nodes0:3:numi2e7:samples40:" + testHash + testID + "e1:t2:aa1:y1:re",
	"no samples":        "d1:rd2:id20:" + testID + "8:intervali0e3:numi0e7:samples0:e1:t2:aa1:y1:re",
	"of one's own":      "d1:ad2:id20:" + testID + "6:target20:" + testHash + "5:token1:xe1:q4:vote1:t2:aa1:y1:qe",
	"error":             "d1:eli203e9:Bad tokene1:t2:aa1:v4:DK\x00\x011:y1:ee",
	"error, plain text": "d1:el9:Bad tokene1:t2:aa1:y1:ee",
}

func TestMsgRoundTrips(t *testing.T) {
	for name, datagram := range roundTrips {
		t.Run(name, func(t *testing.T) {
			m, err := krpc.Parse([]byte(datagram))
			require.NoError(t, err)
			msg, err := ToMsg(&m)
			require.NoError(t, err)
			back, err := FromMsg(&msg)
			require.NoError(t, err)
			require.Equal(t, datagram, string(back.Raw()))
		})
	}
}

// The bytes of a message that was converted may be reused.
func TestMsgOwnsItsBytes(t *testing.T) {
	for name, datagram := range roundTrips {
		b := []byte(datagram)
		m, err := krpc.Parse(b)
		require.NoError(t, err)
		msg, err := ToMsg(&m)
		require.NoError(t, err)
		clear(b)
		back, err := FromMsg(&msg)
		require.NoError(t, err, name)
		require.Equal(t, datagram, string(back.Raw()), name)
	}
}

func TestWhatMsgCannotSay(t *testing.T) {
	for _, c := range []struct{ datagram, lost string }{
		{"d1:ad2:id20:" + testID + "9:info_hash20:" + testHash + "4:porti1e4:seedi1e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe", "4:seedi1e"},
		{"d1:ad3:casi0e2:id20:" + testID + "1:k32:" + key32 + "3:seqi4e3:sig64:" + sig64 + "5:token1:x1:v0:e1:q3:put1:t2:aa1:y1:qe", "3:casi0e"},
		{"d1:ad5:extrai1e2:id20:" + testID + "e1:q4:vote1:t2:aa1:y1:qe", "5:extrai1e"},
	} {
		m, err := krpc.Parse([]byte(c.datagram))
		require.NoError(t, err)
		msg, err := ToMsg(&m)
		require.NoError(t, err)
		back, err := FromMsg(&msg)
		require.NoError(t, err)
		require.Equal(t, strings.Replace(c.datagram, c.lost, "", 1), string(back.Raw()))
	}
}

// What the accessor of a method refuses is refused with the answer it makes.
func TestToMsgRefuses(t *testing.T) {
	for _, method := range []string{"ping", "find_node", "get_peers", "announce_peer", "get", "put", "sample_infohashes"} {
		m, err := krpc.Parse(krpc.AppendQuery(nil, []byte("aa"), []byte("short id"), krpc.RawArgs{Name: method}, krpc.Header{}))
		require.NoError(t, err)
		_, err = ToMsg(&m)
		e, ok := errors.AsType[*krpc.Error](err)
		require.True(t, ok, method)
		require.Equal(t, krpc.CodeProtocol, e.Code)
	}
}

type stubborn struct{}

func (stubborn) MarshalBencode() ([]byte, error) { panic("no") }

func TestFromMsgRefuses(t *testing.T) {
	query := func(method string, a theirs.MsgArgs) theirs.Msg { return theirs.Msg{Y: "q", T: "aa", Q: method, A: &a} }
	port := func(n int) *int { return &n }
	for name, msg := range map[string]theirs.Msg{
		"nothing":               {},
		"unknown kind":          {Y: "x", A: &theirs.MsgArgs{}},
		"query, no arguments":   {Y: "q", Q: "ping"},
		"answer, no results":    {Y: "r"},
		"error, no error":       {Y: "e"},
		"port too large":        query("announce_peer", theirs.MsgArgs{Port: port(65536)}),
		"negative port":         query("announce_peer", theirs.MsgArgs{Port: port(-1)}),
		"put of nothing":        query("put", theirs.MsgArgs{}),
		"put of a channel":      query("put", theirs.MsgArgs{V: make(chan int)}),
		"put that panics":       query("put", theirs.MsgArgs{V: stubborn{}}),
		"put of no bencode":     query("put", theirs.MsgArgs{V: bencode.Bytes("5:ab")}),
		"put of two values":     query("put", theirs.MsgArgs{V: bencode.Bytes("i1ei2e")}),
		"put, not canonical":    query("put", theirs.MsgArgs{V: bencode.Bytes("d1:bi1e1:ai1ee")}),
		"own method, a channel": query("vote", theirs.MsgArgs{V: make(chan int)}),
		"answer of no bencode":  {Y: "r", R: &theirs.Return{Bep44Return: theirs.Bep44Return{V: bencode.Bytes("x")}}},
	} {
		_, err := FromMsg(&msg)
		require.ErrorIs(t, err, ErrConvert, name)
	}
	long := query("put", theirs.MsgArgs{V: strings.Repeat("v", 3000)})
	_, err := FromMsg(&long)
	require.ErrorIs(t, err, krpc.ErrTooLong)
}

// The other side panics over addresses in the list of the wrong family; ours puts them where they belong.
func TestFromReturnSortsAddresses(t *testing.T) {
	odd := theirs.Return{
		Nodes:  theirs.CompactIPv4NodeInfo{{Addr: ToAddr(addr6)}, {ID: theirs.ID{7}, Addr: theirs.NodeAddr{IP: net.IPv4(192, 0, 2, 7), Port: 6881}}, {}},
		Nodes6: theirs.CompactIPv6NodeInfo{{ID: theirs.ID{8}, Addr: ToAddr(addr6)}},
		Values: []theirs.NodeAddr{{}, ToAddr(addr4), {IP: net.IP{1, 2, 3, 4}, Port: 1 << 20}},
	}
	m, err := FromMsg(&theirs.Msg{Y: "r", T: "aa", R: &odd})
	require.NoError(t, err)
	r := ToReturn(&m)
	require.Equal(t, theirs.CompactIPv4NodeInfo{{ID: theirs.ID{7}, Addr: ToAddr(addr4)}}, r.Nodes)
	require.Equal(t, theirs.CompactIPv6NodeInfo{{ID: theirs.ID{8}, Addr: ToAddr(addr6)}}, r.Nodes6, "without the one whose id is zero")
	require.Equal(t, []theirs.NodeAddr{ToAddr(addr4)}, r.Values)
}

// A query carries the id of who sends it, not of who filled in the arguments.
func TestFromArgsLeavesTheIDOut(t *testing.T) {
	own := krpc.ID([]byte(testID))
	for _, method := range []string{"ping", "get_peers", "vote"} {
		args, err := FromArgs(method, &theirs.MsgArgs{ID: theirs.ID{9}, Target: theirs.ID{1}})
		require.NoError(t, err)
		m, err := krpc.Parse(krpc.AppendQuery(nil, []byte("aa"), own[:], args, krpc.Header{}))
		require.NoError(t, err)
		got, _ := m.ID()
		require.Equal(t, own, got, method)
	}
	results, err := FromReturn(&theirs.Return{ID: theirs.ID{9}})
	require.NoError(t, err)
	m, err := krpc.Parse(krpc.AppendResponse(nil, []byte("aa"), own[:], results, krpc.Header{}))
	require.NoError(t, err)
	got, _ := m.ID()
	require.Equal(t, own, got)
}
