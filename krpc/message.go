package krpc

import (
	"bytes"
	"net/netip"

	"github.com/dhtkit/dhtkit/routing"
)

// Message is a parsed datagram: a view into its bytes and where the known keys lie in them. Byte slices it returns
// point into the datagram; Clone makes a Message that owns its bytes. A Message is not changed by its methods and may
// be read by several goroutines.
type Message struct {
	b    []byte // the dictionary, without what followed it
	kind Kind
	// Values of the top dictionary, and which of a and r is this message's body: zero if it has none.
	a, r, t, y, q, e, v, ip, ro, c, body span

	f [numFields]span // values of the body
}

// State says whether a required key can be used.
type State uint8

const (
	Missing     State = iota // the key is absent
	WrongType                // it is no string (for a and r: no dictionary)
	WrongLength              // a string, but not of the length asked for
	Usable
)

// raw returns the bytes of a value, nil for the zero span.
func (m *Message) raw(s span) []byte { return m.b[s.off:s.end:s.end] }

// bytes returns the content of a string, nil if the key is absent or no string.
func (m *Message) bytes(s span) []byte {
	if s.end == 0 {
		return nil
	}
	return content(m.raw(s))
}

// sized returns the content of a string of exactly n bytes, else nil.
func (m *Message) sized(s span, n int) []byte {
	if b := m.bytes(s); len(b) == n {
		return b
	}
	return nil
}

func (m *Message) id(s span) (ID, bool) {
	b := m.sized(s, IDSize)
	if b == nil {
		return ID{}, false
	}
	return ID(b), true
}

func (m *Message) int(s span) (int64, bool) { return integer(m.raw(s)) }

// flag reports whether the value is an integer other than 0.
func (m *Message) flag(s span) bool {
	n, ok := m.int(s)
	return ok && n != 0
}

// state judges a string that should have from lo to hi bytes.
func (m *Message) state(s span, lo, hi int) State {
	if s.end == 0 {
		return Missing
	}
	switch b := m.bytes(s); {
	case b == nil:
		return WrongType
	case len(b) < lo || len(b) > hi:
		return WrongLength
	}
	return Usable
}

// Raw returns the message as it came, without bytes that followed it.
func (m *Message) Raw() []byte { return m.b }

// Clone returns a Message with its own copy of the bytes.
func (m *Message) Clone() Message {
	c := *m
	c.b = bytes.Clone(m.b)
	return c
}

// Kind says what the message is. A message with y = r and an e key is an error, whatever else is in it.
func (m *Message) Kind() Kind { return m.kind }

// TID returns the transaction id as sent: nil if there is none or it is no string.
func (m *Message) TID() []byte { return m.bytes(m.t) }

// TIDState judges the transaction id: from 0 to MaxTID bytes are usable. A message whose id is not is dropped.
func (m *Message) TIDState() State { return m.state(m.t, 0, MaxTID) }

// HasMethod reports whether q is there and a string.
func (m *Message) HasMethod() bool { return m.Method() != nil }

// Method returns the name of the method (q): nil if there is none or it is no string.
func (m *Message) Method() []byte { return m.bytes(m.q) }

// Version returns the sender's client and version (v of the top dictionary) as sent, four bytes from most clients. Nil
// if there is none.
func (m *Message) Version() []byte { return m.bytes(m.v) }

// Topic returns the topic of a BEP 50 message (c): such a message belongs to another network. Nil if there is none.
func (m *Message) Topic() []byte { return m.bytes(m.c) }

// ReadOnly reports whether the sender says that it does not answer queries (BEP 43: ro is an integer other than 0).
func (m *Message) ReadOnly() bool { return m.flag(m.ro) }

// IP returns our own address as the sender sees it (BEP 42). The port is 0 if he left it out. In a query it means
// nothing.
func (m *Message) IP() (netip.AddrPort, bool) {
	switch b := m.bytes(m.ip); len(b) {
	case 6, 18:
		return addrPort(b), true
	case 4, 16:
		return netip.AddrPortFrom(addr(b), 0), true
	}
	return netip.AddrPort{}, false
}

// Body returns the bencoded dictionary of arguments (a) or results (r), nil if there is none.
func (m *Message) Body() []byte {
	if m.body.end == 0 {
		return nil
	}
	return m.raw(m.body)
}

// Field returns the bencoded value of a key of the body, of any type: the first one if the key is repeated. Nil if
// there is none.
func (m *Message) Field(key string) []byte {
	for k, v := range pairs(m.Body()) {
		if string(k) == key {
			return v
		}
	}
	return nil
}

// BodyState judges the dictionary of arguments (a) of a query, of results (r) of others.
func (m *Message) BodyState() State {
	s := m.r
	if m.kind == KindQuery {
		s = m.a
	}
	switch {
	case s.end == 0:
		return Missing
	case m.body.end == 0:
		return WrongType
	}
	return Usable
}

// IDBytes returns the sender's id as sent: nil if there is none or it is no string.
func (m *Message) IDBytes() []byte { return m.bytes(m.f[fID]) }

// IDState judges the sender's id, which should have idLen bytes.
func (m *Message) IDState(idLen int) State { return m.state(m.f[fID], idLen, idLen) }

// ID returns the sender's id if it has 20 bytes.
func (m *Message) ID() (ID, bool) { return m.id(m.f[fID]) }

// Key returns the sender's id as a key if it has exactly idLen bytes.
func (m *Message) Key(idLen int) (routing.Key, bool) { return m.key(m.f[fID], idLen) }

func (m *Message) key(s span, n int) (routing.Key, bool) {
	b := m.bytes(s)
	if b == nil || len(b) != n {
		return routing.Key{}, false
	}
	return routing.KeyOf(b), true
}

// Target returns the point of the key space that a query of any method is about: target, else info_hash, of idLen bytes.
// A server answers an unknown method that has one like find_node (BEP 51 counts on that).
func (m *Message) Target(idLen int) (routing.Key, bool) {
	if k, ok := m.key(m.f[fTarget], idLen); ok {
		return k, true
	}
	return m.key(m.f[fInfoHash], idLen)
}

// Longest token worth keeping, in bytes. 4, 8, 20, 32 and 40 occur.
const maxToken = 128

// Token returns the token of an answer or a query: 1 to 128 bytes, else nil.
func (m *Message) Token() []byte {
	if b := m.bytes(m.f[fToken]); len(b) > 0 && len(b) <= maxToken {
		return b
	}
	return nil
}

// Want returns which node lists a query asks for (BEP 32); both false if it does not say.
func (m *Message) Want() (v4, v6 bool) {
	w := m.want()
	return w&WantN4 != 0, w&WantN6 != 0
}

// Err returns the error that the message is, nil if it is none. Whatever of code and text is missing or of the wrong
// type reads as 201 and "".
func (m *Message) Err() *Error {
	if m.kind != KindError {
		return nil
	}
	e := &Error{Code: CodeGeneric, Bare: true}
	if text := m.bytes(m.e); text != nil {
		e.Message = string(text)
		return e
	}
	hasText := false
	for v := range members(m.raw(m.e)) {
		if n, ok := integer(v); ok && e.Bare && n == int64(int32(n)) {
			e.Code, e.Bare = int(n), false
		} else if s := content(v); s != nil && !hasText {
			e.Message, hasText = string(s), true
		}
	}
	return e
}
