package krpc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/anacrolix/torrent/bencode"

	"github.com/dhtkit/dhtkit/routing"
)

// ErrFields is wrapped by what Check finds wrong with the Fields of RawArgs and RawResults.
var ErrFields = errors.New("krpc: fields cannot be encoded as a dictionary")

// ErrNoBody is returned by Decode when the message has no dictionary of arguments or results.
var ErrNoBody = errors.New("krpc: message has no body")

// RawArgs are the arguments of any method: a query of your own.
type RawArgs struct {
	Name string // of the method
	// Fields is what anacrolix/torrent/bencode encodes as a dictionary: a map with string keys, a struct with bencode
	// tags, or bencode.Bytes that hold one. Nil means no arguments but the id. Fields must not change while a query with
	// them is in flight: a resend encodes them again.
	Fields any
	Token  []byte // sent as token, in place of one in Fields, unless empty
}

// Method returns Name.
func (a RawArgs) Method() string { return a.Name }

// AppendArgs implements Args. The id is added unless Fields has one. Fields that Check refuses are left out.
func (a RawArgs) AppendArgs(dst, id []byte) []byte {
	p, _ := fields(a.Fields)
	p = p.withID(id)
	if len(a.Token) > 0 {
		p = p.set("token", appendBytes(nil, "", a.Token))
	}
	return p.append(dst)
}

// WithToken implements Tokened.
func (a RawArgs) WithToken(token []byte) Args {
	a.Token = token
	return a
}

// Check reports whether Fields can be encoded. The error wraps ErrFields.
func (a RawArgs) Check() error {
	_, err := fields(a.Fields)
	return err
}

// Encoded returns a with Fields encoded once and for all, which spares work when many nodes are asked the same, and lets
// the caller change what Fields pointed to. The error wraps ErrFields.
func (a RawArgs) Encoded() (RawArgs, error) {
	p, err := fields(a.Fields)
	if err != nil {
		return a, err
	}
	a.Fields = bencode.Bytes(p.append(nil))
	return a, nil
}

// RawResults are the results of a method of your own.
type RawResults struct {
	NodesResults
	Fields any    // as in RawArgs
	Token  []byte // sent as token, in place of one in Fields, unless empty
}

// AppendResults implements Results. The id is added unless Fields has one; nodes and nodes6 take the place of those in
// Fields. Fields that Check refuses are left out.
func (r *RawResults) AppendResults(dst, id []byte) []byte {
	p, _ := fields(r.Fields)
	p = p.withID(id)
	idLen := min(len(id), routing.KeySize)
	if r.WantNodes || len(r.Nodes) > 0 {
		p = p.set("nodes", appendNodes(nil, "", r.Nodes, idLen, false))
	}
	if r.WantNodes6 || len(r.Nodes6) > 0 {
		p = p.set("nodes6", appendNodes(nil, "", r.Nodes6, idLen, true))
	}
	if len(r.Token) > 0 {
		p = p.set("token", appendBytes(nil, "", r.Token))
	}
	return p.append(dst)
}

// Check reports whether Fields can be encoded. The error wraps ErrFields.
func (r *RawResults) Check() error {
	_, err := fields(r.Fields)
	return err
}

// Decode reads the body (the arguments of a query, the results of an answer) into dst with anacrolix/torrent/bencode:
// dst points to a struct with bencode tags, to a map[string]any, or to any other type that package can fill. The body has
// been validated, so that nothing a stranger sends makes the decoder panic; a body with unsorted keys is an error for
// destinations of type any. A destination that panics by its own fault (an unexported field, a method of its own) makes
// an error too: which keys are set is the stranger's choice.
func (m *Message) Decode(dst any) (err error) {
	body := m.Body()
	if body == nil {
		return ErrNoBody
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("krpc: decode into %T: %v", dst, p)
		}
	}()
	if err := bencode.Unmarshal(body, dst); err != nil {
		return fmt.Errorf("krpc: decode into %T: %w", dst, err)
	}
	return nil
}

// pair is one entry of a dictionary, its value encoded.
type pair struct {
	key   string
	value []byte
}

// dict is a dictionary in canonical order.
type dict []pair

// fields encodes v, which has to come out as a dictionary.
func fields(v any) (dict, error) {
	if v == nil {
		return nil, nil
	}
	b, err := bencode.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFields, err)
	}
	if len(b) == 0 || b[0] != 'd' || skip(b, 0, 1) != len(b) {
		return nil, fmt.Errorf("%w: %T", ErrFields, v)
	}
	var d dict
	for key, value := range pairs(b) {
		d = d.set(string(key), value)
	}
	return d, nil
}

func byKey(p pair, key string) int { return cmp.Compare(p.key, key) }

// set puts a value in its place.
func (d dict) set(key string, value []byte) dict {
	i, found := slices.BinarySearchFunc(d, key, byKey)
	if found {
		d[i].value = value
		return d
	}
	return slices.Insert(d, i, pair{key, value})
}

// withID adds the id if there is none.
func (d dict) withID(id []byte) dict {
	if _, found := slices.BinarySearchFunc(d, "id", byKey); found {
		return d
	}
	return d.set("id", appendBytes(nil, "", id[:min(len(id), routing.KeySize)]))
}

// append writes the dictionary.
func (d dict) append(dst []byte) []byte {
	dst = append(dst, 'd')
	for _, p := range d {
		dst = append(appendText(dst, p.key), p.value...)
	}
	return append(dst, 'e')
}
