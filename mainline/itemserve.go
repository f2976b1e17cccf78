package mainline

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
)

// itemCap is the largest reply to a get in bytes: the item comes first, then as many nodes as fit, though BEP 44 wants all
// eight, and what krpc.Config allows as an answer to a query as short as this. An item of nearly 1000 bytes goes alone.
const itemCap = 1200

// Refusals of a put besides those of package krpc.
var (
	errItemsFull = &krpc.Error{Code: krpc.CodeGeneric, Message: "No room"}
	errItemsBusy = &krpc.Error{Code: krpc.CodeServer, Message: "Too many signatures"}
	errItemKind  = &krpc.Error{Code: krpc.CodeProtocol, Message: "Another kind of item is stored"}
)

// items is what all endpoints of a node store of BEP 44.
type items struct {
	store  ItemStore
	budget *checkBudget

	mu sync.Mutex // held from looking at the stored item to replacing it
}

func (e *Endpoint) serveGet(q *krpc.Query) {
	args, err := q.Get()
	if err != nil {
		q.Fail(err)
		return
	}
	res := &e.out.item
	e.closest(&res.NodesResults, q, args.Target.Key())
	res.Token = e.appendToken(e.out.token[:0], q.From.Addr.Addr(), args.Target, q.At)
	res.V, res.K, res.Sig, res.Seq, res.HasSeq = nil, nil, nil, 0, false
	limit := replyCap
	if it := e.node.items.store.Get(args.Target, q.At); it != nil {
		res.Seq, res.HasSeq = it.Seq, it.Mutable()
		if !args.HasSeq || !it.Mutable() || it.Seq > args.Seq {
			res.V, res.K, res.Sig = it.V, it.K, it.Sig
			limit = itemCap
		}
	}
	trimLists(&res.NodesResults, e.room(q, limit)-tokenSize-itemSize(res))
	q.Reply(res)
	e.served(q)
}

// itemSize returns how many bytes of a reply the item takes, keys included.
func itemSize(r *krpc.GetResults) (size int) {
	if r.V != nil {
		size += len("1:v") + len(r.V)
	}
	if r.HasSeq {
		size += len("3:seqi9223372036854775807e")
	}
	if r.K != nil {
		size += len("1:k32:") + len(r.K) + len("3:sig64:") + len(r.Sig)
	}
	return size
}

// trimLists leaves out the farthest nodes, of the longer list first, until both lists fit into room bytes.
func trimLists(r *krpc.NodesResults, room int) {
	for listsSize(r) > room && len(r.Nodes)+len(r.Nodes6) > 0 {
		if len(r.Nodes6) >= len(r.Nodes) {
			r.Nodes6 = r.Nodes6[:len(r.Nodes6)-1]
		} else {
			r.Nodes = r.Nodes[:len(r.Nodes)-1]
		}
	}
}

func (e *Endpoint) servePut(q *krpc.Query) {
	args, err := q.Put()
	if err != nil {
		q.Fail(err)
		return
	}
	from, item := q.From.Addr.Addr(), itemIn(&args)
	target := item.Target()
	if !e.validToken(args.Token, from, target, q.At) {
		q.Fail(krpc.ErrBadToken)
		return
	}
	q.Prove()
	if err := e.node.items.put(target, &item, &args, from, q.At); err != nil {
		q.Fail(err)
		return
	}
	q.Reply(&krpc.PingResults{})
	e.served(q)
}

// put stores an item that is well formed, or says with which error it is refused. The signature is looked at last, and only
// of items that would be stored: refusing the others costs nothing.
func (s *items) put(target krpc.ID, item *Item, args *krpc.PutArgs, from netip.Addr, now time.Time) *krpc.Error {
	s.mu.Lock()
	current := s.store.Get(target, now)
	s.mu.Unlock()
	if refusal := refuse(current, item, args); refusal != nil {
		return refusal
	}
	if item.Mutable() && (current == nil || !item.equal(current)) {
		if !s.budget.spend(from, now) {
			return errItemsBusy
		}
		if item.Verify() != nil {
			return krpc.ErrBadSignature
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if current = s.store.Get(target, now); current != nil { // another endpoint may have stored meanwhile
		if refusal := refuse(current, item, args); refusal != nil {
			return refusal
		}
	}
	if current == nil || item.Seq > current.Seq {
		current = item.clone()
	}
	if !s.store.Put(target, current, from, now) {
		return errItemsFull
	}
	return nil
}

// refuse says with which error an item may not take the place of the current one, nil if it may: cas comes before seq, and
// with an equal seq only the same value passes, which refreshes the item (mainline digest 6.2).
func refuse(current, item *Item, args *krpc.PutArgs) *krpc.Error {
	switch {
	case current == nil:
		return nil
	case current.Mutable() != item.Mutable():
		return errItemKind
	case !item.Mutable():
		return nil
	case args.HasCas && args.Cas != current.Seq:
		return krpc.ErrCasMismatch
	case item.Seq < current.Seq, item.Seq == current.Seq && !bytes.Equal(item.V, current.V):
		return krpc.ErrSeqTooLow
	}
	return nil
}
