package routing

import "time"

// TaskKind says what a Task asks for.
type TaskKind uint8

const (
	Ping    TaskKind = iota // query Node, then report Answered, Failed or Remove
	Refresh                 // look Target up
)

// Task is work a Table wants done.
type Task struct {
	Kind   TaskKind
	Node   Node // of a Ping
	Target Key  // of a Refresh
}

// Ours: how fast a table may cause queries.
const (
	joinHaste    = 6                      // refreshes of a bucket after a join are so many times twice as frequent
	pingsPerCall = 8                      // pings handed out by one call of Due
	retryAfter   = 30 * time.Second       // an unsettled or failed ping is repeated
	callSpacing  = time.Second            // wait before the rest when a call's pings are used up
	fastSpacing  = 100 * time.Millisecond // the same, in a network without strangers
	strangers    = time.Second            // between two pings that strangers' messages cause
	probeSpacing = 10 * time.Second       // between two pings while our own link seems down
)

// round is one call of Due.
type round struct {
	*Table
	tasks []Task
	at    time.Duration
	next  time.Duration
	pings int
}

// Due appends to dst what should be sent now: pings of questionable and failing nodes, pings of candidates where a
// bucket has room or a failing node, lookups in untouched buckets (BEP 5). It returns the time to call it again; call
// it earlier as often as you like, after events above all. Each task is handed out once until its node is settled by
// Answered, Failed or Remove, or 30 s have passed.
//
// A call hands out at most 8 pings and one lookup. With VerifyDelay not negative at most one ping a second goes to a
// node that did not answer us lately, whatever strangers send us. While ten failures in a row say that our own link is
// down, one node every 10 s is probed and nothing else happens.
func (t *Table) Due(dst []Task, now time.Time) ([]Task, time.Time) {
	at := t.at(now)
	if at < t.wake {
		return dst, t.epoch.Add(t.wake)
	}
	r := round{Table: t, tasks: dst, at: at, next: at + t.cfg.RefreshAfter, pings: pingsPerCall}
	if t.down() {
		r.probe()
	} else {
		t.promote(at)
		for depth := len(t.buckets) - 1; depth >= 0; depth-- {
			r.verify(depth)
			r.revive(&t.buckets[depth])
		}
		r.refresh()
	}
	t.wake = r.next
	return r.tasks, t.epoch.Add(t.wake)
}

func (r *round) by(at time.Duration) { r.next = min(r.next, at) }

// ping hands out e, or schedules the rest if this call's pings are used up.
func (r *round) ping(e *entry) bool {
	if r.pings == 0 {
		if r.cfg.VerifyDelay < 0 {
			r.by(r.at + fastSpacing)
		} else {
			r.by(r.at + callSpacing)
		}
		return false
	}
	r.pings--
	e.flags |= pinged
	e.asked = r.at
	r.by(r.at + retryAfter)
	r.tasks = append(r.tasks, Task{Kind: Ping, Node: e.node()})
	return true
}

// revive pings the bucket's nodes that are questionable or failing.
func (r *round) revive(b *bucket) {
	for i := range b.live {
		e := &b.live[i]
		due := e.seen + r.cfg.GoodFor
		if e.fails > 0 || e.flags&pinged != 0 {
			due = e.asked + retryAfter
		}
		if due > r.at {
			r.by(due)
		} else if !r.ping(e) {
			return
		}
	}
}

// verify pings candidates where they could get a place: as many as the bucket has room for, one if it is full and a
// node of it fails while nobody verified waits, K in the home bucket if it would split for them.
func (r *round) verify(depth int) {
	b := &r.buckets[depth]
	room := r.cfg.capacity(depth) - len(b.live)
	full := room == 0
	if full && b.worst(1) >= 0 && r.freshest(b, r.at) < 0 {
		room, full = 1, false
	}
	if full && depth == len(r.buckets)-1 {
		room = r.cfg.K // it splits for one that answers
	}
	for i := range b.cache {
		if c := &b.cache[i]; c.flags&pinged != 0 && r.at < c.asked+retryAfter {
			room--
			r.by(c.asked + retryAfter)
		}
	}
	for ; room > 0; room-- {
		i := r.candidate(depth, full)
		if i < 0 {
			return
		}
		if paced := r.cfg.VerifyDelay >= 0; paced && r.at < r.nextVerify {
			r.by(r.nextVerify)
			return
		} else if !r.ping(&b.cache[i]) {
			return
		} else if paced {
			r.nextVerify = r.at + strangers
		}
	}
}

