package routing

import (
	"cmp"
	"slices"
	"time"
)

// insert puts a verified newcomer, which is nowhere in the table, into its bucket, splitting the home bucket as
// needed, or into its cache. It reports whether the newcomer is in a bucket.
func (t *Table) insert(e entry, at time.Duration) bool {
	for {
		depth := t.depth(&e.key)
		b := &t.buckets[depth]
		if !t.mayLive(&e, depth) {
			return false
		}
		if len(b.live) < t.cfg.capacity(depth) {
			t.settle(b, e, at)
			return true
		}
		if !t.splittable(depth, &e.key) {
			return t.insertFull(depth, e, at)
		}
		t.split(at)
	}
}

// settle adds e to a bucket that has room. What is due for the candidates beside it may change with that.
func (t *Table) settle(b *bucket, e entry, at time.Duration) {
	t.enter(b, e)
	b.touched = at
	t.wakeBy(e.seen + t.cfg.GoodFor)
	if len(b.cache) > 0 {
		t.wakeBy(at)
	}
}

// insertFull decides between the nodes of a full bucket and a newcomer: one that fails goes, for a preferred newcomer one that
// is not, in wide buckets also a slow or crowded one, else the newcomer waits.
func (t *Table) insertFull(depth int, e entry, at time.Duration) bool {
	b := &t.buckets[depth]
	if t.cfg.OnFull != nil {
		t.wait(depth, e)
		t.cfg.OnFull(b.oldest(), e.node())
		b = &t.buckets[t.depth(&e.key)]
		return b.find(&e.key) >= 0
	}
	wide := len(b.live) > t.cfg.K
	fails := uint8(min(2, t.cfg.MaxFails))
	if wide {
		fails = 1
	}
	victim := b.worst(fails)
	if victim >= 0 {
		t.leave(b, victim)
		t.settle(b, e, at)
		return true
	}
	if wide {
		victim = b.displaced(&e, slotsOf(t.slotsFrom(depth), len(b.live)))
	}
	if victim < 0 && e.preferred() {
		victim = b.unpreferred()
	}
	if victim < 0 {
		t.wait(depth, e)
		return false
	}
	old := t.leave(b, victim)
	t.settle(b, e, at)
	t.wait(depth, old)
	return true
}

// slotsFrom returns the first bit in which the nodes of a bucket may differ.
func (t *Table) slotsFrom(depth int) int {
	if depth == len(t.buckets)-1 {
		return depth
	}
	return depth + 1
}

// oldest returns the bucket's nodes, longest unheard first.
func (b *bucket) oldest() []Node {
	byAge := slices.SortedStableFunc(slices.Values(b.live), func(x, y entry) int { return cmp.Compare(x.seen, y.seen) })
	nodes := make([]Node, len(byAge))
	for i := range byAge {
		nodes[i] = byAge[i].node()
	}
	return nodes
}

// splittable reports whether the bucket at depth may split for a newcomer: only the home bucket, only up to MaxBuckets,
// and only if the split would separate somebody, or ids made ever closer to ours could drive the table deep.
func (t *Table) splittable(depth int, k *Key) bool {
	return depth == len(t.buckets)-1 && len(t.buckets) < t.cfg.MaxBuckets && !t.buckets[depth].alike(&t.self, k)
}

// split divides the home bucket: nodes that share one bit more with us move on to a new home. If that one is smaller
// than what moves (wide buckets), the slowest wait in its cache.
func (t *Table) split(at time.Duration) {
	depth := len(t.buckets) - 1
	old := t.buckets[depth]
	far, home := bucket{touched: old.touched, haste: old.haste, held: -1}, bucket{touched: at, haste: old.haste, held: -1}
	side := func(k *Key) *bucket {
		if CommonBits(t.self, *k) > depth {
			return &home
		}
		return &far
	}
	for _, e := range old.live {
		side(&e.key).add(e)
	}
	for _, e := range old.cache {
		b := side(&e.key)
		b.cache = append(b.cache, e)
	}
	t.buckets = append(t.buckets[:depth], far, home)
	for b := &t.buckets[depth+1]; len(b.live) > t.cfg.capacity(depth+1); {
		t.cache(b, t.leave(b, b.worst(0)))
	}
	t.promote(at)
}

