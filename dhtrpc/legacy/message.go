package legacy

import (
	"net/netip"
	"slices"

	"github.com/dhtkit/dhtkit/routing"
)

// Type says what a message is (field 1).
type Type uint8

const (
	TypeQuery    Type = 1 // asks, and changes nothing
	TypeUpdate   Type = 2 // asks for a change; needs the token of an earlier answer
	TypeResponse Type = 3 // answers either, with a value or an error
)

func (t Type) String() string {
	switch t {
	case TypeQuery:
		return "query"
	case TypeUpdate:
		return "update"
	case TypeResponse:
		return "response"
	}
	return "unknown"
}

// Commands that every node serves. They are not for applications.
const (
	CommandPing      = "_ping"
	CommandFindNode  = "_find_node"
	CommandHolepunch = "_holepunch"
)

// version is what we write (field 11). A sender without it has no id, whatever it says.
const version = 1

// Message is one datagram: its fields, in the order in which they are written. Byte fields are views; nil is a field that is
// not there, which is not the same as an empty one.
type Message struct {
	Version uint64 // 0: not there
	Type    Type
	RID     uint64 // chosen by whoever asks, repeated by whoever answers
	To      []byte // compact address that the datagram was sent to, 6 bytes
	ID      []byte // of the sender unless it is ephemeral, 32 bytes
	Target  []byte // 32 bytes, but others are carried
	Nodes   []byte // compact nodes, see CloserNodes
	Token   []byte // of the responder, or, in an update, the one it gave us; 32 bytes
	Command []byte
	Error   []byte
	Value   []byte
}

// Clone returns a message that shares no bytes with m.
func (m *Message) Clone() Message {
	c := *m
	for _, f := range []*[]byte{&c.To, &c.ID, &c.Target, &c.Nodes, &c.Token, &c.Command, &c.Error, &c.Value} {
		*f = slices.Clone(*f)
	}
	return c
}

// Key returns the sender's id, zero if it is ephemeral.
func (m *Message) Key() routing.Key { return routing.KeyOf(m.ID) }

// Recipient returns the address that the datagram was sent to: how the sender sees us. False if it says nothing of use.
func (m *Message) Recipient() (netip.AddrPort, bool) { return peerOf(m.To) }

// CloserNodes ranges over the nodes that the message names. Of a list with a port 0 in it there are none; a rest shorter
// than a node is ignored.
func (m *Message) CloserNodes(yield func(routing.Node) bool) {
	for rest := m.Nodes; len(rest) >= nodeSize; rest = rest[nodeSize:] {
		if peerPort(rest[IDSize:]) == 0 {
			return
		}
	}
	for rest := m.Nodes; len(rest) >= nodeSize; rest = rest[nodeSize:] {
		addr, _ := peerOf(rest[IDSize:nodeSize])
		if !yield(routing.Node{Key: routing.KeyOf(rest[:IDSize]), Addr: addr}) {
			return
		}
	}
}
