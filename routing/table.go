package routing

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"
)

// Table is the routing table of one node: buckets of verified nodes, each with a cache of candidates. It has one owner
// and is not safe for concurrent use.
type Table struct {
	self    Key
	cfg     Config
	buckets []bucket // by bits shared with self; the last one holds everything nearer and is the only one to split

	epoch   time.Time // first event; entries count their times from here
	started bool
	latest  time.Duration // time of the last event
	wake    time.Duration // nothing is due before
	silent  int           // failures in a row, with no answer between

	// Due must not come before these.
	nextVerify, nextRefresh, nextProbe time.Duration
}

// linkDown is how many failures in a row, without any answer, say that it is our own link that is down.
const linkDown = 10

// NewTable returns an empty table of the node self.
func NewTable(self Key, cfg Config) *Table {
	t := &Table{self: self, cfg: cfg.withDefaults(self)}
	t.Clear()
	return t
}

// Self returns the own key.
func (t *Table) Self() Key { return t.self }

// Len returns the number of nodes in buckets, without the candidates.
func (t *Table) Len() int {
	n := 0
	for i := range t.buckets {
		n += len(t.buckets[i].live)
	}
	return n
}

// Buckets returns the number of buckets, at least 1.
func (t *Table) Buckets() int { return len(t.buckets) }

// Clear forgets all nodes and whatever was due.
func (t *Table) Clear() {
	t.buckets = []bucket{{}}
	t.started, t.latest, t.silent = false, 0, 0
	t.wake, t.nextVerify, t.nextRefresh, t.nextProbe = 0, 0, 0, 0
}

// Heard tells that n sent us a query or was named by another node, which proves nothing: n becomes a candidate at most.
// An entry's own query shows it alive.
func (t *Table) Heard(n Node, now time.Time) {
	n = n.unmapped()
	if !t.admissible(n) {
		return
	}
	at := t.at(now)
	e := newEntry(n, at)
	depth := t.depth(&n.Key)
	b := &t.buckets[depth]
	if i := b.find(&n.Key); i >= 0 {
		if b.live[i].at(&e) {
			b.live[i].seen = at
		}
		return
	}
	if i := b.findCached(&n.Key); i >= 0 {
		if b.cache[i].at(&e) {
			b.cache[i].seen = at
			t.consider(depth, &b.cache[i], at)
		}
		return
	}
	if t.cacheRoom(b, &e) && t.mayWait(&e, depth) {
		t.judge(&e)
		t.cache(b, e)
		t.consider(depth, &e, at)
	}
}

// consider makes the ping of a candidate due if there may be a place for it.
func (t *Table) consider(depth int, c *entry, at time.Duration) {
	if c.flags&pinged == 0 && (len(t.buckets[depth].live) < t.cfg.capacity(depth) || t.splittable(depth, &c.key)) {
		t.wakeBy(at + max(t.cfg.VerifyDelay, 0))
	}
}

// Answered tells that n, under this id and from this address, answered a query of ours after rtt (0: not known). It
// reports whether n is in a bucket now; otherwise it may wait as a candidate.
//
// A known id at another address is ignored unless the known one fails; a known address with another id loses the old
// entry and gets no new one.
func (t *Table) Answered(n Node, rtt time.Duration, now time.Time) bool {
	at := t.at(now)
	t.answerCame()
	n = n.unmapped()
	if !t.admissible(n) {
		return false
	}
	e := newEntry(n, at)
	e.answered(rtt, at)
	b := &t.buckets[t.depth(&n.Key)]
	if i := b.find(&n.Key); i >= 0 {
		return t.answeredLive(b, i, e, rtt, at)
	}
	if i := b.findCached(&n.Key); i >= 0 {
		old := &b.cache[i]
		if !old.at(&e) && old.verified() && old.fails == 0 {
			return false
		}
		if old.at(&e) {
			old.answered(rtt, at)
			e = *old
		}
		b.uncache(i)
	}
	if !t.evictSameEndpoint(&e) {
		return false
	}
	t.judge(&e)
	return t.insert(e, at)
}

