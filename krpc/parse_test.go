package krpc

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	anID    = "2:id20:abcdefghij0123456789"
	aTarget = "6:target20:mnopqrstuvwxyz123456"
)

// queryWith is a query of the method with the arguments given behind the id.
func queryWith(method, args string) []byte {
	return []byte("d1:ad" + anID + args + "e1:q" + string(appendText(nil, method)) + "1:t2:aa1:y1:qe")
}

// replyWith is an answer with the results given behind the id.
func replyWith(results string) []byte { return []byte("d1:rd" + anID + results + "e1:t2:aa1:y1:re") }

func mustParse(t testing.TB, b []byte) *Message {
	t.Helper()
	m, err := Parse(b)
	require.NoError(t, err, "%q", b)
	return &m
}

func nested(n int) string { return strings.Repeat("l", n) + strings.Repeat("e", n) }

func TestParseRefuses(t *testing.T) {
	long := func(n int) string {
		head, tail := "d1:t2:aa1:x1700:"+strings.Repeat("x", 1700)+"1:y1:q1:z", "e"
		pad := n - len(head) - len(tail) - 4
		return head + string(appendText(nil, strings.Repeat("z", pad))) + tail
	}
	require.Len(t, long(MaxDatagram), MaxDatagram)
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"nothing", "", ErrMalformed},
		{"list", "l1:ae", ErrMalformed},
		{"space before", " d1:y1:qe", ErrMalformed},
		{"empty dictionary", "de", ErrNoKind},
		{"open dictionary", "d1:t2:aa1:y1:q", ErrMalformed},
		{"key without value", "d1:t2:aa1:y1:q1:ze", ErrMalformed},
		{"key without value below", "d1:t2:aa1:y1:q1:zd1:xee", ErrMalformed},
		{"value without end", "d1:t2:aa1:y1:q1:z", ErrMalformed},
		{"length past the end", "d1:t2:aa1:y9:qe", ErrMalformed},
		{"long length past the end", "d1:t2:aa1:y1:q1:z99999999999999999999999999:e", ErrMalformed},
		{"negative length", "d1:t2:aa1:y1:q1:z-1:e", ErrMalformed},
		{"no length", "d1:t2:aa1:y1:q1:z:e", ErrMalformed},
		{"leading zero of a length", "d1:t02:aa1:y1:qe", ErrMalformed},
		{"leading zero of a key", "d01:t2:aa1:y1:qe", ErrMalformed},
		{"double zero length", "d1:t00:1:y1:qe", ErrMalformed},
		{"integer key", "di5e1:x1:t2:aa1:y1:qe", ErrMalformed},
		{"list key", "d1:t2:aa1:y1:q1:zdle1:xee", ErrMalformed},
		{"dictionary key below", "d1:ad" + anID + "de1:xe1:t2:aa1:y1:qe", ErrMalformed},
		{"empty integer", "d1:t2:aa1:y1:q1:ziee", ErrMalformed},
		{"minus only", "d1:t2:aa1:y1:q1:zi-ee", ErrMalformed},
		{"minus zero", "d1:t2:aa1:y1:q1:zi-0ee", ErrMalformed},
		{"plus", "d1:t2:aa1:y1:q1:zi+1ee", ErrMalformed},
		{"leading zero", "d1:t2:aa1:y1:q1:zi01ee", ErrMalformed},
		{"negative leading zero", "d1:t2:aa1:y1:q1:zi-01ee", ErrMalformed},
		{"integer with a letter", "d1:t2:aa1:y1:q1:zi1x1ee", ErrMalformed},
		{"unknown type", "d1:t2:aa1:y1:q1:zx1ee", ErrMalformed},
		{"no y", "d1:t2:aae", ErrNoKind},
		{"y of an integer", "d1:t2:aa1:yi1ee", ErrNoKind},
		{"y too long", "d1:t2:aa1:y5:querye", ErrNoKind},
		{"y empty", "d1:t2:aa1:y0:e", ErrNoKind},
		{"y unknown", "d1:t2:aa1:y1:xe", ErrNoKind},
		{"first y counts", "d1:t2:aa1:y1:x1:y1:qe", ErrNoKind},
		{"33 levels", "d1:t2:aa1:y1:q1:z" + nested(32) + "e", ErrTooDeep},
		{"33 levels in the arguments", "d1:ad1:x" + nested(31) + "e1:t2:aa1:y1:qe", ErrTooDeep},
		{"2049 bytes", long(MaxDatagram + 1), ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse([]byte(c.in))
			require.ErrorIs(t, err, c.want)
			require.ErrorIs(t, err, ErrMalformed)
			require.Zero(t, m)
		})
	}
	mustParse(t, []byte("d1:t2:aa1:y1:q1:z"+nested(31)+"e"))
	mustParse(t, []byte("d1:ad1:x"+nested(30)+"e1:t2:aa1:y1:qe"))
	mustParse(t, []byte(long(MaxDatagram)))
}

