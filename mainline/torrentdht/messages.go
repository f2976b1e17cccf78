package torrentdht

import (
	"errors"
	"fmt"

	theirs "github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"

	"github.com/dhtkit/dhtkit/krpc"
)

// ErrConvert is wrapped by errors of conversions: one side says something that the other cannot.
var ErrConvert = errors.New("torrentdht: cannot be converted")

// ToMsg converts a message of any kind. It copies: the Msg stays valid when the datagram is gone. The error is that of the
// method's accessor, an *krpc.Error ready to be sent back, if the arguments of a query are not what the method asks for,
// and wraps ErrConvert for an answer without an id of 20 bytes, which is all that Msg has room for.
//
// Msg has no place for the seed argument of announce_peer (BEP 33), for a cas of 0, for the topic of BEP 50 and for keys
// that no BEP names: they are lost.
func ToMsg(m *krpc.Message) (theirs.Msg, error) {
	msg := theirs.Msg{
		T:        string(m.TID()),
		Y:        string(rune(m.Kind())),
		Q:        string(m.Method()),
		ReadOnly: m.ReadOnly(),
		ClientId: string(m.Version()),
	}
	if ip, ok := m.IP(); ok {
		msg.IP = ToAddr(ip)
	}
	if e := m.Err(); e != nil {
		msg.E = toError(e)
	}
	if m.Kind() == krpc.KindQuery {
		a, err := ToArgs(m)
		msg.A = &a
		return msg, err
	}
	if m.BodyState() == krpc.Usable {
		msg.R = new(ToReturn(m))
	}
	if m.Kind() == krpc.KindResponse && m.IDState(krpc.IDSize) != krpc.Usable {
		return msg, fmt.Errorf("%w: an answer without an id of %d bytes", ErrConvert, krpc.IDSize)
	}
	return msg, nil
}

// FromMsg converts a message of any kind into one with bytes of its own, which are canonical: see Raw of the result. The
// error wraps ErrConvert, or is why Parse refuses the outcome: krpc.ErrTooLong, for example.
func FromMsg(msg *theirs.Msg) (krpc.Message, error) {
	b, err := datagram(msg)
	if err != nil {
		return krpc.Message{}, err
	}
	return krpc.Parse(b)
}

func datagram(msg *theirs.Msg) ([]byte, error) {
	tid, header := []byte(msg.T), krpc.Header{Version: []byte(msg.ClientId), ReadOnly: msg.ReadOnly}
	header.IP, _ = FromAddr(msg.IP)
	switch {
	case msg.Y == theirs.YQuery && msg.A != nil:
		args, err := FromArgs(msg.Q, msg.A)
		if err != nil {
			return nil, err
		}
		return krpc.AppendQuery(nil, tid, msg.A.ID[:], args, header), nil
	case msg.Y == theirs.YResponse && msg.R != nil:
		results, err := FromReturn(msg.R)
		if err != nil {
			return nil, err
		}
		return krpc.AppendResponse(nil, tid, msg.R.ID[:], results, header), nil
	case msg.Y == theirs.YError && msg.E != nil:
		return krpc.AppendError(nil, tid, fromError(msg.E), header), nil
	}
	return nil, fmt.Errorf("%w: a message of kind %q without its body", ErrConvert, msg.Y)
}

// toError: an error without a code (k-rpc's plain text) has code 0 on the other side.
func toError(e *krpc.Error) *theirs.Error {
	if e.Bare {
		return &theirs.Error{Msg: e.Message}
	}
	return &theirs.Error{Code: e.Code, Msg: e.Message}
}

func fromError(e *theirs.Error) *krpc.Error {
	if e.Code == 0 {
		return &krpc.Error{Code: krpc.CodeGeneric, Message: e.Msg, Bare: true}
	}
	return &krpc.Error{Code: e.Code, Message: e.Msg}
}

// encode is bencode.Marshal for what others fill in: a value that the encoder panics over is an error.
func encode(v any) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %T: %v", ErrConvert, v, p)
		}
	}()
	if b, err = bencode.Marshal(v); err != nil {
		return nil, fmt.Errorf("%w: %T: %w", ErrConvert, v, err)
	}
	return b, nil
}

// item encodes the value of a BEP 44 item. What is encoded already has to be canonical, since it is written as it is.
func item(v any) ([]byte, error) {
	b, err := encode(v)
	if err == nil && !krpc.Canonical(b) {
		err = fmt.Errorf("%w: v is not canonical", ErrConvert)
	}
	return b, err
}

func toWant(m *krpc.Message) (want []theirs.Want) {
	v4, v6 := m.Want()
	if v4 {
		want = append(want, theirs.WantNodes)
	}
	if v6 {
		want = append(want, theirs.WantNodes6)
	}
	return want
}

func fromWant(names []theirs.Want) (w krpc.Want) {
	for _, name := range names {
		switch name {
		case theirs.WantNodes:
			w |= krpc.WantN4
		case theirs.WantNodes6:
			w |= krpc.WantN6
		}
	}
	return w
}
