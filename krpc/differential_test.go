package krpc

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	oracle "github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"
)

// The tolerance list as a plain recursive reader, to tell what has to be accepted: refValue is nil for what is refused.
// It and our cursor share no code.
type refValue struct {
	raw  []byte
	kind byte // 's', 'i', 'l', 'd'
	str  string
	list []*refValue
	dict map[string]*refValue // the first of repeated keys
	dup  bool                 // a key is repeated in it
}

func refRead(b []byte, depth int) (v *refValue, rest []byte) {
	if len(b) == 0 {
		return nil, nil
	}
	switch c := b[0]; {
	case c == 'i':
		end := bytes.IndexByte(b, 'e')
		if end < 0 || !refNumber(string(b[1:end])) {
			return nil, nil
		}
		return &refValue{raw: b[:end+1], kind: 'i', str: string(b[1:end])}, b[end+1:]
	case c >= '0' && c <= '9':
		colon := bytes.IndexByte(b, ':')
		if colon < 0 || !refNumber(string(b[:colon])) {
			return nil, nil
		}
		n, err := strconv.Atoi(string(b[:colon]))
		if err != nil || n > len(b)-colon-1 {
			return nil, nil
		}
		end := colon + 1 + n
		return &refValue{raw: b[:end], kind: 's', str: string(b[colon+1 : end])}, b[end:]
	case (c == 'l' || c == 'd') && depth < 32:
		return refContainer(b, depth)
	}
	return nil, nil
}

func refContainer(b []byte, depth int) (*refValue, []byte) {
	v := &refValue{kind: b[0], dict: map[string]*refValue{}}
	rest := b[1:]
	for len(rest) > 0 && rest[0] != 'e' {
		var key, item *refValue
		if v.kind == 'd' {
			if key, rest = refRead(rest, depth+1); key == nil || key.kind != 's' {
				return nil, nil
			}
		}
		if item, rest = refRead(rest, depth+1); item == nil {
			return nil, nil
		}
		if key == nil {
			v.list = append(v.list, item)
		} else if _, known := v.dict[key.str]; known {
			v.dup = true
		} else {
			v.dict[key.str] = item
		}
	}
	if len(rest) == 0 {
		return nil, nil
	}
	v.raw = b[:len(b)-len(rest)+1]
	return v, rest[1:]
}

// refNumber: the shortest form of an integer of any size.
func refNumber(s string) bool {
	digits := s
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
		if digits == "0" {
			return false
		}
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return digits == "0" || digits != "" && digits[0] != '0'
}

// str returns a string value of a dictionary whose length is one of those given (any if none is).
func (v *refValue) text(key string, lengths ...int) (string, bool) {
	x := v.dict[key]
	if x == nil || x.kind != 's' {
		return "", false
	}
	return x.str, len(lengths) == 0 || slices.Contains(lengths, len(x.str))
}

func (v *refValue) number(key string) (int64, bool) {
	x := v.dict[key]
	if x == nil || x.kind != 'i' {
		return 0, false
	}
	n, err := strconv.ParseInt(x.str, 10, 64)
	return n, err == nil
}

func (v *refValue) sub(key string) *refValue {
	if x := v.dict[key]; x != nil && x.kind == 'd' {
		return x
	}
	return nil
}

// refMessage is a datagram that has to be accepted.
func refMessage(b []byte) *refValue {
	if len(b) > MaxDatagram || len(b) == 0 || b[0] != 'd' {
		return nil
	}
	v, _ := refRead(b, 0)
	if v == nil {
		return nil
	}
	if y, ok := v.text("y", 1); !ok || y != "q" && y != "r" && y != "e" {
		return nil
	}
	return v
}

// theirsReads decodes with anacrolix, which panics on some datagrams.
func theirsReads(b []byte) (m oracle.Msg, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	err := bencode.Unmarshal(b, &m)
	if _, trailing := errors.AsType[bencode.ErrUnusedTrailingBytes](err); err != nil && !trailing {
		return m, false
	}
	return m, true
}

