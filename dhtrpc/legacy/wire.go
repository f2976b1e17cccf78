package legacy

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields.
const (
	fieldType    = 1
	fieldRID     = 2
	fieldID      = 3
	fieldTarget  = 4
	fieldNodes   = 5
	fieldToken   = 6
	fieldCommand = 7
	fieldError   = 8
	fieldValue   = 9
	fieldTo      = 10
	fieldVersion = 11
)

// What Parse refuses. Each is errors.Is ErrMalformed, none allocates: the sender is a stranger and his datagram is counted
// and dropped.
var (
	ErrMalformed = errors.New("legacy: malformed message")
	errNoType    = fmt.Errorf("%w: no type of ours", ErrMalformed)
	errNoRID     = fmt.Errorf("%w: no rid", ErrMalformed)
	errBadID     = fmt.Errorf("%w: id of another length than %d", ErrMalformed, IDSize)
)

// Parse reads a datagram into a view of it. Fields come in any order, the last of equal ones counts, and unknown ones are
// skipped. Of a known field only the number is looked at, not the wire type, as npm dht-rpc does. Refused are a broken or cut-off
// field, groups, a missing type or rid, types of no meaning, and an id that has not 32 bytes. An id without a version is left
// out: its sender counts as ephemeral.
func Parse(b []byte) (Message, error) {
	var m Message
	var kind uint64
	var hasRID bool
	for len(b) > 0 {
		key, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return Message{}, ErrMalformed
		}
		b = b[n:]
		switch field := key >> 3; field {
		case fieldType:
			kind, n = protowire.ConsumeVarint(b)
		case fieldRID:
			m.RID, n = protowire.ConsumeVarint(b)
			hasRID = true
		case fieldVersion:
			m.Version, n = protowire.ConsumeVarint(b)
		default:
			if f := m.bytes(field); f != nil {
				*f, n = consumeBytes(b)
			} else {
				n = skip(protowire.Type(key&7), b)
			}
		}
		if n < 0 {
			return Message{}, ErrMalformed
		}
		b = b[n:]
	}
	return m.checked(kind, hasRID)
}

// checked returns m if it is complete.
func (m *Message) checked(kind uint64, hasRID bool) (Message, error) {
	switch {
	case kind < uint64(TypeQuery) || kind > uint64(TypeResponse):
		return Message{}, errNoType
	case !hasRID:
		return Message{}, errNoRID
	case m.ID != nil && len(m.ID) != IDSize:
		return Message{}, errBadID
	}
	m.Type = Type(kind)
	if m.Version < version {
		m.ID = nil
	}
	return *m, nil
}

// bytes returns where the content of a field goes, nil if it is none of bytes or text.
func (m *Message) bytes(field uint64) *[]byte {
	switch field {
	case fieldID:
		return &m.ID
	case fieldTarget:
		return &m.Target
	case fieldNodes:
		return &m.Nodes
	case fieldToken:
		return &m.Token
	case fieldCommand:
		return &m.Command
	case fieldError:
		return &m.Error
	case fieldValue:
		return &m.Value
	case fieldTo:
		return &m.To
	}
	return nil
}

// consumeBytes is protowire.ConsumeBytes, with a view that ends where the field does and is never nil.
func consumeBytes(b []byte) ([]byte, int) {
	v, n := protowire.ConsumeBytes(b)
	if n < 0 {
		return nil, n
	}
	return v[:len(v):len(v)], n
}

// skip returns how long the content of an unknown field is, negative if it is broken or a group.
func skip(t protowire.Type, b []byte) int {
	if t == protowire.StartGroupType {
		return -1
	}
	return protowire.ConsumeFieldValue(1, t, b)
}

// Append appends the datagram, its fields in the order in which npm dht-rpc writes them.
func (m *Message) Append(dst []byte) []byte {
	if m.Version != 0 {
		dst = appendUint(dst, fieldVersion, m.Version)
	}
	dst = appendUint(dst, fieldType, uint64(m.Type))
	dst = appendUint(dst, fieldRID, m.RID)
	dst = appendField(dst, fieldTo, m.To)
	dst = appendField(dst, fieldID, m.ID)
	dst = appendField(dst, fieldTarget, m.Target)
	dst = appendField(dst, fieldNodes, m.Nodes)
	dst = appendField(dst, fieldToken, m.Token)
	dst = appendField(dst, fieldCommand, m.Command)
	dst = appendField(dst, fieldError, m.Error)
	return appendField(dst, fieldValue, m.Value)
}

func appendUint(dst []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), v)
}

// appendField appends a field of bytes or text, unless it is not there.
func appendField(dst []byte, field protowire.Number, v []byte) []byte {
	if v == nil {
		return dst
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), v)
}