// Every prefix of a good message is a bad one.
func TestParseTruncated(t *testing.T) {
	for _, b := range vectorDatagrams(t) {
		m, err := Parse(b)
		if err != nil {
			continue
		}
		for n := range len(m.Raw()) {
			_, err := Parse(b[:n])
			require.ErrorIs(t, err, ErrMalformed, "%q", b[:n])
		}
	}
}

func TestParseTolerates(t *testing.T) {
	plain := mustParse(t, queryWith("find_node", aTarget))
	for name, in := range map[string]string{
		"unsorted":             "d1:y1:q1:t2:aa1:q9:find_node1:ad" + aTarget + anID + "ee",
		"repeated top":         "d1:ad" + anID + aTarget + "e1:q9:find_node1:q4:ping1:t2:aa1:t2:bb1:y1:q1:y1:re",
		"repeated a":           "d1:ad" + anID + aTarget + "e1:ade1:q9:find_node1:t2:aa1:y1:qe",
		"repeated in a":        "d1:ad" + anID + aTarget + "6:targeti1e2:id0:e1:q9:find_node1:t2:aa1:y1:qe",
		"trailing":             string(queryWith("find_node", aTarget)) + "\x00\x00e",
		"unknown keys":         "d1:_le1:ad2:AAd1:xli1eee" + anID + aTarget + "e1:q9:find_node1:t2:aa1:y1:q1:zi1ee",
		"r before a":           "d1:rd2:id1:xe1:ad" + anID + aTarget + "e1:q9:find_node1:t2:aa1:y1:qe",
		"r behind a":           "d1:ad" + anID + aTarget + "e1:q9:find_node1:rd2:id1:xe1:t2:aa1:y1:qe",
		"e in a query":         "d1:ad" + anID + aTarget + "e1:eli201ee1:q9:find_node1:t2:aa1:y1:qe",
		"optional wrong":       "d1:ad" + anID + aTarget + "4:wanti1e5:token0:e2:ipi1e1:q9:find_node2:ro1:11:t2:aa1:vi5e1:y1:qe",
		"integer of 40 digits": "d1:ad" + anID + aTarget + "e1:q9:find_node2:roi" + strings.Repeat("9", 40) + "e1:t2:aa1:y1:qe",
	} {
		t.Run(name, func(t *testing.T) {
			m := mustParse(t, []byte(in))
			require.Equal(t, KindQuery, m.Kind())
			require.Equal(t, plain.TID(), m.TID())
			require.Equal(t, plain.Method(), m.Method())
			got, err := m.FindNode()
			require.NoError(t, err)
			want, _ := plain.FindNode()
			require.Equal(t, want, got)
			require.False(t, m.ReadOnly())
			require.Nil(t, m.Version())
			require.Nil(t, m.Token())
			_, ok := m.IP()
			require.False(t, ok)
			require.Nil(t, m.Err())
		})
	}
}

