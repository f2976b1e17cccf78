package swarm

import (
	"math/bits"
	"slices"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
)

// maxReply is the longest list under construction: all of the widest bucket, or two buckets that hold K.
const maxReply = 128

// wideFar are the capacities of far buckets in nodes that have large ones.
var wideFar = [4]uint32{128, 64, 32, 16}

// list is a bounded list of contacts.
type list struct {
	nodes [maxReply]sim.Node
	n     int
}

func (l *list) add(n sim.Node) {
	if l.n < len(l.nodes) {
		l.nodes[l.n] = n
		l.n++
	}
}

// capacity returns how many contacts bucket d of a node holds.
func (s *Swarm) capacity(n sim.Node, d int) uint32 {
	if d < len(wideFar) && s.cfg.Wide > 0 && sim.Unit(s.about(drawWide, n)) < s.cfg.Wide {
		return max(wideFar[d], uint32(s.cfg.K))
	}
	return uint32(s.cfg.K)
}

// bucket adds the contacts in bucket d of a node: those that share exactly d bits with it.
func (s *Swarm) bucket(l *list, n sim.Node, d int) {
	lo, hi := s.ids.bucket(s.ids.sorted[n], d)
	capacity := s.capacity(n, d)
	if hi-lo <= capacity {
		for i := lo; i < hi; i++ {
			l.add(sim.Node(i))
		}
		return
	}
	draw := s.about(drawSlot+uint64(d)<<16, n)
	first := l.n
	for slot := range uint64(capacity) {
		for try := uint64(0); ; try++ {
			c := s.oldest(lo, hi, sim.Mix(draw, slot<<8|try))
			if !l.hasFrom(first, c) {
				l.add(c)
				break
			}
			if try == maxTries {
				break
			}
		}
	}
}

// maxTries bounds the draws for one slot: with age skew a small range may be short of old nodes.
const maxTries = 16

// hasFrom is has for what was added from an index on.
func (l *list) hasFrom(first int, n sim.Node) bool {
	return slices.Contains(l.nodes[first:l.n], n)
}

// oldest draws Skew nodes from a range and returns the oldest.
func (s *Swarm) oldest(lo, hi uint32, draw uint64) sim.Node {
	best := sim.Node(lo + sim.Below(draw, hi-lo))
	if s.cfg.Skew == 1 {
		return best
	}
	age := s.Age(best)
	for i := range s.cfg.Skew - 1 {
		c := sim.Node(lo + sim.Below(sim.Mix(draw, uint64(i)), hi-lo))
		if a := s.Age(c); a > age {
			best, age = c, a
		}
	}
	return best
}

// nearest fills l with the contacts that a node names for a target, closest first, K at most. Its bucket for the target
// comes first; what is nearer to the node itself is next, then the buckets farther and farther from it: each of these
// is farther from the target than all of those before.
func (s *Swarm) nearest(l *list, n sim.Node, target uint64) {
	l.n = 0
	k := s.cfg.K
	own := s.ids.sorted[n]
	common := bits.LeadingZeros64(own ^ target)
	if common < 64 {
		s.bucket(l, n, common)
	}
	if l.n < k {
		s.deeper(l, n, common+1)
	}
	s.sort(l.nodes[:l.n], target)
	for d := min(common, 64) - 1; d >= 0 && l.n < k; d-- {
		from := l.n
		s.bucket(l, n, d)
		s.sort(l.nodes[from:l.n], target)
	}
	l.n = min(l.n, k)
}

// deeper adds all contacts of the buckets from d on.
func (s *Swarm) deeper(l *list, n sim.Node, d int) {
	for ; d < 64; d++ {
		if lo, hi := s.ids.around(s.ids.sorted[n], d); hi-lo <= 1 { // nobody but the node itself
			return
		}
		s.bucket(l, n, d)
	}
}

// sort sorts by distance to target; lists are short.
func (s *Swarm) sort(nodes []sim.Node, target uint64) {
	var dist [maxReply]uint64
	for i, n := range nodes {
		d := s.ids.sorted[n] ^ target
		j := i
		for ; j > 0 && dist[j-1] > d; j-- {
			dist[j], nodes[j] = dist[j-1], nodes[j-1]
		}
		dist[j], nodes[j] = d, n
	}
}
