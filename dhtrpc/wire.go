package dhtrpc

import (
	"github.com/dhtkit/dhtkit/socket"
)

// framing is the front of a datagram: one byte of type and version, or, in a network with a name, another one and a tag
// that its members share. Nodes of other implementations ignore the latter, as we ignore what they send there.
type framing struct {
	tag    []byte // nil: none
	prefix [2]byte
	others socket.Class // what a datagram of another protocol or network is
}

const (
	tagSize        = 8
	firstNamed     = 2<<4 | version // request in a network with a name
	firstNamedBack = 3<<4 | version // response
)

// framingOf returns the framing of the network of that name; none: that of everybody.
func framingOf(network string) framing {
	if network == "" {
		return framing{prefix: [2]byte{firstRequest, firstResponse}}
	}
	sum := Hash([]byte("dhtkit network " + network))
	return framing{tag: sum[:tagSize], prefix: [2]byte{firstNamed, firstNamedBack}}
}

// open returns what kind of message it is and what follows the front; false for what is not of our network.
func (f *framing) open(b []byte) (kind Kind, body []byte, ok bool) {
	if len(b) < 2+len(f.tag) || f.tag != nil && string(b[1:1+tagSize]) != string(f.tag) {
		return 0, nil, false
	}
	switch b[0] {
	case f.prefix[KindRequest]:
		kind = KindRequest
	case f.prefix[KindResponse]:
		kind = KindResponse
	default:
		return 0, nil, false
	}
	return kind, b[1+len(f.tag):], true
}

func (f *framing) parse(b []byte) (Message, error) {
	kind, body, ok := f.open(b)
	if !ok {
		return Message{}, ErrForeign
	}
	return parse(kind, body)
}

// append appends the datagram of m.
func (f *framing) append(dst []byte, m *Message) []byte {
	return m.appendBody(append(append(dst, f.prefix[m.Kind]), f.tag...))
}

// tidAt is where in a datagram of ours the transaction id is: behind the front and one byte of flags.
func (f *framing) tidAt() int { return 1 + len(f.tag) + 1 }

// classify takes a first look at a datagram. A response is looked at wholly, so that a damaged one ends no request.
func (f *framing) classify(b []byte) (socket.Class, []byte) {
	kind, body, ok := f.open(b)
	if !ok {
		return f.others, nil
	}
	if kind == KindRequest {
		return socket.Request, nil
	}
	if _, err := parse(kind, body); err != nil {
		return socket.Drop, nil
	}
	c := cursor{b: body}
	c.uint()
	return socket.Response, c.take(2)
}
