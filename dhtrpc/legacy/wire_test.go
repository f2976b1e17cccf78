package legacy

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
)

// wire joins fields.
func wire(fields ...string) []byte { return []byte(strings.Join(fields, "")) }

const (
	aQuery = "\x08\x01"
	aRID   = "\x10\x07"
	aV1    = "\x58\x01"
	anID   = "\x1a\x20" + "0123456789abcdef0123456789abcdef"
)

func TestParseTolerates(t *testing.T) {
	plain := Message{Type: TypeQuery, RID: 7}
	tests := []struct {
		name string
		b    []byte
		want Message
	}{
		{"least of all", wire(aQuery, aRID), plain},
		{"any order", wire(aRID, aQuery), plain},
		{"the last of equal fields counts", wire("\x08\x03", aRID, aQuery), plain},
		{"unknown fields of every wire type", wire(aQuery, "\x78\x01", "\x79abcdefgh", "\x7a\x02ab", "\x7dabcd", aRID), plain},
		{"field 0", wire(aQuery, aRID, "\x00\x00"), plain},
		{"a known field under another wire type", wire("\x0d\x01", aRID), plain},
		{"long varints", wire("\x08\x81\x00", "\x10\x87\x80\x00"), plain},
		{"the largest rid", wire(aQuery, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Message{Type: TypeQuery, RID: 1<<64 - 1}},
		{"an empty value is one", wire(aQuery, aRID, "\x4a\x00"), Message{Type: TypeQuery, RID: 7, Value: []byte{}}},
		{"an id without a version is none", wire(aQuery, aRID, anID), plain},
		{"an id with version 0 is none", wire(aQuery, aRID, "\x58\x00", anID), plain},
		{"a later version", wire("\x58\x02", aQuery, aRID, anID), Message{Version: 2, Type: TypeQuery, RID: 7, ID: []byte(anID[2:])}},
	}
	for _, test := range tests {
		got, err := Parse(test.b)
		require.NoError(t, err, test.name)
		require.Equal(t, test.want, got, test.name)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
	}{
		{"nothing", nil},
		{"a zero byte", wire("\x00")},
		{"no type", wire(aRID)},
		{"no rid", wire(aQuery)},
		{"type 0", wire("\x08\x00", aRID)},
		{"type 4", wire("\x08\x04", aRID)},
		{"type 257", wire("\x08\x81\x02", aRID)},
		{"a varint cut off", wire(aQuery, "\x10\x80")},
		{"a varint of eleven bytes", wire(aQuery, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
		{"bytes cut off", wire(aQuery, aRID, "\x4a\x05abcd")},
		{"a length beyond all", wire(aQuery, aRID, "\x4a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
		{"a length cut off", wire(aQuery, aRID, "\x4a")},
		{"an unknown field cut off", wire(aQuery, aRID, "\x79abc")},
		{"a group", wire(aQuery, aRID, "\x7b\x7c")},
		{"the end of a group", wire(aQuery, aRID, "\x7c")},
		{"wire type 7", wire(aQuery, aRID, "\x7f\x01")},
		{"a short id", wire(aV1, aQuery, aRID, "\x1a\x02ab")},
		{"a long id", wire(aV1, aQuery, aRID, "\x1a\x21"+anID[2:]+"x")},
		{"an empty id", wire(aV1, aQuery, aRID, "\x1a\x00")},
	}
	for _, test := range tests {
		_, err := Parse(test.b)
		require.ErrorIs(t, err, ErrMalformed, test.name)
	}
}

func TestCloserNodes(t *testing.T) {
	a := routing.Node{Key: routing.Key{1}, Addr: netip.MustParseAddrPort("192.0.2.1:258")}
	b := routing.Node{Key: routing.Key{2}, Addr: netip.MustParseAddrPort("192.0.2.2:65535")}
	v6 := routing.Node{Key: routing.Key{3}, Addr: netip.MustParseAddrPort("[2001:db8::1]:1")}
	list := appendNodes(nil, []routing.Node{a, v6, b})
	require.Len(t, list, 2*nodeSize)
	require.Equal(t, "\xc0\x00\x02\x01\x01\x02", string(list[IDSize:nodeSize]), "the port is big-endian")

	nodes := func(b []byte) (all []routing.Node) {
		m := Message{Nodes: b}
		for n := range m.CloserNodes {
			all = append(all, n)
		}
		return all
	}
	require.Equal(t, []routing.Node{a, b}, nodes(list))
	require.Equal(t, []routing.Node{a}, nodes(list[:2*nodeSize-1]), "a rest is ignored")
	require.Empty(t, nodes(nil))
	list[2*nodeSize-1], list[2*nodeSize-2] = 0, 0
	require.Empty(t, nodes(list), "a port 0 spoils the list")
	for n := range (&Message{Nodes: list[:nodeSize]}).CloserNodes {
		require.Equal(t, a, n)
		break
	}
}

func TestParsePunch(t *testing.T) {
	tests := []struct {
		name, b string
		want    punch
		ok      bool
	}{
		{"empty", "", punch{}, true},
		{"to", "\x1a\x06\xc0\x00\x02\x01\x00\x05", punch{to: netip.MustParseAddrPort("192.0.2.1:5"), hasTo: true}, true},
		{"port 0", "\x1a\x06\xc0\x00\x02\x01\x00\x00", punch{hasTo: true}, true},
		{"short", "\x12\x02\xc0\x00", punch{hasFrom: true}, true},
		{"unknown field", "\x08\x01", punch{}, true},
		{"cut off", "\x1a\x06\xc0", punch{}, false},
		{"no varint", "\xff", punch{}, false},
		{"group", "\x0b", punch{}, false},
	}
	for _, test := range tests {
		got, ok := parsePunch([]byte(test.b))
		require.Equal(t, test.ok, ok, test.name)
		require.Equal(t, test.want, got, test.name)
	}
}

func TestTypeString(t *testing.T) {
	require.Equal(t, "query update response unknown",
		strings.Join([]string{TypeQuery.String(), TypeUpdate.String(), TypeResponse.String(), Type(9).String()}, " "))
}

func TestCodecAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 2048)
	v := readVectors(t)
	for _, p := range v.packets() {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			m, _ := Parse(p.Hex)
			for n := range m.CloserNodes {
				sink += int(n.Addr.Port())
			}
			parsePunch(m.Value)
			buf = m.Append(buf[:0])
		}), p.Name)
	}
}

var sink int

func FuzzParse(f *testing.F) {
	v := readVectors(f)
	for _, p := range v.packets() {
		f.Add([]byte(p.Hex))
	}
	for _, d := range v.Datagrams {
		f.Add([]byte(d.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			require.Equal(t, Message{}, m)
			return
		}
		named := 0
		for n := range m.CloserNodes {
			require.NotZero(t, n.Addr.Port())
			named++
		}
		require.LessOrEqual(t, named*nodeSize, len(b), "no more nodes than bytes")
		again, err := Parse(m.Append(nil))
		require.NoError(t, err)
		require.Equal(t, m, again)
		c := m.Clone()
		require.Equal(t, m.Append(nil), c.Append(nil))
		parsePunch(b)
	})
}

func BenchmarkParse(b *testing.B) {
	v := readVectors(b)
	var reply []byte
	for _, p := range v.Messages {
		if p.Name == "query.reply" {
			reply = p.Hex
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		m, err := Parse(reply)
		if err != nil || bytes.Equal(m.ID, nil) {
			b.Fatal(err)
		}
	}
}
