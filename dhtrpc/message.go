package dhtrpc

import (
	"errors"
	"net/netip"
)

// MaxMessage is the longest datagram that nodes read, in bytes: the original drops longer ones, and so do we. Paths of the
// Internet carry about 1200 safely.
const MaxMessage = 2048

// Commands of the protocol itself. They have numbers of their own: user command 0 is not a ping.
const (
	CommandPing        = 0
	CommandPingNAT     = 1 // value: port (u16) to answer to
	CommandFindNode    = 2
	CommandDownHint    = 3 // value: address of a node that is down
	CommandDelayedPing = 4 // value: milliseconds (u32) to wait before the answer
)

// Errors of the protocol itself. Applications start at 16.
const (
	CodeOK             = 0
	CodeUnknownCommand = 1
	CodeInvalidToken   = 2
)

// Kind says what a message is.
type Kind uint8

const (
	KindRequest  Kind = iota // a node asks
	KindResponse             // a node answers
)

func (k Kind) String() string {
	if k == KindRequest {
		return "request"
	}
	return "response"
}

// What Parse refuses. A stranger's datagram is counted and dropped, so neither says more.
var (
	// ErrForeign: the first byte is not that of a message of this protocol and version. Streams and hole punches of
	// applications share the sockets with it.
	ErrForeign = errors.New("dhtrpc: no dht-rpc message")
	// ErrMalformed: a message that ends too early or holds a number that is too large.
	ErrMalformed = errors.New("dhtrpc: malformed message")
)

// Message is one datagram. Parse makes it a view: slices point into the datagram.
//
// ID, Token and Target are nil or have 32 bytes; of another length they are not written. A Value of length 0 is a value,
// nil is none.
type Message struct {
	Kind     Kind
	Internal bool   // Request: Command is one of the protocol's own
	TID      uint16 // transaction id; a response repeats that of its request
	To       netip.AddrPort
	ID       []byte // sender's id; believed only if it is IDOf the sender's address, see Sender
	Token    []byte // Request: given back to who gave it; Response: for the one it is sent to
	Command  uint64 // Request
	Target   []byte // Request
	Closer   Addrs  // Response: nodes closer to the target
	Error    uint64 // Response: 0 means none
	Value    []byte
}

const version = 3

// First bytes: type and version.
const (
	firstRequest  = 0<<4 | version
	firstResponse = 1<<4 | version
)

// Flags say which fields follow. The other bits are ignored.
const (
	hasID      = 1 << 0
	hasToken   = 1 << 1
	isInternal = 1 << 2 // requests
	hasTarget  = 1 << 3 // requests
	hasCloser  = 1 << 2 // responses
	hasError   = 1 << 3 // responses
	hasValue   = 1 << 4
)

// Parse reads one datagram. Bytes after the message, unknown flags and numbers longer than needed are accepted, as the
// original does; nothing is allocated.
func Parse(b []byte) (Message, error) {
	if len(b) < 2 {
		return Message{}, ErrMalformed
	}
	kind, ok := kindOf(b[0])
	if !ok {
		return Message{}, ErrForeign
	}
	return parse(kind, b[1:])
}

func kindOf(first byte) (Kind, bool) {
	switch first {
	case firstRequest:
		return KindRequest, true
	case firstResponse:
		return KindResponse, true
	}
	return 0, false
}

// parse reads what follows the first byte.
func parse(kind Kind, b []byte) (Message, error) {
	c := cursor{b: b}
	flags := c.uint()
	m := Message{Kind: kind, TID: c.u16(), To: c.addr()}
	if flags&hasID != 0 {
		m.ID = c.take(IDSize)
	}
	if flags&hasToken != 0 {
		m.Token = c.take(IDSize)
	}
	if kind == KindRequest {
		m.Internal = flags&isInternal != 0
		m.Command = c.uint()
		if flags&hasTarget != 0 {
			m.Target = c.take(IDSize)
		}
	} else {
		if flags&hasCloser != 0 {
			m.Closer = c.addrs()
		}
		if flags&hasError != 0 {
			m.Error = c.uint()
		}
	}
	if flags&hasValue != 0 {
		m.Value = c.buffer()
	}
	if c.bad {
		return Message{}, ErrMalformed
	}
	return m, nil
}

// Sender returns the sender's id if the message carries one that fits the address it came from. A message with another id
// is as good as one without: its sender is taken for ephemeral.
func (m *Message) Sender(from netip.AddrPort) (ID, bool) {
	if m.ID == nil {
		return ID{}, false
	}
	id := IDOf(from)
	return id, id == ID(m.ID)
}

// flags returns the flags of m as it is written.
func (m *Message) flags() (f byte) {
	set := func(bit byte, on bool) {
		if on {
			f |= bit
		}
	}
	set(hasID, len(m.ID) == IDSize)
	set(hasToken, len(m.Token) == IDSize)
	set(hasValue, m.Value != nil)
	if m.Kind == KindRequest {
		set(isInternal, m.Internal)
		set(hasTarget, len(m.Target) == IDSize)
		return f
	}
	set(hasCloser, m.Closer.Len() > 0)
	set(hasError, m.Error > 0)
	return f
}

// Append appends the datagram to dst. It allocates only if dst has to grow.
func (m *Message) Append(dst []byte) []byte {
	first := byte(firstRequest)
	if m.Kind == KindResponse {
		first = firstResponse
	}
	return m.appendBody(append(dst, first))
}

// appendBody appends what follows the first byte.
func (m *Message) appendBody(dst []byte) []byte {
	flags := m.flags()
	dst = append(dst, flags, byte(m.TID), byte(m.TID>>8))
	dst = appendAddr(dst, m.To)
	if flags&hasID != 0 {
		dst = append(dst, m.ID...)
	}
	if flags&hasToken != 0 {
		dst = append(dst, m.Token...)
	}
	if m.Kind == KindRequest {
		dst = appendUint(dst, m.Command)
		if flags&hasTarget != 0 {
			dst = append(dst, m.Target...)
		}
	} else {
		if flags&hasCloser != 0 {
			dst = appendUint(dst, uint64(m.Closer.Len()))
			dst = append(dst, m.Closer[:m.Closer.Len()*addrSize]...)
		}
		if flags&hasError != 0 {
			dst = appendUint(dst, m.Error)
		}
	}
	if flags&hasValue != 0 {
		dst = appendBuffer(dst, m.Value)
	}
	return dst
}