// FuzzDifferential: ours accepts exactly what the tolerance list does, and where anacrolix accepts a datagram too, both
// read the same. Of theirs only values of the right type and length count: it takes the only member of a list for the
// value itself, cuts long ids, and lets the last of repeated keys win.
func FuzzDifferential(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		ref := refMessage(b)
		m, err := Parse(b)
		require.Equal(t, ref != nil, err == nil, "%v", err)
		if ref == nil {
			return
		}
		require.Equal(t, string(ref.raw), string(m.Raw()))
		theirs, ok := theirsReads(b)
		if !ok || ref.dup {
			return
		}
		compareTop(t, ref, &m, &theirs)
		if a := ref.sub("a"); a != nil && !a.dup && theirs.Y == "q" {
			compareArgs(t, a, &m, theirs.A)
		}
		if r := ref.sub("r"); r != nil && !r.dup && theirs.Y != "q" {
			compareResults(t, r, &m, theirs.R)
		}
	})
}

func compareTop(t *testing.T, ref *refValue, m *Message, theirs *oracle.Msg) {
	if _, ok := ref.text("t"); ok {
		require.Equal(t, theirs.T, string(m.TID()))
	} else {
		require.Nil(t, m.TID())
	}
	if _, ok := ref.text("q"); ok {
		require.Equal(t, theirs.Q, string(m.Method()))
	} else {
		require.Nil(t, m.Method())
	}
	if _, ok := ref.text("v"); ok {
		require.Equal(t, theirs.ClientId, string(m.Version()))
	}
	if _, ok := ref.number("ro"); ok {
		require.Equal(t, theirs.ReadOnly, m.ReadOnly())
	} else {
		require.False(t, m.ReadOnly())
	}
	if _, ok := ref.text("ip", 6, 18); ok {
		ip, ok := m.IP()
		require.True(t, ok)
		require.Equal(t, unmapped(theirs.IP), ip)
	}
	e := ref.dict["e"]
	if e != nil && e.kind == 'l' && theirs.Y != "q" && int64(theirs.E.Code) == int64(int32(theirs.E.Code)) {
		require.Equal(t, &Error{Code: theirs.E.Code, Message: theirs.E.Msg}, m.Err())
	}
	if e == nil {
		require.Equal(t, theirs.Y, string(rune(m.Kind())))
	}
}