// A message never reads the fields of a body that is not its own.
func TestParseForeignBody(t *testing.T) {
	m := mustParse(t, []byte("d1:rd"+anID+aTarget+"e1:q4:ping1:t2:aa1:y1:qe"))
	require.Equal(t, Missing, m.BodyState())
	require.Nil(t, m.IDBytes())
	m = mustParse(t, []byte("d1:ad"+anID+aTarget+"e1:t2:aa1:y1:re"))
	require.Nil(t, m.IDBytes())
	require.Nil(t, m.Body())
	m = mustParse(t, []byte("d1:ale1:ad"+anID+"e1:t2:aa1:y1:qe"))
	require.Equal(t, WrongType, m.BodyState(), "the first a counts")
	require.Nil(t, m.IDBytes())
}

func TestMessageStates(t *testing.T) {
	for _, c := range []struct {
		in            string
		tid, body, id State
	}{
		{"d1:ad" + anID + "e1:t2:aa1:y1:qe", Usable, Usable, Usable},
		{"d1:ad2:id19:abcdefghij012345678e1:t0:1:y1:qe", Usable, Usable, WrongLength},
		{"d1:ad2:idi1ee1:t32:" + strings.Repeat("x", 32) + "1:y1:qe", Usable, Usable, WrongType},
		{"d1:ade1:t33:" + strings.Repeat("x", 33) + "1:y1:qe", WrongLength, Usable, Missing},
		{"d1:ale1:ti1e1:y1:qe", WrongType, WrongType, Missing},
		{"d1:y1:qe", Missing, Missing, Missing},
	} {
		m := mustParse(t, []byte(c.in))
		require.Equal(t, c.tid, m.TIDState(), c.in)
		require.Equal(t, c.body, m.BodyState(), c.in)
		require.Equal(t, c.id, m.IDState(IDSize), c.in)
		_, tid, ok := Classify([]byte(c.in))
		require.Equal(t, c.tid == Usable, ok)
		if ok {
			require.Equal(t, m.TID(), tid)
		}
	}
}

func TestMessageHeader(t *testing.T) {
	for in, want := range map[string]string{
		"6:\xcb\x00\x71\x09\x1a\xe1": "203.0.113.9:6881",
		"4:\xcb\x00\x71\x09":         "203.0.113.9:0",
		"18: \x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01\x1a\xe1":        "[2001:db8::1]:6881",
		"16: \x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01":                "[2001:db8::1]:0",
		"18:" + strings.Repeat("\x00", 10) + "\xff\xff\xcb\x00\x71\x09\x1a\xe1": "203.0.113.9:6881",
		"1:x": "", "0:": "", "5:12345": "", "i1e": "", "le": "",
	} {
		m := mustParse(t, []byte("d2:ip"+in+"1:rd"+anID+"e1:t2:aa1:y1:re"))
		ip, ok := m.IP()
		require.Equal(t, want != "", ok, in)
		if ok {
			require.Equal(t, want, ip.String())
		}
	}
	for in, want := range map[string]bool{"i1e": true, "i-7e": true, "i0e": false, "1:1": false, "i99999999999999999999e": false} {
		require.Equal(t, want, mustParse(t, []byte("d2:ro"+in+"1:y1:qe")).ReadOnly(), in)
	}
	m := mustParse(t, []byte("d1:c20:mnopqrstuvwxyz1234561:v2:dk1:y1:qe"))
	require.Equal(t, "dk", string(m.Version()))
	require.Len(t, m.Topic(), 20)
	require.False(t, m.HasMethod())
}

func TestMessageClone(t *testing.T) {
	b := queryWith("find_node", aTarget)
	m := mustParse(t, b)
	c := m.Clone()
	clear(b)
	a, err := c.FindNode()
	require.NoError(t, err)
	require.Equal(t, benchTarget, a.Target)
	_, err = m.FindNode()
	require.Error(t, err, "the original is a view")
}

