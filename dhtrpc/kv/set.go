package kv

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Set stores a value under a key at the 20 nodes nearest to it, in place of an older version of ours, and keeps it alive
// until Forget or Close. The error is ErrTooLong, ErrNotOurs for a key of another owner or of another value, ErrTaken,
// ErrStale, ErrFull, or that of the query if not one node took it.
func (s *Store) Set(ctx context.Context, key Key, value []byte) error {
	_, err := s.SetCount(ctx, key, value)
	return err
}

// Put stores a value under its hash, and returns the key to get it with.
func (s *Store) Put(ctx context.Context, value []byte) (Key, error) {
	key := HashOf(value)
	return key, s.Set(ctx, key, value)
}

// SetCount is Set, and returns how many nodes hold the value now.
func (s *Store) SetCount(ctx context.Context, key Key, value []byte) (int, error) {
	switch {
	case len(value) > MaxValue || len(key.name) > MaxName:
		return 0, ErrTooLong
	case key.kind == KindHash && dhtrpc.Hash(value) != key.target,
		key.kind == KindOwned && !key.owner.Equal(s.PublicKey()):
		return 0, ErrNotOurs
	}
	ctx, cancel := s.joined(ctx)
	defer cancel()
	q, found := s.look(ctx, key, false)
	if err := found.err; err != nil && !errors.Is(err, routing.ErrNoNodes) {
		return 0, err
	}
	r := &Record{Kind: key.kind, Value: value, TTL: s.cfg.TTL}
	if key.kind != KindHash {
		r.Owner, r.Name = s.PublicKey(), key.name
		r.Seq = s.nextSeq(found.seq(r.Owner))
		r.sig = ed25519.Sign(s.cfg.Key, r.signed())
	}
	r = r.clone()
	copies, err := s.write(ctx, q, key.target, r)
	if err == nil {
		s.keep(key.target, r)
	}
	return copies, err
}

// nextSeq is a number above that of the version before, and above those of earlier runs with the same key: milliseconds.
func (s *Store) nextSeq(before uint64) uint64 {
	return max(uint64(max(0, s.node.Now().UnixMilli())), before+1)
}

// Forget has us no longer put a value anew. Nodes forget it when its time is over.
func (s *Store) Forget(key Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.own, key.target)
}

func (s *Store) keep(target dhtrpc.ID, r *Record) {
	s.mu.Lock()
	s.own[target] = &owned{rec: r, again: s.node.Now().Add(s.shelf.interval())}
	s.mu.Unlock()
	s.nudge()
}

// found is what a lookup before a write came to.
type found struct {
	*verdict
	err error
}

// seq is the newest version of a writer that was seen, 0 if none was.
func (f found) seq(owner ed25519.PublicKey) uint64 {
	if w := f.writers[string(owner)]; w != nil {
		return w.newest.Seq
	}
	return 0
}

// look walks to a key and reads what is there.
func (s *Store) look(ctx context.Context, key Key, background bool) (*dhtrpc.Query, found) {
	f := found{verdict: newVerdict(key)}
	if r, err := s.Peek(key); err == nil {
		f.add(&r)
	}
	q := s.node.Query(key.target, s.cfg.Command, nil, dhtrpc.QueryOptions{Thorough: true, Background: background})
	for reply, err := range q.Replies(ctx) {
		if f.err = err; err != nil {
			break
		}
		if r, ok := parseRecord(reply.Value); ok {
			f.add(&r)
		}
	}
	return q, f
}

// write puts a record to the nodes that a query ended with, and onto our own shelf if we are one of them. It returns how
// many hold it now.
func (s *Store) write(ctx context.Context, q *dhtrpc.Query, target dhtrpc.ID, r *Record) (copies int, err error) {
	var code uint64
	if s.near(q, target) {
		s.mu.Lock()
		code = s.shelf.put(target, r, s.node.Addr().Addr(), s.node.Now())
		s.mu.Unlock()
		if code == dhtrpc.CodeOK {
			copies++
		}
		s.nudge()
	}
	value := r.append(nil)
	taken, err := q.CommitFunc(ctx, func(reply *dhtrpc.Reply) *dhtrpc.Call {
		if reply.Token == nil {
			return nil
		}
		return &dhtrpc.Call{Command: s.cfg.Command + 1, Target: &target, Token: reply.Token, Value: value}
	})
	copies += len(taken)
	switch {
	case copies > 0:
		return copies, nil
	case code != dhtrpc.CodeOK:
		return 0, codeError(code)
	}
	if e, ok := errors.AsType[*dhtrpc.Error](err); ok {
		return 0, codeError(e.Code)
	}
	return 0, err
}

// near reports whether our own node is one of the nearest to a target, given those that a query ended with.
func (s *Store) near(q *dhtrpc.Query, target dhtrpc.ID) bool {
	self, persistent := s.node.ID()
	closest := q.ClosestNodes()
	if !persistent {
		return len(closest) == 0
	}
	return len(closest) < copiesWanted || routing.CompareDistance(target.Key(), self.Key(), closest[len(closest)-1].ID.Key()) < 0
}

// copiesWanted is the k of dht-rpc.
const copiesWanted = 20

// codeError is what an error code of a put means to the writer.
func codeError(code uint64) error {
	switch code {
	case CodeStale:
		return ErrStale
	case CodeTaken:
		return ErrTaken
	case CodeFull:
		return ErrFull
	}
	return &dhtrpc.Error{Code: code}
}

// rest is how long the goroutine that puts anew waits at most, so that what has expired goes.
const rest = 10 * time.Minute
