package dhtrpc

import (
	"context"
	"encoding/json"
	"iter"
	"net/netip"
)

// Codec turns values of a type into bytes and back. Decode gets a view that it must not keep; an error of it means that the
// bytes are of no use.
type Codec[T any] struct {
	Encode func(T) ([]byte, error)
	Decode func([]byte) (T, error)
}

// JSON is the codec of encoding/json.
func JSON[T any]() Codec[T] {
	return Codec[T]{
		Encode: func(v T) ([]byte, error) { return json.Marshal(v) },
		Decode: func(b []byte) (v T, err error) { return v, json.Unmarshal(b, &v) },
	}
}

// Bytes is the codec of values that are bytes already, copied when they are read.
func Bytes() Codec[[]byte] {
	return Codec[[]byte]{
		Encode: func(b []byte) ([]byte, error) { return b, nil },
		Decode: func(b []byte) ([]byte, error) { return append([]byte(nil), b...), nil },
	}
}

// Text is the codec of values that are text.
func Text() Codec[string] {
	return Codec[string]{
		Encode: func(s string) ([]byte, error) { return []byte(s), nil },
		Decode: func(b []byte) (string, error) { return string(b), nil },
	}
}

// Command is a command whose values have types: a request carries an In, its answer an Out. A value that is absent is
// decoded like one of length 0.
type Command[In, Out any] struct {
	Number uint64
	In     Codec[In]
	Out    Codec[Out]
}

// Answer is a reply with its value decoded.
type Answer[Out any] struct {
	*Reply
	Out Out
}

// CodeBadValue is what a typed handler answers when it cannot decode the value, or fails. It is ours; applications may
// answer with codes of their own through *Error.
const CodeBadValue = 22

// Handle answers the command on a node: with what handle returns, with the Code of an *Error it returns, or with
// CodeBadValue for any other error and for a value that cannot be decoded.
func (c Command[In, Out]) Handle(n *Node, handle func(*Request, In) (Out, error)) {
	n.Handle(c.Number, func(q *Request) {
		in, err := c.In.Decode(q.Value)
		if err != nil {
			q.Error(CodeBadValue)
			return
		}
		out, err := handle(q, in)
		if q.answered {
			return
		}
		var value []byte
		if err == nil {
			value, err = c.Out.Encode(out)
		}
		switch e, coded := err.(*Error); {
		case coded:
			q.Error(e.Code)
		case err != nil:
			q.Error(CodeBadValue)
		default:
			q.Reply(value)
		}
	})
}

// Request puts the command to one node.
func (c Command[In, Out]) Request(ctx context.Context, n *Node, to netip.AddrPort, in In) (Answer[Out], error) {
	value, err := c.In.Encode(in)
	if err != nil {
		return Answer[Out]{}, err
	}
	r, err := n.Request(ctx, to, Call{Command: c.Number, Value: value})
	if err != nil {
		return Answer[Out]{}, err
	}
	out, err := c.Out.Decode(r.Value)
	return Answer[Out]{r, out}, err
}

// Query puts the command to the nodes nearest to target. Range over Answers of the query that it returns.
func (c Command[In, Out]) Query(n *Node, target ID, in In, o QueryOptions) (*Query, error) {
	value, err := c.In.Encode(in)
	if err != nil {
		return nil, err
	}
	return n.Query(target, c.Number, value, o), nil
}

// Answers is Query.Replies with the values decoded; replies whose value cannot be decoded are left out.
func (c Command[In, Out]) Answers(ctx context.Context, q *Query) iter.Seq2[Answer[Out], error] {
	return func(yield func(Answer[Out], error) bool) {
		for r, err := range q.Replies(ctx) {
			if err != nil {
				yield(Answer[Out]{}, err)
				return
			}
			if out, err := c.Out.Decode(r.Value); err == nil && !yield(Answer[Out]{r, out}, nil) {
				return
			}
		}
	}
}