func unmapped(a oracle.NodeAddr) netip.AddrPort {
	p := a.ToNodeAddrPort().AddrPort
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

func compareArgs(t *testing.T, ref *refValue, m *Message, a *oracle.MsgArgs) {
	sameID(t, ref, "id", a.ID, func() (ID, bool) { return m.ID() })
	sameID(t, ref, "target", a.Target, func() (ID, bool) { return m.id(m.f[fTarget]) })
	sameID(t, ref, "info_hash", a.InfoHash, func() (ID, bool) { return m.id(m.f[fInfoHash]) })
	sameToken(t, ref, a.Token, m)
	if w := ref.dict["want"]; w != nil && w.kind == 'l' {
		var want Want
		for _, s := range a.Want {
			want |= map[oracle.Want]Want{oracle.WantNodes: WantN4, oracle.WantNodes6: WantN6}[s]
		}
		for _, x := range w.list {
			if x.kind != 's' {
				return
			}
		}
		require.Equal(t, want, m.want())
	}
	if n, ok := ref.number("port"); ok {
		got, ok := m.int(m.f[fPort])
		require.True(t, ok)
		require.Equal(t, n, got)
		require.Equal(t, *a.Port, int(got))
	}
	if _, ok := ref.number("implied_port"); ok {
		require.Equal(t, a.ImpliedPort, m.flag(m.f[fImpliedPort]))
	}
	if _, ok := ref.number("scrape"); ok {
		require.Equal(t, a.Scrape != 0, m.flag(m.f[fScrape]))
	}
	if _, ok := ref.number("noseed"); ok {
		require.Equal(t, a.NoSeed != 0, m.flag(m.f[fNoSeed]))
	}
	if _, ok := ref.number("cas"); ok {
		got, _ := m.int(m.f[fCas])
		require.Equal(t, a.Cas, got)
	}
	if _, ok := ref.text("salt"); ok {
		require.Equal(t, string(a.Salt), string(m.bytes(m.f[fSalt])))
	}
	sameItem(t, ref, m, a.Seq, a.K, a.Sig)
}

func compareResults(t *testing.T, ref *refValue, m *Message, r *oracle.Return) {
	sameID(t, ref, "id", r.ID, func() (ID, bool) { return m.ID() })
	if r.Token != nil {
		sameToken(t, ref, *r.Token, m)
	}
	var want, got []Node
	for _, lists := range [][]oracle.NodeInfo{r.Nodes, r.Nodes6} {
		for _, n := range lists {
			if p := n.Addr.ToNodeAddrPort().AddrPort; refUsable(p) && !n.ID.IsZero() {
				want = append(want, Node{ID(n.ID), p})
			}
		}
	}
	_, ok4 := ref.text("nodes")
	_, ok6 := ref.text("nodes6")
	if (ok4 || ref.dict["nodes"] == nil) && (ok6 || ref.dict["nodes6"] == nil) {
		for n := range m.Contacts(IDSize) {
			got = append(got, Node{IDOf(n.Key), n.Addr})
		}
		require.Equal(t, want, got)
	}
	sameValues(t, ref, m, r.Values)
	if _, ok := ref.text("BFsd", filterSize); ok {
		require.Equal(t, r.BFsd[:], m.BFsd())
	}
	if _, ok := ref.text("BFpe", filterSize); ok {
		require.Equal(t, r.BFpe[:], m.BFpe())
	}
	if n, ok := ref.number("interval"); ok && n >= 0 && n <= maxInterval {
		got, _ := m.Interval()
		require.Equal(t, *r.Interval, got)
	}
	if _, ok := ref.number("num"); ok {
		got, _ := m.Num()
		require.Equal(t, *r.Num, got)
	}
	if _, ok := ref.text("samples"); ok && r.Samples != nil {
		var got oracle.CompactInfohashes
		for h := range m.Samples {
			got = append(got, h)
		}
		require.Equal(t, *r.Samples, got)
	}
	if ref.dict["v"] != nil {
		require.Equal(t, string(r.V), string(m.Value()))
	}
	sameItem(t, ref, m, r.Seq, r.K, r.Sig)
}

func sameID(t *testing.T, ref *refValue, key string, theirs oracle.ID, ours func() (ID, bool)) {
	_, want := ref.text(key, IDSize)
	id, ok := ours()
	require.Equal(t, want, ok, key)
	if ok {
		require.Equal(t, ID(theirs), id, key)
	}
}

func sameToken(t *testing.T, ref *refValue, theirs string, m *Message) {
	if s, ok := ref.text("token"); ok && len(s) > 0 && len(s) <= maxToken {
		require.Equal(t, theirs, string(m.Token()))
	} else {
		require.Nil(t, m.Token())
	}
}

func sameItem(t *testing.T, ref *refValue, m *Message, seq *int64, k [32]byte, sig [64]byte) {
	if _, ok := ref.number("seq"); ok {
		got, ok := m.Seq()
		require.True(t, ok)
		require.Equal(t, *seq, got)
	}
	if _, ok := ref.text("k", keySize); ok {
		require.Equal(t, k[:], m.K())
	} else {
		require.Nil(t, m.K())
	}
	if _, ok := ref.text("sig", sigSize); ok {
		require.Equal(t, sig[:], m.Sig())
	} else {
		require.Nil(t, m.Sig())
	}
}

func sameValues(t *testing.T, ref *refValue, m *Message, theirs []oracle.NodeAddr) {
	v := ref.dict["values"]
	if v == nil || v.kind != 'l' {
		return
	}
	for _, x := range v.list {
		if x.kind != 's' {
			return
		}
	}
	var want, got []netip.AddrPort
	for _, a := range theirs {
		if p := a.ToNodeAddrPort().AddrPort; (len(a.IP) == 4 || len(a.IP) == 16) && refUsable(p) {
			want = append(want, p)
		}
	}
	for p := range m.Values {
		got = append(got, p)
	}
	require.Equal(t, want, got)
}

// refUsable says which addresses the lists keep.
func refUsable(p netip.AddrPort) bool {
	a := p.Addr()
	if p.Port() == 0 || a.Is4In6() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	return !a.Is4() || !netip.MustParsePrefix("0.0.0.0/8").Contains(a) && !netip.MustParsePrefix("240.0.0.0/4").Contains(a)
}

// Both codecs write the same bytes.
func TestEncodeAsTheirs(t *testing.T) {
	for _, b := range [][]byte{benchReply, benchQuery} {
		m := theirsMsg(b)
		require.Equal(t, string(theirsEncode(&m)), string(b))
	}
}
