package torrentdht

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	theirs "github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/krpc"
)

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// A sample is a datagram of the vector files of package krpc: captured from bittorrent-dht, or of a BEP or another client.
type sample struct {
	name string
	b    []byte
}

func samples(t testing.TB) (all []sample) {
	t.Helper()
	var bep struct {
		Messages []struct {
			Name string
			Hex  hexBytes
		}
	}
	var captured struct {
		Exchanges []struct {
			Name      string
			Datagrams []hexBytes
		}
	}
	readJSON(t, "../../krpc/testdata/bep.json", &bep)
	readJSON(t, "../../krpc/testdata/bittorrent-dht.json", &captured)
	for _, v := range bep.Messages {
		all = append(all, sample{v.Name, v.Hex})
	}
	for _, x := range captured.Exchanges {
		for _, b := range x.Datagrams {
			all = append(all, sample{x.Name, b})
		}
	}
	require.Len(t, all, 47+71)
	return all
}

func readJSON(t testing.TB, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, into))
}

// Where the two sides differ over a datagram, by name and kind: what happens, and why that is right. All others are
// read alike, and come out of FromMsg with the same bytes.
var differences = map[string]string{
	"find_node response / response":                                                 unread + "a stand-in of 9 bytes for nodes, which we skip",
	"get_peers response with nodes / response":                                      unread + "likewise",
	"get_peers reply with one concatenated values string (old mainline) / response": unread + "a string for a list",
	"k-rpc-error-string / error":                                                    unread + "a list with nothing but a text",

	"sample_infohashes response, nothing stored / response": otherwise + "their decoder forgets an empty list, by which a node says that it knows the method",
	"error labelled as a reply (bitmagnet) / error":         otherwise + "they go by the label",

	"error that also carries r (libbtdht's put errors) / error": rewritten + "an error has no r (BEP 5)",
	"announce_peer query of a seed / query announce_peer":       rewritten + "Msg knows no seed",
	"put query, mutable with salt and cas / query put":          rewritten + "Msg knows no cas of 0",
	"punch query (libbtdht) / query punch":                      rewritten + "keys that no BEP names",
	"announce_peer / query announce_peer":                       rewritten + "implied_port 0 was written out",
	"lookup-announce / query announce_peer":                     rewritten + "implied_port 0 was written out",

	"find_node-no-target / query find_node":        refused + "no target: 203",
	"get_peers-no-info_hash / query get_peers":     refused + "no info_hash: 203",
	"announce_peer-no-token / query announce_peer": refused + "no token: 203",
	"put-too-big / query put":                      refused + "v of more than 1000 bytes: 205",
	"k-rpc-echo-32 / query echo":                   refused + "ids of 32 bytes",
	"k-rpc-echo-32 / response":                     refused + "ids of 32 bytes",
	"k-rpc-token / query echo":                     refused + "ids of 32 bytes",
	"k-rpc-token / response":                       refused + "ids of 32 bytes",
	"k-rpc-error-string / query fail":              refused + "ids of 32 bytes",
	"k-rpc-error-list / query failcode":            refused + "ids of 32 bytes",
}

// What can become of a datagram.
const (
	same      = "same"
	refused   = "ToMsg refuses it: "
	unread    = "their decoder cannot read it: "
	otherwise = "the two read it otherwise: "
	rewritten = "both read it alike, and write other bytes: "
)

// theirDecoder reads a datagram with the codec of anacrolix/dht.
func theirDecoder(b []byte) (msg theirs.Msg, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	err := bencode.Unmarshal(b, &msg)
	return msg, err == nil
}

func TestCapturedDatagrams(t *testing.T) {
	used := map[string]bool{}
	for _, s := range samples(t) {
		m, err := krpc.Parse(s.b)
		require.NoError(t, err)
		key := strings.TrimSpace(fmt.Sprintf("%s / %v %s", s.name, m.Kind(), m.Method()))
		t.Run(key, func(t *testing.T) {
			want, known := differences[key]
			if !known {
				want = same
			}
			require.Equal(t, strings.SplitAfter(want, ": ")[0], outcome(t, &m))
			used[key] = known
		})
	}
	for key := range differences {
		require.Contains(t, used, key, "no such datagram")
	}
}

func outcome(t *testing.T, m *krpc.Message) string {
	t.Helper()
	ours, err := ToMsg(m)
	if err != nil {
		return refused
	}
	theirs, ok := theirDecoder(m.Raw())
	if !ok {
		return unread
	}
	level(t, &ours)
	level(t, &theirs)
	if !reflect.DeepEqual(ours, theirs) {
		return otherwise
	}
	back, err := FromMsg(&theirs)
	require.NoError(t, err)
	if string(back.Raw()) != string(m.Raw()) {
		return rewritten
	}
	return same
}

// level removes the differences between two views that say the same.
func level(t *testing.T, msg *theirs.Msg) {
	t.Helper()
	levelAddr(&msg.IP)
	if a := msg.A; a != nil && a.V != nil {
		v, err := bencode.Marshal(a.V)
		require.NoError(t, err)
		a.V = bencode.Bytes(v)
	}
	if r := msg.R; r != nil {
		for i := range r.Nodes {
			levelAddr(&r.Nodes[i].Addr)
		}
		for i := range r.Nodes6 {
			levelAddr(&r.Nodes6[i].Addr)
		}
		for i := range r.Values {
			levelAddr(&r.Values[i])
		}
	}
}

func levelAddr(a *theirs.NodeAddr) {
	if p, ok := FromAddr(*a); ok {
		*a = ToAddr(p)
	}
}
