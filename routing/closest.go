package routing

import "math/bits"

// AppendClosest appends the n nodes closest to target, nearest first, to dst. They are chosen exactly, among all
// verified nodes whose last query did not fail, or, if these are fewer than n, who failed once: that may have been one lost
// datagram. It allocates only if dst has to grow.
func (t *Table) AppendClosest(dst []Node, target Key, n int) []Node {
	if n = min(n, t.Len()); n <= 0 {
		return dst
	}
	end := len(dst) + n
	if all := t.appendClosest(dst, &target, end, 0); len(all) == end {
		return all
	}
	return t.appendClosest(dst, &target, end, 1)
}

// appendClosest appends the nodes closest to target that have failed so many times at most until dst has end of them.
//
// Buckets do not overlap in distance, so they are visited nearest first and no further than needed. With c the bits
// target shares with the own id, that order is: bucket c; the deeper ones that differ from the own id where target
// does, outermost first; the innermost; the deeper ones left over, innermost first; then c-1 down to 0.
func (t *Table) appendClosest(dst []Node, target *Key, end int, fails uint8) []Node {
	home := len(t.buckets) - 1
	c := min(CommonBits(t.self, *target), home)
	apart := t.self.Xor(*target)
	if c < home {
		dst = t.buckets[c].appendClosest(dst, target, end, fails)
	}
	for i := c + 1; i < home && len(dst) < end; i++ {
		if apart.bit(i) == 1 {
			dst = t.buckets[i].appendClosest(dst, target, end, fails)
		}
	}
	dst = t.buckets[home].appendClosest(dst, target, end, fails)
	for i := home - 1; i > c && len(dst) < end; i-- {
		if apart.bit(i) == 0 {
			dst = t.buckets[i].appendClosest(dst, target, end, fails)
		}
	}
	for i := c - 1; i >= 0 && len(dst) < end; i-- {
		dst = t.buckets[i].appendClosest(dst, target, end, fails)
	}
	return dst
}

// appendClosest appends the bucket's nodes, nearest first, until dst has end of them.
func (b *bucket) appendClosest(dst []Node, target *Key, end int, fails uint8) []Node {
	if len(b.heads) == 0 || len(dst) >= end {
		return dst
	}
	return b.appendRange(dst, target, 0, len(b.heads), end, fails)
}

// appendRange appends those nodes of live[lo:hi], which is not empty, nearest first. Sorted keys are a trie: below
// the first bit in which they differ, all on the target's side are nearer than all on the other.
func (b *bucket) appendRange(dst []Node, target *Key, lo, hi, end int, fails uint8) []Node {
	if hi-lo == 1 {
		if e := &b.live[lo]; e.fails <= fails {
			dst = append(dst, e.node())
		}
		return dst
	}
	differ := b.heads[lo] ^ b.heads[hi-1]
	if differ == 0 {
		return b.appendTwins(dst, target, lo, hi, end, fails)
	}
	bit := uint64(1) << (bits.Len64(differ) - 1)
	mid, top := lo+1, hi-1 // heads[lo] is on the low side, heads[hi-1] on the high one
	for mid < top {
		if m := (mid + top) / 2; b.heads[m]&bit == 0 {
			mid = m + 1
		} else {
			top = m
		}
	}
	if target.head()&bit != 0 {
		dst = b.appendRange(dst, target, mid, hi, end, fails)
		hi = mid
	} else {
		dst = b.appendRange(dst, target, lo, mid, end, fails)
		lo = mid
	}
	if len(dst) == end {
		return dst
	}
	return b.appendRange(dst, target, lo, hi, end, fails)
}

// appendTwins is appendRange for keys with the same first 64 bits, which chance does not make. Each round takes the
// nearest that is farther than the one before.
func (b *bucket) appendTwins(dst []Node, target *Key, lo, hi, end int, fails uint8) []Node {
	var last *Key
	for len(dst) < end {
		var next *entry
		for i := lo; i < hi; i++ {
			e := &b.live[i]
			if e.fails <= fails && (last == nil || compareDistance(target, &e.key, last) > 0) &&
				(next == nil || compareDistance(target, &e.key, &next.key) < 0) {
				next = e
			}
		}
		if next == nil {
			break
		}
		dst, last = append(dst, next.node()), &next.key
	}
	return dst
}