// judge asks Config.Prefer about an entry that is going to stay.
func (t *Table) judge(e *entry) {
	if t.cfg.Prefer != nil && t.cfg.Prefer(e.node()) {
		e.flags |= preferred
	}
}

func (t *Table) answeredLive(b *bucket, i int, e entry, rtt, at time.Duration) bool {
	old := &b.live[i]
	if !old.at(&e) {
		if old.fails == 0 {
			return false
		}
		moved := b.remove(i)
		if !t.evictSameEndpoint(&e) || !t.mayLive(&e, t.depth(&e.key)) {
			b.add(moved)
			return false
		}
		t.judge(&e)
		b.add(e)
		b.touched = at
		t.member(&moved, false)
		t.member(&e, true)
		return true
	}
	if old.flags&pinged == 0 {
		b.touched = at
	}
	old.answered(rtt, at)
	return true
}

// Failed tells that n did not answer a query before the hard deadline. Candidates that never answered go at once,
// entries after MaxFails in a row, or after two when a verified candidate waits. After ten failures in a row
// without any answer nothing is counted until one comes: it is our own link that is down.
func (t *Table) Failed(n Node, now time.Time) {
	n = n.unmapped()
	at := t.at(now)
	b := &t.buckets[t.depth(&n.Key)]
	if i := b.findCached(&n.Key); i >= 0 && b.cache[i].node() == n {
		t.failedCached(b, i, at)
		return
	}
	down := t.down()
	t.silent++
	i := b.find(&n.Key)
	if i < 0 || b.live[i].node() != n {
		return
	}
	e := &b.live[i]
	e.flags &^= pinged
	e.asked = at
	if down {
		t.wakeBy(at + retryAfter)
		return
	}
	t.wakeBy(at)
	e.fails = uint8(min(int(e.fails)+1, math.MaxUint8))
	if int(e.fails) >= t.cfg.MaxFails || e.fails >= 2 && t.silent < 3 && t.freshest(b, at) >= 0 {
		t.leave(b, i)
		t.promote(at)
	}
}

// failedCached drops a candidate. That a stranger's claimed address is silent says nothing of our own link.
func (t *Table) failedCached(b *bucket, i int, at time.Duration) {
	if b.cache[i].verified() && t.down() {
		b.cache[i].flags &^= pinged
		return
	}
	b.uncache(i)
	t.wakeBy(at)
}

// Remove takes n out of the table, because it answered with another id, for instance. With a zero Addr any address
// under that id goes.
func (t *Table) Remove(n Node) {
	n = n.unmapped()
	b := &t.buckets[t.depth(&n.Key)]
	gone := func(e *entry) bool { return e.key == n.Key && (!n.Addr.IsValid() || e.node() == n) }
	b.cache = slices.DeleteFunc(b.cache, func(e entry) bool { return gone(&e) })
	if i := b.find(&n.Key); i >= 0 && gone(&b.live[i]) {
		t.leave(b, i)
		t.promote(t.latest)
	}
}

// Knows reports whether n, under this id and address, is an entry or a candidate.
func (t *Table) Knows(n Node) bool {
	n = n.unmapped()
	b := &t.buckets[t.depth(&n.Key)]
	if i := b.find(&n.Key); i >= 0 {
		return b.live[i].node() == n
	}
	i := b.findCached(&n.Key)
	return i >= 0 && b.cache[i].node() == n
}

// Changed tells that n answered under an id that it was not asked under: what is known at its address and port under other
// ids goes. n itself does not come.
func (t *Table) Changed(n Node) {
	n = n.unmapped()
	e := newEntry(n, t.latest)
	other := func(o entry) bool { return o.at(&e) && o.key != e.key }
	for i := range t.buckets {
		b := &t.buckets[i]
		if at := slices.IndexFunc(b.live, other); at >= 0 {
			t.leave(b, at)
		}
		b.cache = slices.DeleteFunc(b.cache, other)
	}
	t.promote(t.latest)
}