// Views cannot be used to write behind their end.
func TestViewsAreClipped(t *testing.T) {
	b := append(queryWith("find_node", aTarget), "tail"...)
	m := mustParse(t, b)
	for _, v := range [][]byte{m.Raw(), m.TID(), m.Method(), m.Body(), m.IDBytes(), m.Field("target")} {
		require.Equal(t, len(v), cap(v))
	}
	require.Equal(t, "tail", string(b[len(m.Raw()):]))
}

func TestClassify(t *testing.T) {
	kind, tid, ok := Classify([]byte("d1:t2:aa1:y1:rXXX"))
	require.True(t, ok, "what follows t and y is left to Parse")
	require.Equal(t, KindResponse, kind)
	require.Equal(t, "aa", string(tid))
	for _, in := range []string{
		"", "l", "de", "d1:y1:qe", "d1:t2:aae", "d1:ti1e1:y1:qe", "d1:t2:aa1:y2:qqe", "d1:t2:aa1:y1:xe", "d1:z" + nested(40) + "1:t2:aa1:y1:qe",
		"d1:t2:aa1:y1:q"[:9], "d1:t33:" + strings.Repeat("x", 33) + "1:y1:qe", "d1:t2:aa1:y1:q" + strings.Repeat("x", MaxDatagram),
	} {
		_, _, ok := Classify([]byte(in))
		require.False(t, ok, in)
	}
}

func TestKindString(t *testing.T) {
	for k, want := range map[Kind]string{KindQuery: "query", KindResponse: "response", KindError: "error", 0: "invalid"} {
		require.Equal(t, want, k.String())
	}
}

func TestErrors(t *testing.T) {
	for in, want := range map[string]Error{
		"li203e3:bade":          {Code: 203, Message: "bad"},
		"li203ee":               {Code: 203},
		"le":                    {Code: 201, Bare: true},
		"l3:bade":               {Code: 201, Message: "bad", Bare: true},
		"l3:badi203ee":          {Code: 203, Message: "bad"},
		"li203e3:bad4:morei1ee": {Code: 203, Message: "bad"},
		"li203eli1ee3:bade":     {Code: 203, Message: "bad"},
		"li99999999999e3:bade":  {Code: 201, Message: "bad", Bare: true},
		"3:bad":                 {Code: 201, Message: "bad", Bare: true},
		"i203e":                 {Code: 201, Bare: true},
		"de":                    {Code: 201, Bare: true},
	} {
		m := mustParse(t, []byte("d1:e"+in+"1:t2:aa1:y1:ee"))
		require.Equal(t, KindError, m.Kind())
		require.Equal(t, &want, m.Err(), in)
		m = mustParse(t, []byte("d1:e"+in+"1:rd"+anID+"e1:t2:aa1:y1:re"))
		if in == "de" || in == "i203e" {
			require.Equal(t, KindResponse, m.Kind(), "an e of no use is not there")
			require.Nil(t, m.Err())
			continue
		}
		require.Equal(t, KindError, m.Kind())
		require.Equal(t, &want, m.Err(), in)
		_, ok := m.ID()
		require.True(t, ok)
	}
	require.Equal(t, &Error{Code: 201, Bare: true}, mustParse(t, []byte("d1:t2:aa1:y1:ee")).Err())

	var err error = &Error{Code: 204, Message: "never heard of"}
	require.ErrorIs(t, err, ErrMethodUnknown)
	require.False(t, errors.Is(err, ErrProtocol))
	require.EqualError(t, err, "krpc: error 204: never heard of")
}

func TestField(t *testing.T) {
	m := mustParse(t, queryWith("x", "1:xli1ed1:ale1:bdeee1:xi2e"))
	require.Equal(t, "li1ed1:ale1:bdeee", string(m.Field("x")))
	require.Nil(t, m.Field("y"))
	require.Nil(t, mustParse(t, []byte("d1:y1:qe")).Field("x"))
}
