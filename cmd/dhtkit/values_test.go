package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/mainline"
)

func TestParseHash(t *testing.T) {
	t.Parallel()
	const base32 = "FRVWQWGWDWUVIPKCGGTR3NFRZETEWBUF"
	for _, text := range []string{
		infoHash, strings.ToUpper(infoHash), base32, strings.ToLower(base32),
		"magnet:?xt=urn:btih:" + infoHash,
		"MAGNET:?dn=x&xt=URN:BTIH:" + base32 + "&tr=udp%3A%2F%2Ftracker",
		"magnet:?xt=urn:ed2k:354B15E68FB8F36D7CD88FF94116CDC1&xt=urn:btih:" + infoHash,
		"magnet:?xt.1=urn:btih:" + infoHash + "&xt.2=urn:btih:" + strings.Repeat("0", 40),
		"magnet:?xt=urn:btmh:1220" + infoHash + strings.Repeat("f", 24),
	} {
		id, ok := parseHash(text)
		require.True(t, ok, text)
		require.Equal(t, infoHash, id.String(), text)
	}
	for _, text := range []string{"", "magnet:", "magnet:?xt=urn:btih:", "magnet:?xt=urn:btih:" + infoHash[1:], infoHash + "0", strings.Repeat("1", 32)} {
		_, ok := parseHash(text)
		require.False(t, ok, text)
	}
}

func TestUncommented(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"": "", "# all": "", "  a  ": "a", "a # b": "a", "a#b": "a#b", "a\t#b": "a",
	} {
		require.Equal(t, want, uncommented(line), "%q", line)
	}
}

func TestParseFields(t *testing.T) {
	t.Parallel()
	got, err := parseFields([]string{
		"a=abc", "b=12", "c=-5", "d=int:7", "e=text:12", "f=hex:00ff", "g=", "h=012", "i=a=b", "j=http://x",
		`k=json:["hex:01",2,{"x":true}]`, "l=99999999999999999999",
	})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"a": "abc", "b": int64(12), "c": int64(-5), "d": int64(7), "e": "12", "f": "\x00\xff", "g": "", "h": "012", "i": "a=b", "j": "http://x",
		"k": []any{"\x01", int64(2), map[string]any{"x": int64(1)}}, "l": "99999999999999999999",
	}, got)
}

// Dictionaries keep their order, bytes that are no text show as hex, and what is not bencode shows as it is.
func TestTextual(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"d1:y1:r1:ai-5e1:lli1e0:ee":   `{"y":"r","a":-5,"l":[1,""]}`,
		"2:\x00\xff":                  `"hex:00ff"`,
		"5:hex:0":                     `"hex:6865783a30"`,
		"5:<\"ü>":                     `"<\"ü>"`,
		"i1eand more":                 `1`,
		"d1:ae":                       `"d1:ae"`,
		"l":                           `"l"`,
		"i01e":                        `"i01e"`,
		"9:short":                     `"9:short"`,
		"99999999999999999999:":       `"99999999999999999999:"`,
		"":                            `""`,
		strings.Repeat("l", 10000):    `"` + strings.Repeat("l", 10000) + `"`,
		strings.Repeat("d1:a", 10000): `"` + strings.Repeat("d1:a", 10000) + `"`,
	} {
		require.Equal(t, want, string(textual([]byte(in))), "%.40q", in)
	}
}

func TestClientVersion(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{"": "", "LT\x02\x0b": "LT020b", "\x00\x01": "0001", "UT": "UT", "X": "58"} {
		require.Equal(t, want, clientVersion(v), "%q", v)
	}
}

func TestRecordNumbers(t *testing.T) {
	t.Parallel()
	got := string(encode(struct {
		A millis  `json:"a"`
		B seconds `json:"b"`
		C stamp   `json:"c"`
	}{millis(1234567), seconds(1500 * time.Millisecond), stamp(time.Date(2026, 1, 2, 3, 4, 5, 6_700_000, time.FixedZone("", 3600)))}))
	require.Equal(t, `{"a":1.235,"b":1.5,"c":"2026-01-02T02:04:05.006Z"}`+"\n", got)
}

