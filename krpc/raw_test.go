package krpc

import (
	"errors"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
)

type chatArgs struct {
	Zone string   `bencode:"zone"`
	Room string   `bencode:"Room"`
	Tags []string `bencode:"tags,omitempty"`
	N    int64    `bencode:"n"`
}

type failingFields struct{}

func (failingFields) MarshalBencode() ([]byte, error) { return nil, errors.New("no") }

type emptyFields struct{}

func (emptyFields) MarshalBencode() ([]byte, error) { return nil, nil }

func TestRawArgs(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields any
		token  string
		want   string
	}{
		{"nothing", nil, "", "d2:id2:mee"},
		{"nothing, token", nil, "tk", "d2:id2:me5:token2:tke"},
		{"map", map[string]any{"z": 1, "a": []any{"x", map[string]int{"k": 2}}}, "", "d1:al1:xd1:ki2eee2:id2:me1:zi1ee"},
		{"struct", chatArgs{Zone: "eu", Room: "r", N: -1}, "tk", "d4:Room1:r2:id2:me1:ni-1e5:token2:tk4:zone2:eue"},
		{"pointer", &chatArgs{Tags: []string{"t"}}, "", "d4:Room0:2:id2:me1:ni0e4:tagsl1:te4:zone0:e"},
		{"bytes", bencode.Bytes("d1:xi1ee"), "", "d2:id2:me1:xi1ee"},
		{"unsorted bytes", bencode.Bytes("d1:xi1e1:ai2e1:xi3ee"), "", "d1:ai2e2:id2:me1:xi3ee"},
		{"own id", map[string]string{"id": "other"}, "", "d2:id5:othere"},
		{"token given", map[string]string{"token": "old"}, "new", "d2:id2:me5:token3:newe"},
		{"nil map", map[string]any(nil), "", "d2:id2:mee"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := RawArgs{Name: "m", Fields: c.fields, Token: []byte(c.token)}
			require.NoError(t, a.Check())
			require.Equal(t, c.want, string(a.AppendArgs(nil, []byte("me"))))
			e, err := a.Encoded()
			require.NoError(t, err)
			require.Equal(t, c.want, string(e.AppendArgs(nil, []byte("me"))))
			require.True(t, Canonical(AppendQuery(nil, []byte("t"), []byte("me"), e, Header{})))
		})
	}
}

func TestRawArgsRefused(t *testing.T) {
	for name, fields := range map[string]any{
		"string": "x", "list": []int{1}, "float": map[string]any{"x": 1.5}, "nil inside": map[string]any{"x": nil},
		"channel": map[string]any{"x": make(chan int)}, "marshaler": failingFields{}, "silent marshaler": emptyFields{},
		"broken bytes": bencode.Bytes("d1:x"), "trailing bytes": bencode.Bytes("dee"), "deep": bencode.Bytes("d1:x" + nested(31) + "e"),
	} {
		t.Run(name, func(t *testing.T) {
			a := RawArgs{Name: "m", Fields: fields}
			require.ErrorIs(t, a.Check(), ErrFields)
			_, err := a.Encoded()
			require.ErrorIs(t, err, ErrFields)
			require.Equal(t, "d2:id2:mee", string(a.AppendArgs(nil, []byte("me"))))
			require.ErrorIs(t, (&RawResults{Fields: fields}).Check(), ErrFields)
		})
	}
}

