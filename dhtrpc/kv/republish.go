package kv

import (
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// republish is the goroutine that puts records anew, one at a time: those we own with their full time to live, those we
// hold with the time they have left. A record that somebody else put meanwhile is left alone, so that of the 20 nodes that
// hold it hardly more than one does the work.
func (s *Store) republish() {
	timer := time.NewTimer(rest)
	defer timer.Stop()
	for s.ctx.Err() == nil {
		wait := s.step()
		if wait == 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.ctx.Done():
		}
	}
}

// step puts one record anew if it is time, else it returns how long to wait.
func (s *Store) step() time.Duration {
	s.mu.Lock()
	now := s.node.Now()
	own, next := s.dueOwn(now)
	if own != nil {
		s.mu.Unlock()
		s.renew(own)
		return 0
	}
	target, ok, held := s.shelf.due(now)
	if ok {
		r := s.shelf.get(target, now).clone()
		s.mu.Unlock()
		s.pass(target, r)
		return 0
	}
	s.mu.Unlock()
	if next.IsZero() || !held.IsZero() && held.Before(next) {
		next = held
	}
	if next.IsZero() {
		return rest
	}
	return min(rest, max(next.Sub(now), time.Millisecond))
}

// dueOwn returns a record of ours to be put anew now, or when the next one is.
func (s *Store) dueOwn(now time.Time) (r *Record, next time.Time) {
	if s.cfg.Republish < 0 {
		return nil, next
	}
	for _, o := range s.own {
		if !now.Before(o.again) {
			o.again = now.Add(s.shelf.interval())
			return o.rec, now
		}
		if next.IsZero() || o.again.Before(next) {
			next = o.again
		}
	}
	return nil, next
}

// key is the key of a record.
func (r *Record) key() Key {
	switch r.Kind {
	case KindOwned:
		return Owned(r.Owner, r.Name)
	case KindName:
		return Name(r.Name)
	}
	return Hash(r.target())
}

// renew puts a record of ours anew. If somebody wrote a newer version with our key, it is that one's now.
func (s *Store) renew(r *Record) {
	q, f := s.look(s.ctx, r.key(), true)
	if f.seq(r.Owner) > r.Seq {
		s.Forget(r.key())
		return
	}
	if _, err := s.write(s.ctx, q, r.target(), r); err == nil {
		s.count()
	}
}

// pass hands a record that we hold to those who are nearest now. If we are none of them any more we let it go.
func (s *Store) pass(target dhtrpc.ID, r *Record) {
	q, f := s.look(s.ctx, r.key(), true)
	if w := f.writers[string(r.Owner)]; w != nil && w.newest.Seq > r.Seq {
		r = w.newest
	}
	copies, err := s.write(s.ctx, q, target, r)
	if err != nil {
		return
	}
	s.count()
	if !s.near(q, target) && copies >= copiesWanted/2 {
		s.mu.Lock()
		s.shelf.drop(target)
		s.mu.Unlock()
	}
}

func (s *Store) count() {
	s.mu.Lock()
	s.stats.Republished++
	s.mu.Unlock()
}