// Which network it is, where we listen and whom we may talk to.
func TestPlan(t *testing.T) {
	t.Parallel()
	lookup, direct := need{verb: "peers"}, func(addrs ...string) need {
		var all []word
		for _, a := range addrs {
			all = append(all, word{text: a})
		}
		targets, err := parseAll(all)
		require.NoError(t, err)
		return need{verb: "ping", alone: true, targets: targets}
	}
	tests := []struct {
		name  string
		flags flags
		need  need
		want  plan
	}{
		{"nothing named", flags{}, lookup, plan{kind: netLocal, local: defaultLocal, private: true, v4: true, listen: []string{"127.0.0.1:0"}}},
		{"embedded", flags{local: 7, localSet: true}, lookup, plan{kind: netLocal, local: 7, chosen: true, private: true, v4: true, listen: []string{"127.0.0.1:0"}}},
		{"public", flags{public: true}, lookup, plan{kind: netPublic, chosen: true, bootstrap: mainline.PublicBootstrap, v4: true, listen: []string{"0.0.0.0:0"}, rate: politeRate}},
		{"public IPv6", flags{public: true, v6: true, listen: []string{":6881"}}, lookup,
			plan{kind: netPublic, chosen: true, bootstrap: mainline.PublicBootstrap, v6: true, listen: []string{"[::]:6881"}, rate: politeRate}},
		{"loopback", flags{bootstrap: []string{"127.0.0.1:1", "localhost:2"}}, lookup,
			plan{kind: netBootstrap, chosen: true, bootstrap: []string{"127.0.0.1:1", "localhost:2"}, private: true, v4: true, listen: []string{"127.0.0.1:0"}}},
		{"IPv6 loopback", flags{bootstrap: []string{"[::1]:1"}}, lookup,
			plan{kind: netBootstrap, chosen: true, bootstrap: []string{"[::1]:1"}, private: true, v6: true, listen: []string{"[::1]:0"}}},
		{"site", flags{bootstrap: []string{"10.1.2.3:1", "127.0.0.1:1"}, rate: 5}, lookup,
			plan{kind: netBootstrap, chosen: true, bootstrap: []string{"10.1.2.3:1", "127.0.0.1:1"}, private: true, v4: true, listen: []string{"0.0.0.0:0"}, rate: 5}},
		{"mixed", flags{bootstrap: []string{"10.1.2.3:1", "8.8.8.8:1"}}, lookup,
			plan{kind: netBootstrap, chosen: true, bootstrap: []string{"10.1.2.3:1", "8.8.8.8:1"}, held: []string{"10.1.2.3:1"}, v4: true, listen: []string{"0.0.0.0:0"}, rate: politeRate}},
		{"mixed and allowed", flags{bootstrap: []string{"10.1.2.3:1", "8.8.8.8:1"}, allowPrivate: true}, lookup,
			plan{kind: netBootstrap, chosen: true, bootstrap: []string{"10.1.2.3:1", "8.8.8.8:1"}, private: true, v4: true, listen: []string{"0.0.0.0:0"}}},
		{"names are public", flags{bootstrap: []string{"dht.example:1"}}, lookup,
			plan{kind: netBootstrap, chosen: true, bootstrap: []string{"dht.example:1"}, v4: true, listen: []string{"0.0.0.0:0"}, rate: politeRate}},
		{"one family of two", flags{bootstrap: []string{"[2001:4860:4860::8888]:1", "8.8.8.8:1"}}, lookup,
			plan{kind: netBootstrap, chosen: true, bootstrap: []string{"8.8.8.8:1"}, v4: true, listen: []string{"0.0.0.0:0"}, rate: politeRate}},
		{"a node of this machine", flags{}, direct("127.0.0.1:1"), plan{kind: netNone, chosen: true, private: true, v4: true, listen: []string{"127.0.0.1:0"}}},
		{"a node here, one there", flags{}, direct("127.0.0.1:1", "8.8.8.8:1"), plan{kind: netNone, chosen: true, v4: true, listen: []string{"0.0.0.0:0"}, rate: politeRate}},
		{"first node", flags{}, need{alone: true}, plan{kind: netNone, chosen: true, private: true, v4: true, listen: []string{"127.0.0.1:0"}}},
		{"first node, here", flags{listen: []string{"127.0.0.1:5"}}, need{alone: true}, plan{kind: netNone, chosen: true, private: true, v4: true, listen: []string{"127.0.0.1:5"}}},
		{"first node, for all", flags{listen: []string{":5"}}, need{alone: true}, plan{kind: netNone, chosen: true, v4: true, listen: []string{"0.0.0.0:5"}, rate: politeRate}},
		{"both networks, here", flags{bootstrap: []string{"[::1]:1", "127.0.0.1:1"}, v4: true, v6: true}, lookup,
			plan{kind: netBootstrap, chosen: true, bootstrap: []string{"[::1]:1", "127.0.0.1:1"}, private: true, v4: true, v6: true, listen: []string{"127.0.0.1:0", "[::1]:0"}}},
		{"both networks by listening", flags{public: true, listen: []string{"[2001:db8::7]:5", ":6"}}, lookup,
			plan{kind: netPublic, chosen: true, bootstrap: mainline.PublicBootstrap, v4: true, v6: true, listen: []string{"[2001:db8::7]:5", "0.0.0.0:6"}, rate: politeRate}},
		{"two addresses of a host", flags{listen: []string{"127.0.0.1:5", "127.0.0.2:5"}}, need{alone: true},
			plan{kind: netNone, chosen: true, private: true, v4: true, listen: []string{"127.0.0.1:5", "127.0.0.2:5"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.flags.progress = "auto"
			got, err := test.flags.plan(test.need)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}
