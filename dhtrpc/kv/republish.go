package kv

import "time"

// workers is how many records are put anew at the same time. Ours: one alone falls behind with some thousand records when
// many of the nodes near them are dead.
const workers = 4

// rest is the longest time between two looks at what there is to do.
const rest = 10 * time.Minute

// work puts records anew: those we own with their full time to live, those we hold with the time they have left. A record
// that somebody else put meanwhile is left alone, so that of the 20 nodes that hold it hardly more than one does the work.
func (s *Store) work() {
	busy := make(chan struct{}, workers)
	timer := time.NewTimer(rest)
	defer timer.Stop()
	for s.ctx.Err() == nil {
		busy <- struct{}{}
		do, wait := s.next()
		if do != nil {
			s.wg.Go(func() { do(); <-busy }) // ends with Close, as its lookup does
			continue
		}
		<-busy
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.ctx.Done():
		}
	}
}

// next returns what there is to do, else how long to wait for it.
func (s *Store) next() (do func(), wait time.Duration) {
	now := time.Now()
	own, held, next := s.due(now)
	switch {
	case own != nil:
		return func() { s.renew(own) }, 0
	case held.rec != nil:
		return func() { s.pass(held) }, 0
	case next.IsZero():
		return nil, rest
	}
	return nil, min(rest, max(next.Sub(now), time.Millisecond))
}

// due drops what has expired, and returns a record of ours or a held one to be put anew, or when the next is.
func (s *Store) due(now time.Time) (own *Record, held item, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, next := s.own.first(now)
	if it != nil {
		it.again = now.Add(interval(s.shelf.rng, s.cfg.Republish))
		s.own.moved(it)
		return it.rec, held, now
	}
	held, ok, other := s.shelf.due(now)
	if !ok && (next.IsZero() || !other.IsZero() && other.Before(next)) {
		next = other
	}
	return nil, held, next
}

// renew puts a record of ours anew. If somebody wrote a newer version with our key it is that one's now, and if somebody
// else got our name it is lost.
func (s *Store) renew(r *Record) {
	q, found, err := s.look(s.ctx, r.key(), true)
	if err != nil {
		return
	}
	if found.seq(r.Owner) > r.Seq || found.taken(r.Owner) {
		s.forgetVersion(r)
		return
	}
	if _, _, err := s.write(s.ctx, q, r); err == nil {
		s.count()
	}
}

// forgetVersion is Forget, unless we have set another version meanwhile.
func (s *Store) forgetVersion(r *Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it := s.own.items[r.target()]; it != nil && it.rec == r {
		s.own.remove(it)
	}
}

// pass hands a record that we hold to those who are nearest now. If we are none of them any more, or most of them say that
// the name is somebody else's, we let it go.
func (s *Store) pass(held item) {
	q, found, err := s.look(s.ctx, held.rec.key(), true)
	if err != nil {
		return
	}
	if found.taken(held.rec.Owner) {
		s.letGo(held)
		return
	}
	r := *held.rec
	r.TTL = held.until.Sub(time.Now())
	if w := found.writers[string(r.Owner)]; w != nil && w.newest.newer(&r) {
		r = *w.newest
	}
	if r.TTL <= 0 {
		return
	}
	copies, _, err := s.write(s.ctx, q, &r)
	if err != nil {
		return
	}
	s.count()
	if !s.near(q) && copies >= copiesWanted/2 {
		s.letGo(held)
	}
}

// letGo drops a record from our shelf, unless it has been replaced meanwhile.
func (s *Store) letGo(held item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it := s.shelf.items[held.target]; it != nil && it.rec == held.rec {
		s.shelf.drop(it)
	}
}

func (s *Store) count() {
	s.mu.Lock()
	s.stats.Republished++
	s.mu.Unlock()
}