// candidate returns which candidate to ping first, or -1: one that has answered before, then a preferred one, then the one
// heard last; none before its VerifyDelay has passed. In a full bucket it must be one the bucket would split for.
func (r *round) candidate(depth int, full bool) int {
	b, best := &r.buckets[depth], -1
	for i := range b.cache {
		c := &b.cache[i]
		if c.flags&pinged != 0 && r.at < c.asked+retryAfter || full && !r.splittable(depth, &c.key) {
			continue
		}
		if due := c.asked + r.cfg.VerifyDelay; !c.verified() && due > r.at {
			r.by(due)
			continue
		}
		if best < 0 || c.verified() && !b.cache[best].verified() ||
			c.verified() == b.cache[best].verified() && c.fresher(&b.cache[best]) {
			best = i
		}
	}
	return best
}

// refresh asks for a lookup in one bucket that was left alone too long. An empty table has nobody to ask.
func (r *round) refresh() {
	if r.Len() == 0 {
		return
	}
	for depth := len(r.buckets) - 1; depth >= 0; depth-- {
		b := &r.buckets[depth]
		due := b.touched + r.refreshAfter(depth)
		if due <= r.at && r.at < r.nextRefresh {
			r.by(r.nextRefresh)
			continue
		}
		if due <= r.at {
			r.tasks = append(r.tasks, Task{Kind: Refresh, Target: r.targetIn(depth)})
			b.touched = r.at
			r.nextRefresh = r.at + r.cfg.RefreshAfter/64
			b.hurry(r.full(depth))
			due = r.at + r.refreshAfter(depth)
		}
		r.by(due)
	}
}

// hurry notes a refresh of a bucket that fills after a join: there is less haste with each that comes after one that brought
// nobody, and none once it is full.
func (b *bucket) hurry(full bool) {
	switch {
	case full:
		b.haste = 0
	case b.haste > 0 && len(b.live) <= b.held:
		b.haste--
	}
	b.held = len(b.live)
}

// refreshAfter returns how long a bucket may be left alone: less, after a join, while it has room.
func (t *Table) refreshAfter(depth int) time.Duration {
	if t.full(depth) {
		return t.cfg.RefreshAfter
	}
	return t.cfg.RefreshAfter >> t.buckets[depth].haste
}

// full reports whether a bucket takes nobody more: the home bucket may split.
func (t *Table) full(depth int) bool {
	return depth < len(t.buckets)-1 && len(t.buckets[depth].live) >= t.cfg.capacity(depth)
}

// targetIn draws a key that belongs into the bucket at depth.
func (r *round) targetIn(depth int) Key {
	prefix, bits := r.self, depth
	if depth < len(r.buckets)-1 {
		prefix[depth/8] ^= 0x80 >> (depth % 8)
		bits++
	}
	return RandomKey(r.cfg.Rand, r.cfg.KeyLen, prefix, bits)
}

// Next returns when something is due, which Heard, Answered and Failed may have moved forward: a caller that sleeps until
// the time that Due returned looks here after each of them.
func (t *Table) Next() time.Time { return t.epoch.Add(t.wake) }

// RefreshAll makes a lookup due in every bucket, as after joining (BEP 5): Due hands them out one by one, 1/64 of
// RefreshAfter apart. In buckets that have room others follow as quickly while they bring somebody, and then each after
// twice as long as the one before.
func (t *Table) RefreshAll() {
	for i := range t.buckets {
		b := &t.buckets[i]
		b.touched, b.haste, b.held = -t.cfg.RefreshAfter, joinHaste, -1
	}
	t.wake = 0
}

// probe pings the node asked longest ago, a candidate if there is no other, to see whether our link is back.
func (r *round) probe() {
	if r.at < r.nextProbe {
		r.by(r.nextProbe)
		return
	}
	var oldest *entry
	for i := range r.buckets {
		b := &r.buckets[i]
		for _, list := range [][]entry{b.live, b.cache} {
			for j := range list {
				e := &list[j]
				if oldest == nil || e.asked < oldest.asked && e.verified() == oldest.verified() ||
					e.verified() && !oldest.verified() {
					oldest = e
				}
			}
		}
	}
	if oldest != nil && r.ping(oldest) {
		r.nextProbe = r.at + probeSpacing
		r.by(r.nextProbe)
	}
}
