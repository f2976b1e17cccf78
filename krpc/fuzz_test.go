package krpc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func addSeeds(f *testing.F) {
	for _, b := range vectorDatagrams(f) {
		f.Add(b)
	}
	f.Add(benchReply)
	f.Add(benchQuery)
	f.Add([]byte("d1:ad" + anID + aKey + "3:seqi1e" + aSig + aToken + "1:vd1:ali1eeee1:q3:put1:t2:aa1:y1:qe"))
}

// FuzzParse: nothing panics, every view lies inside the datagram, Classify and Parse agree, and what is read, written and
// read again stays the same.
func FuzzParse(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, tid, ok := Classify(b)
		m, err := Parse(b)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			require.Zero(t, m.b)
			return
		}
		require.Equal(t, ok, m.TIDState() == Usable)
		if ok {
			require.Equal(t, string(tid), string(m.TID()))
			require.Equal(t, kind == KindQuery, m.Kind() == KindQuery)
		}
		require.LessOrEqual(t, len(m.Raw()), len(b))
		again, err := Parse(m.Raw())
		require.NoError(t, err)
		require.Equal(t, m, again)
		readAll(t, &m)
		writeAll(t, &m)
	})
}

// readAll calls every accessor and holds what comes against the size of the datagram.
func readAll(t *testing.T, m *Message) {
	views := [][]byte{m.TID(), m.Method(), m.Version(), m.Topic(), m.Body(), m.IDBytes(), m.Token(), m.Value(), m.K(), m.Sig(), m.BFsd(), m.BFpe(), m.Field("x")}
	for _, v := range views {
		require.LessOrEqual(t, len(v), len(m.Raw()))
		require.Equal(t, len(v), cap(v))
	}
	m.IP()
	m.ReadOnly()
	m.Key(32)
	m.Target(IDSize)
	m.Num()
	m.Seq()
	m.Want()
	interval, _ := m.Interval()
	require.True(t, interval >= 0 && interval <= maxInterval)
	require.Equal(t, m.HasMethod(), m.Method() != nil)
	require.Equal(t, m.Kind() == KindError, m.Err() != nil)
	_, isID := m.ID()
	require.Equal(t, isID, m.IDState(IDSize) == Usable)

	n := 0
	for p := range m.Values {
		require.NotZero(t, p.Port())
		n++
	}
	for range m.Samples {
		n++
	}
	for _, idLen := range []int{1, IDSize, 32} {
		for c := range m.Contacts(idLen) {
			require.False(t, c.Key.IsZero() || c.Addr.Port() == 0 || c.Addr.Addr().Is4In6())
			n++
		}
	}
	require.Less(t, n, len(m.Raw()))

	var structure struct {
		ID     ID       `bencode:"id"`
		Token  string   `bencode:"token"`
		Values []string `bencode:"values"`
		Port   uint16   `bencode:"port"`
		V      any      `bencode:"v"`
	}
	_ = m.Decode(&structure)
	_ = m.Decode(new(map[string]any))
	_ = m.Decode(new(any))
}

// writeAll writes the message through the types it can be read into and reads it back.
func writeAll(t *testing.T, m *Message) {
	if m.IDState(IDSize) != Usable || m.TIDState() != Usable {
		return
	}
	id, _ := m.ID()
	h := headerOf(m)
	switch m.Kind() {
	case KindError:
		b := AppendError(nil, m.TID(), m.Err(), h)
		require.True(t, Canonical(b))
		require.Equal(t, m.Err(), mustParse(t, b).Err())
	case KindQuery:
		args, err := typedArgs(m)
		if err != nil {
			return
		}
		b := AppendQuery(nil, m.TID(), id[:], args, h)
		require.True(t, Canonical(b))
		if len(b) > MaxDatagram {
			return // an ip of 4 bytes grows to 6
		}
		again := mustParse(t, b)
		got, err := typedArgs(again)
		if a, ok := got.(AnnouncePeerArgs); ok && a.Port == 0 {
			require.True(t, a.ImpliedPort)
		}
		require.NoError(t, err)
		require.Equal(t, string(b), string(AppendQuery(nil, again.TID(), id[:], got, headerOf(again))))
	case KindResponse:
		for _, method := range []string{MethodFindNode, MethodGetPeers, MethodGet, MethodSample} {
			b := AppendResponse(nil, m.TID(), id[:], typedResults(m, method), h)
			if method != MethodGet { // v is passed on as it came
				require.True(t, Canonical(b))
			}
			if again, err := Parse(b); err == nil {
				require.Equal(t, string(b), string(AppendResponse(nil, again.TID(), id[:], typedResults(&again, method), headerOf(&again))))
			} else {
				require.ErrorIs(t, err, ErrTooLong)
			}
		}
	}
}