// Swap is the answer to Config.OnFull: dead leaves its bucket and newcomer, which OnFull named, takes the place. It
// reports false, and changes nothing, if dead is not there any more or newcomer may not have the place.
func (t *Table) Swap(dead, newcomer Node, now time.Time) bool {
	dead, newcomer = dead.unmapped(), newcomer.unmapped()
	at, depth := t.at(now), t.depth(&dead.Key)
	b := &t.buckets[depth]
	i := b.find(&dead.Key)
	if i < 0 || b.live[i].node() != dead || !t.admissible(newcomer) || t.depth(&newcomer.Key) != depth ||
		b.find(&newcomer.Key) >= 0 {
		return false
	}
	e := newEntry(newcomer, at)
	e.answered(0, at)
	if c := b.findCached(&newcomer.Key); c >= 0 {
		if b.cache[c].node() != newcomer {
			return false
		}
		e = b.uncache(c)
		e.flags |= verified
	}
	old := b.remove(i)
	if !t.mayLive(&e, depth) || !t.evictSameEndpoint(&e) {
		b.add(old)
		return false
	}
	t.judge(&e)
	b.add(e)
	b.touched = at
	t.member(&old, false)
	t.member(&e, true)
	t.wakeBy(at)
	return true
}

// All ranges over the nodes in buckets, then over the candidates. The table must not change meanwhile.
func (t *Table) All() iter.Seq[Contact] {
	return func(yield func(Contact) bool) {
		for i := range t.buckets {
			for j := range t.buckets[i].live {
				if !yield(t.contact(&t.buckets[i].live[j])) {
					return
				}
			}
		}
		for i := range t.buckets {
			for j := range t.buckets[i].cache {
				if !yield(t.contact(&t.buckets[i].cache[j])) {
					return
				}
			}
		}
	}
}

func (t *Table) contact(e *entry) Contact {
	return Contact{
		Node: e.node(), RTT: time.Duration(e.rtt) * time.Microsecond, Seen: t.epoch.Add(e.seen),
		Fails: int(e.fails), Verified: e.verified(),
	}
}

// Rebase makes self the own key and rebuilds the buckets around it from the nodes that are there, sound ones first.
func (t *Table) Rebase(self Key, now time.Time) {
	at := t.at(now)
	var live, waiting []entry
	var haste uint8
	for i := range t.buckets {
		haste = max(haste, t.buckets[i].haste)
		live = append(live, t.buckets[i].live...)
		waiting = append(waiting, t.buckets[i].cache...)
	}
	slices.SortStableFunc(live, func(a, b entry) int { return cmp.Compare(a.fails, b.fails) })
	full, member := t.cfg.OnFull, t.cfg.OnMember
	t.cfg.OnFull, t.cfg.OnMember = nil, nil
	t.self, t.buckets = self, []bucket{{touched: at, haste: haste, held: -1}}
	for _, e := range live {
		if e.key != self {
			t.insert(e, at)
		}
	}
	t.cfg.OnFull, t.cfg.OnMember = full, member
	t.tellLost(live)
	for _, e := range waiting {
		depth := t.depth(&e.key)
		if b := &t.buckets[depth]; e.key != self && t.cacheRoom(b, &e) && t.mayWait(&e, depth) {
			t.cache(b, e)
		}
	}
	t.wakeBy(at)
}

// admissible reports whether n can be in the table at all.
func (t *Table) admissible(n Node) bool {
	if n.Key.IsZero() || n.Key == t.self || !usable(n.Addr) {
		return false
	}
	for _, b := range n.Key[t.cfg.KeyLen:] {
		if b != 0 {
			return false
		}
	}
	return true
}

// depth returns the bucket of k.
func (t *Table) depth(k *Key) int { return min(CommonBits(t.self, *k), len(t.buckets)-1) }

// at converts now to time since the first event.
func (t *Table) at(now time.Time) time.Duration {
	if !t.started {
		t.started, t.epoch = true, now
	}
	t.latest = now.Sub(t.epoch)
	return t.latest
}

func (t *Table) wakeBy(at time.Duration) { t.wake = min(t.wake, at) }

func (t *Table) down() bool { return t.silent >= linkDown }

func (t *Table) answerCame() {
	if t.down() {
		t.wake = 0
	}
	t.silent = 0
}
