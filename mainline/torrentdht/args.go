package torrentdht

import (
	"bytes"
	"fmt"

	theirs "github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"

	"github.com/dhtkit/dhtkit/krpc"
)

// ToArgs converts the arguments of a query. For the methods of BEP 5, 44 and 51 it makes the checks of their accessors and
// returns their errors; of any other method it reads id, target, info_hash, token and want. A v is kept as bencode.Bytes,
// since the hash and the signature of an item are over the bytes that came.
func ToArgs(m *krpc.Message) (theirs.MsgArgs, error) {
	if err := m.CheckQuery(krpc.IDSize); err != nil {
		return theirs.MsgArgs{}, err
	}
	id, _ := m.ID()
	a := theirs.MsgArgs{ID: ToID(id), Want: toWant(m)}
	switch string(m.Method()) {
	case krpc.MethodPing:
		return a, nil
	case krpc.MethodFindNode:
		args, err := m.FindNode()
		a.Target = ToID(args.Target)
		return a, err
	case krpc.MethodGetPeers:
		args, err := m.GetPeers()
		a.InfoHash, a.NoSeed, a.Scrape = ToID(args.InfoHash), number(args.NoSeed), number(args.Scrape)
		return a, err
	case krpc.MethodAnnouncePeer:
		return announceToArgs(m, a)
	case krpc.MethodGet:
		args, err := m.Get()
		a.Target, a.Seq = ToID(args.Target), sequence(args.Seq, args.HasSeq)
		return a, err
	case krpc.MethodPut:
		return putToArgs(m, a)
	case krpc.MethodSample:
		args, err := m.Sample()
		a.Target = ToID(args.Target)
		return a, err
	}
	return otherToArgs(m, a), nil
}

func announceToArgs(m *krpc.Message, a theirs.MsgArgs) (theirs.MsgArgs, error) {
	args, err := m.AnnouncePeer()
	if err != nil {
		return a, err
	}
	a.InfoHash, a.ImpliedPort, a.Token = ToID(args.InfoHash), args.ImpliedPort, string(args.Token)
	if m.Field("port") != nil {
		a.Port = new(int(args.Port))
	}
	return a, nil
}

func putToArgs(m *krpc.Message, a theirs.MsgArgs) (theirs.MsgArgs, error) {
	args, err := m.Put()
	if err != nil {
		return a, err
	}
	a.V, a.Token = bencode.Bytes(bytes.Clone(args.V)), string(args.Token)
	if args.Mutable() {
		a.K, a.Sig = [32]byte(args.K), [64]byte(args.Sig)
		a.Salt, a.Seq, a.Cas = bytes.Clone(args.Salt), &args.Seq, args.Cas
	}
	return a, nil
}

// otherToArgs reads what a method without types of its own may have.
func otherToArgs(m *krpc.Message, a theirs.MsgArgs) theirs.MsgArgs {
	a.Target, a.InfoHash = idField(m, "target"), idField(m, "info_hash")
	a.Token = string(m.Token())
	return a
}

func idField(m *krpc.Message, key string) (id theirs.ID) {
	if s, ok := bytes.CutPrefix(m.Field(key), []byte("20:")); ok && len(s) == len(id) {
		id = theirs.ID(s)
	}
	return id
}

func number(set bool) int {
	if set {
		return 1
	}
	return 0
}

func sequence(n int64, ok bool) *int64 {
	if !ok {
		return nil
	}
	return &n
}

// FromArgs converts the arguments of a query of the method: ready for Query, QueryAll or Walk of an RPC. The id in them is
// not taken over, since a query carries that of its sender.
func FromArgs(method string, a *theirs.MsgArgs) (krpc.Args, error) {
	want := fromWant(a.Want)
	switch method {
	case krpc.MethodPing:
		return krpc.PingArgs{}, nil
	case krpc.MethodFindNode:
		return krpc.FindNodeArgs{Target: FromID(a.Target), Want: want}, nil
	case krpc.MethodGetPeers:
		return krpc.GetPeersArgs{InfoHash: FromID(a.InfoHash), Want: want, NoSeed: a.NoSeed != 0, Scrape: a.Scrape != 0}, nil
	case krpc.MethodAnnouncePeer:
		return announceFromArgs(a)
	case krpc.MethodGet:
		args := krpc.GetArgs{Target: FromID(a.Target), HasSeq: a.Seq != nil, Want: want}
		if args.HasSeq {
			args.Seq = *a.Seq
		}
		return args, nil
	case krpc.MethodPut:
		return putFromArgs(a)
	case krpc.MethodSample:
		return krpc.SampleArgs{Target: FromID(a.Target), Want: want}, nil
	}
	return otherFromArgs(method, a)
}

func announceFromArgs(a *theirs.MsgArgs) (krpc.Args, error) {
	args := krpc.AnnouncePeerArgs{InfoHash: FromID(a.InfoHash), ImpliedPort: a.ImpliedPort, Token: []byte(a.Token)}
	if a.Port != nil {
		if *a.Port < 0 || *a.Port > 65535 {
			return nil, fmt.Errorf("%w: port %d", ErrConvert, *a.Port)
		}
		args.Port = uint16(*a.Port)
	}
	return args, nil
}

// putFromArgs: an item with a key is mutable; what else belongs to one is not written without it.
func putFromArgs(a *theirs.MsgArgs) (krpc.Args, error) {
	if a.V == nil {
		return nil, fmt.Errorf("%w: put without v", ErrConvert)
	}
	v, err := item(a.V)
	if err != nil {
		return nil, err
	}
	args := krpc.PutArgs{V: v, Token: []byte(a.Token)}
	if a.K != [32]byte{} {
		args.K, args.Sig, args.Salt = bytes.Clone(a.K[:]), bytes.Clone(a.Sig[:]), bytes.Clone(a.Salt)
		args.Cas, args.HasCas = a.Cas, a.Cas != 0
		if a.Seq != nil {
			args.Seq = *a.Seq
		}
	}
	return args, nil
}

func otherFromArgs(method string, a *theirs.MsgArgs) (krpc.Args, error) {
	b, err := encode(*a)
	if err != nil {
		return nil, err
	}
	var fields map[string]bencode.Bytes
	if err := bencode.Unmarshal(b, &fields); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConvert, err)
	}
	delete(fields, "id")
	return krpc.RawArgs{Name: method, Fields: fields}, nil
}