// wait puts a verified node that found no place into the cache, unless its net has its share of the bucket and cache.
func (t *Table) wait(depth int, e entry) {
	if n := t.tally(&e, depth); n.bucket+n.cache < t.cfg.PerNetBucket {
		t.cache(&t.buckets[depth], e)
	}
}

// cacheRoom reports whether e could be put into the cache of b, if its address allows.
func (t *Table) cacheRoom(b *bucket, e *entry) bool {
	return len(b.cache) < t.cfg.Cache || t.cfg.Cache > 0 && t.expendable(b, e) >= 0
}

// cache lets e wait beside bucket b if there is room or somebody less worth keeping.
func (t *Table) cache(b *bucket, e entry) {
	if len(b.cache) >= t.cfg.Cache {
		i := t.expendable(b, &e)
		if i < 0 {
			return
		}
		b.uncache(i)
	}
	e.flags &^= pinged
	b.cache = append(b.cache, e)
}

// expendable returns which candidate of a full cache e may push out, or -1: beside the home bucket one that it would not
// split for, if it would for e, or a crowd of far candidates could keep our neighbours out; the longest unheard unverified one if e is
// verified or that one is out of date, else the longest unheard verified one if e is verified too.
func (t *Table) expendable(b *bucket, e *entry) int {
	unproven, proven := b.longestUnheard(false), b.longestUnheard(true)
	if i := t.hopeless(b, e); i >= 0 {
		return i
	}
	switch {
	case unproven >= 0 && (e.verified() || e.seen-b.cache[unproven].seen > t.cfg.GoodFor):
		return unproven
	case e.verified() && proven >= 0 && b.cache[proven].seen < e.seen:
		return proven
	}
	return -1
}

// hopeless returns a candidate beside the home bucket that can get no place there while e can, or -1.
func (t *Table) hopeless(b *bucket, e *entry) int {
	home := len(t.buckets) - 1
	if b != &t.buckets[home] || !t.splittable(home, &e.key) {
		return -1
	}
	return slices.IndexFunc(b.cache, func(c entry) bool { return !t.splittable(home, &c.key) })
}

// longestUnheard returns the candidate of either kind that was heard first, of those that are not preferred if there are any,
// or -1.
func (b *bucket) longestUnheard(verified bool) int {
	at := -1
	for i := range b.cache {
		if c := &b.cache[i]; c.verified() == verified && (at < 0 || b.cache[at].fresher(c)) {
			at = i
		}
	}
	return at
}

// freshest returns the verified candidate heard last, a preferred one if there is one, if that was recent enough to trust it
// unasked; else -1.
func (t *Table) freshest(b *bucket, at time.Duration) int {
	best := -1
	for i := range b.cache {
		c := &b.cache[i]
		if c.verified() && at-c.seen < t.cfg.GoodFor && (best < 0 || c.fresher(&b.cache[best])) {
			best = i
		}
	}
	return best
}

// fresher orders candidates: preferred ones first, then by when they were heard last.
func (e *entry) fresher(o *entry) bool {
	if e.preferred() != o.preferred() {
		return e.preferred()
	}
	return e.seen > o.seen
}

// promote moves verified candidates into buckets that have room.
func (t *Table) promote(at time.Duration) {
	for depth := range t.buckets {
		b := &t.buckets[depth]
		for len(b.live) < t.cfg.capacity(depth) {
			i := t.freshest(b, at)
			if i < 0 {
				break
			}
			if e := b.uncache(i); t.mayLive(&e, depth) {
				t.settle(b, e, at)
			}
		}
	}
	t.wakeBy(at)
}
