package kv

import (
	"context"
	"errors"
	"net/netip"
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
		key.kind == KindOwned && !key.owner.Equal(s.pub):
		return 0, ErrNotOurs
	}
	ctx, cancel := s.joined(ctx)
	defer cancel()
	q, found, err := s.look(ctx, key, false)
	if err != nil {
		return 0, err
	}
	if found.taken(s.pub) {
		return 0, ErrTaken
	}
	r, err := s.version(key, value, found.seq(s.pub))
	if err != nil {
		return 0, err
	}
	copies, asked, err := s.write(ctx, q, r)
	if err != nil {
		return 0, err
	}
	if key.kind == KindName && copies < asked {
		if _, found, err = s.look(ctx, key, false); err == nil && found.taken(s.pub) {
			return 0, ErrTaken // somebody else came at the same time, and reached more of them
		}
	}
	s.keep(r)
	return copies, nil
}

// version makes the version of a value that comes after the one with number before.
func (s *Store) version(key Key, value []byte, before uint64) (*Record, error) {
	r := (&Record{Kind: key.kind, Value: value, TTL: s.cfg.TTL}).clone()
	if key.kind == KindHash {
		return r, nil
	}
	r.Owner, r.Name, r.Seq = s.pub, key.name, s.nextSeq(before)
	return r, r.sign(s.cfg.Key)
}

// nextSeq is a number above that of the version before, above all that were given out, and above those of earlier runs with
// the same key: milliseconds.
func (s *Store) nextSeq(before uint64) uint64 {
	now := uint64(max(0, time.Now().UnixMilli()))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq = max(now, before+1, s.seq+1)
	return s.seq
}

// Forget has us no longer put a value anew. Nodes forget it when its time is over.
func (s *Store) Forget(key Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it := s.own.items[key.target]; it != nil {
		s.own.remove(it)
	}
}

// keep has us put a record anew, unless we have set a newer version meanwhile.
func (s *Store) keep(r *Record) {
	it := &item{target: r.target(), rec: r}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Republish > 0 {
		it.again = now.Add(interval(s.shelf.rng, s.cfg.Republish))
	}
	if old := s.own.items[it.target]; old != nil {
		if old.rec.newer(r) {
			return
		}
		s.own.remove(old)
	}
	s.own.add(it)
	s.nudge()
}

// look walks to a key and reads what is there.
func (s *Store) look(ctx context.Context, key Key, background bool) (q *dhtrpc.Query, v *verdict, err error) {
	v = newVerdict(key)
	for r, err := range s.claims(ctx, key, dhtrpc.QueryOptions{Thorough: true, Background: background}, &q) {
		if err != nil {
			return q, v, err
		}
		v.add(r)
	}
	return q, v, nil
}

// write puts a record to the nodes that a query ended with, and onto our own shelf if we are one of them. It returns how
// many hold it now, of how many that were asked to. The error is nil if there is one.
func (s *Store) write(ctx context.Context, q *dhtrpc.Query, r *Record) (copies, asked int, err error) {
	target := q.Target()
	var code uint64
	if s.near(q) {
		asked++
		if code = s.take(target, r, netip.Addr{}, time.Now()); code == dhtrpc.CodeOK {
			copies++
		}
	}
	value := r.append(nil)
	taken, err := q.CommitFunc(ctx, func(reply *dhtrpc.Reply) *dhtrpc.Call {
		if reply.Token == nil {
			return nil
		}
		asked++
		return &dhtrpc.Call{Command: s.cfg.Command + 1, Target: &target, Token: reply.Token, Value: value}
	})
	copies += len(taken)
	if copies > 0 {
		return copies, asked, nil
	}
	if e, ok := errors.AsType[*dhtrpc.Error](err); ok {
		code = e.Code
	}
	if code != dhtrpc.CodeOK {
		return 0, asked, codeError(code)
	}
	return 0, asked, err
}

// copiesWanted is the k of dht-rpc.
const copiesWanted = 20

// near reports whether our own node is one of the nearest to a target, given those that a query ended with.
func (s *Store) near(q *dhtrpc.Query) bool {
	self, persistent := s.node.ID()
	closest := q.ClosestNodes()
	target := q.Target().Key()
	return persistent && (len(closest) < copiesWanted ||
		routing.CompareDistance(target, self.Key(), closest[len(closest)-1].ID.Key()) < 0)
}

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