func TestRawResults(t *testing.T) {
	id := []byte(strings.Repeat("i", 32))
	n := routing.Node{Key: routing.KeyOf([]byte(strings.Repeat("n", 32))), Addr: nodeAt(1, "192.0.2.1:6881").Addr}
	r := &RawResults{Fields: map[string]any{"zz": 1, "nodes": "replaced"}, NodesResults: NodesResults{Nodes: []routing.Node{n}, WantNodes6: true}, Token: []byte("tk")}
	require.NoError(t, r.Check())
	b := AppendResponse(nil, []byte("aa"), id, r, Header{})
	require.True(t, Canonical(b))
	m := mustParse(t, b)
	k, ok := m.Key(32)
	require.True(t, ok)
	require.Equal(t, routing.KeyOf(id), k)
	require.Equal(t, "tk", string(m.Token()))
	require.Equal(t, "0:", string(m.Field("nodes6")))
	var got []routing.Node
	for c := range m.Contacts(32) {
		got = append(got, c)
	}
	require.Equal(t, []routing.Node{n}, got)
	require.Len(t, mustParse(t, AppendResponse(nil, nil, make([]byte, 40), PingResults{}, Header{})).IDBytes(), 32)
}

func TestDecode(t *testing.T) {
	m := mustParse(t, queryWith("chat", "1:ni7e4:zone2:eu"))
	var c chatArgs
	require.NoError(t, m.Decode(&c))
	require.Equal(t, chatArgs{Zone: "eu", N: 7}, c)
	var with struct {
		ID ID `bencode:"id"`
	}
	require.NoError(t, m.Decode(&with))
	require.Equal(t, benchID, with.ID)

	require.ErrorIs(t, mustParse(t, []byte("d1:y1:qe")).Decode(&c), ErrNoBody)
	require.Error(t, m.Decode(nil))
	require.Error(t, m.Decode(c))
	require.Error(t, mustParse(t, queryWith("chat", "4:zonei1e")).Decode(&c))
	require.Error(t, mustParse(t, []byte("d1:ad2:id3:abce1:y1:qe")).Decode(&with), "an id has 20 bytes")
}

// Destinations with faults of their own: which keys come is up to the sender.
func TestDecodeNeverPanics(t *testing.T) {
	m := mustParse(t, queryWith("chat", "1:sld1:xi1eee6:secreti1e1:zi99999999999999999999999e"))
	type hidden struct{ secret int }
	type embedded struct{ *hidden }
	for _, dst := range []any{
		new(hidden), new(embedded), new(map[string]any), new(map[any]any), new(map[int]int), new(any), new([]byte), new(int), new(chan int),
		new(func()), new(map[string]hidden), new(map[string]*[3]int8), new([][]byte), new(error), new(panicking),
	} {
		require.NotPanics(t, func() { _ = m.Decode(dst) }, "%T", dst)
	}
	var h hidden
	require.Error(t, m.Decode(&h))
	require.Zero(t, h.secret)
	var p panicking
	require.Error(t, m.Decode(&p))
}

type panicking struct{}

func (*panicking) UnmarshalBencode([]byte) error { panic("mine") }

func TestID(t *testing.T) {
	const text = "6162636465666768696a30313233343536373839"
	id, err := ParseID(strings.ToUpper(text))
	require.NoError(t, err)
	require.Equal(t, benchID, id)
	require.Equal(t, text, id.String())
	b, err := id.MarshalText()
	require.NoError(t, err)
	require.Equal(t, text, string(b))
	require.Equal(t, id, IDOf(id.Key()))
	for _, bad := range []string{"", text[1:], text + "00", "g" + text[1:]} {
		_, err := ParseID(bad)
		require.Error(t, err, bad)
	}
	require.NotEqual(t, RandomID(), RandomID())
	require.True(t, ID{}.IsZero())
	require.False(t, id.IsZero())
	require.Equal(t, routing.Node{Key: id.Key(), Addr: benchHeader.IP}, Node{id, benchHeader.IP}.Contact())

	enc, err := bencode.Marshal(id)
	require.NoError(t, err)
	require.Equal(t, "20:abcdefghij0123456789", string(enc))
	var back ID
	require.NoError(t, bencode.Unmarshal(enc, &back))
	require.Equal(t, id, back)
	for _, bad := range []string{"", "2", "19:abcdefghij012345678", "020:abcdefghij0123456789", "i20e"} {
		require.Error(t, back.UnmarshalBencode([]byte(bad)), bad)
	}
}
