package routing

// AppendClosest appends the n nodes closest to target, nearest first, to dst. They are chosen exactly, among all
// verified nodes whose last query did not fail; fewer only if the table has fewer. It allocates only if dst has to grow.
//
// Buckets do not overlap in distance, so they are visited nearest first and no further than needed. With c the bits
// target shares with the own id, that order is: bucket c; the deeper ones that differ from the own id where target
// does, outermost first; the innermost; the deeper ones left over, innermost first; then c-1 down to 0.
func (t *Table) AppendClosest(dst []Node, target Key, n int) []Node {
	if n = min(n, t.Len()); n <= 0 {
		return dst
	}
	end, home := len(dst)+n, len(t.buckets)-1
	c := min(CommonBits(t.self, target), home)
	apart := t.self.Xor(target)
	if c < home {
		dst = t.buckets[c].appendClosest(dst, &target, end)
	}
	for i := c + 1; i < home && len(dst) < end; i++ {
		if apart.bit(i) == 1 {
			dst = t.buckets[i].appendClosest(dst, &target, end)
		}
	}
	dst = t.buckets[home].appendClosest(dst, &target, end)
	for i := home - 1; i > c && len(dst) < end; i-- {
		if apart.bit(i) == 0 {
			dst = t.buckets[i].appendClosest(dst, &target, end)
		}
	}
	for i := c - 1; i >= 0 && len(dst) < end; i-- {
		dst = t.buckets[i].appendClosest(dst, &target, end)
	}
	return dst
}

// pick is an entry's place in its bucket with the first 64 bits of its distance.
type pick struct {
	distance uint64
	at       int
}

// appendClosest appends the bucket's nodes, nearest first, until dst has end of them. Each pass picks the next few
// with an insertion into a small array on the stack, so a bucket of 128 costs one scan for the usual 8 or 16.
func (b *bucket) appendClosest(dst []Node, target *Key, end int) []Node {
	var room [16]pick
	last := -1
	for len(dst) < end {
		picks := b.nearest(room[:0:min(len(room), end-len(dst))], target, last)
		for _, p := range picks {
			dst = append(dst, b.live[p.at].node())
		}
		if len(picks) < cap(picks) {
			break
		}
		last = picks[len(picks)-1].at
	}
	return dst
}

// nearest fills picks up to its capacity with the entries nearest to target that are farther than entry last.
func (b *bucket) nearest(picks []pick, target *Key, last int) []pick {
	head := target.head()
	for i, h := range b.heads {
		p := pick{h ^ head, i}
		if b.live[i].fails != 0 || last >= 0 && !b.nearer(target, pick{b.heads[last] ^ head, last}, p) {
			continue
		}
		if len(picks) == cap(picks) {
			if !b.nearer(target, p, picks[len(picks)-1]) {
				continue
			}
			picks = picks[:len(picks)-1]
		}
		picks = append(picks, p)
		at := len(picks) - 1
		for ; at > 0 && b.nearer(target, p, picks[at-1]); at-- {
			picks[at] = picks[at-1]
		}
		picks[at] = p
	}
	return picks
}

func (b *bucket) nearer(target *Key, p, q pick) bool {
	if p.distance != q.distance {
		return p.distance < q.distance
	}
	return compareDistance(target, &b.live[p.at].key, &b.live[q.at].key) < 0
}
