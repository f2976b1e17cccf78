package crawl

import (
	"cmp"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"github.com/dhtkit/dhtkit/krpc"
)

// Zone is a ball of the key space, in the XOR metric, and the nodes that answered in it.
type Zone struct {
	Target krpc.ID     // its centre
	Nodes  []krpc.Node // nearest first: the last one is the edge of the ball
	Whole  bool        // the ball is the whole key space: there are no more nodes
	once   int         // nodes of Nodes that a single other node named
	twice  int         // nodes that two named
}

// A census adds up zones. It is a plain value: no clock, no socket, no lock.
//
// If the ids of N nodes are uniform, N times the share of the key space that the n nodes nearest to a point take up is
// distributed as Gamma(n): the waiting time for the n-th event of a Poisson process. Shares of M zones add up to
// Gamma(M n), and (M n - 1) / share is an unbiased estimate of N with a relative spread of 1/sqrt(M n). Zones of a small
// network overlap: so nodes are counted once, the share is that of the union of the zones, and what is left to chance is
// only the part of the key space that no zone covers.
type census struct {
	nodes       map[netip.AddrPort]struct{}
	blocks      []block // of all zones
	sizes       []sample
	once, twice int
	named       int  // nodes of all zones
	whole       bool // the zones cover the whole key space
}

// block is an interval of the first 64 bits of ids, last included.
type block struct{ first, last uint64 }

// sample is one zone: how many nodes in which share of the key space.
type sample struct {
	nodes int
	share float64
}

const keySpace = 1 << 64

func newCensus() *census { return &census{nodes: make(map[netip.AddrPort]struct{})} }

// add counts a zone. One in which nobody is known says nothing.
func (c *census) add(z Zone) bool {
	if len(z.Nodes) == 0 {
		return false
	}
	radius := uint64(math.MaxUint64)
	if !z.Whole {
		radius = prefix(z.Nodes[len(z.Nodes)-1].ID) ^ prefix(z.Target)
	}
	for _, n := range z.Nodes {
		c.nodes[n.Addr] = struct{}{}
	}
	c.blocks = appendBall(c.blocks, prefix(z.Target), radius)
	c.sizes = append(c.sizes, sample{len(z.Nodes), (float64(radius) + 1) / keySpace})
	c.once, c.twice, c.named = c.once+z.once, c.twice+z.twice, c.named+len(z.Nodes)
	c.whole = c.whole || z.Whole
	return true
}

func prefix(id krpc.ID) uint64 { return binary.BigEndian.Uint64(id[:]) }

// appendBall appends the blocks of ids whose distance to target is at most radius: one for each bit of radius+1, and
// all of them share the bits above it with that distance.
func appendBall(dst []block, target, radius uint64) []block {
	end := radius + 1
	if end == 0 {
		return append(dst, block{0, math.MaxUint64})
	}
	for rest := end; rest != 0; rest &= rest - 1 {
		size := rest & -rest
		first := (target ^ (end &^ (size<<1 - 1))) &^ (size - 1)
		dst = append(dst, block{first, first + size - 1})
	}
	return dst
}

// share returns the share of the key space that is in any zone. It sorts and merges the blocks.
func (c *census) share() float64 {
	slices.SortFunc(c.blocks, func(a, b block) int { return cmp.Compare(a.first, b.first) })
	merged, sum := c.blocks[:0], 0.
	for _, b := range c.blocks {
		last := len(merged) - 1
		switch {
		case last < 0 || b.first > merged[last].last && b.first-1 > merged[last].last:
			merged = append(merged, b)
		case b.last > merged[last].last:
			merged[last].last = b.last
		}
	}
	for _, b := range merged {
		sum += float64(b.last-b.first) + 1
	}
	c.blocks = merged
	return min(sum/keySpace, 1)
}

// Ours: standard deviations on either side of a 95 % interval.
const deviations = 1.96

// estimate returns what the zones so far amount to.
func (c *census) estimate() Estimate {
	e := Estimate{Targets: len(c.sizes), Counted: len(c.nodes), Completeness: 1, Method: Density}
	if len(c.nodes) == 0 {
		return e
	}
	e.Share = c.share()
	if c.whole = c.whole || e.Share == 1; c.whole {
		e.Method = Count
	}
	n := float64(len(c.nodes))
	missing, doubt := c.unseen()
	e.Completeness = 1 / (1 + missing)
	density := 1 / e.Share / e.Completeness
	e.Nodes = max(n-(1-e.Share), 1) * density

	// Wilson and Hilferty 1931: the cube root of a Gamma variate is nearly normal, with this mean and variance.
	spread := math.Sqrt((1-e.Share)*c.dispersion()/(9*n) + doubt*doubt/9)
	edge := func(z float64) float64 {
		root := 1 - (1-e.Share)/(9*n) + z*spread
		return n * max(root, 0) * root * root * density
	}
	// What was counted is there.
	e.Low, e.High = max(edge(-deviations), n), max(edge(deviations), n)
	return e
}

// dispersion is how much more than by chance the zones differ from each other, 1 at least: the mean square of the
// standardised differences (Pearson).
func (c *census) dispersion() float64 {
	nodes, share := 0., 0.
	for _, s := range c.sizes {
		nodes, share = nodes+float64(s.nodes), share+s.share
	}
	if len(c.sizes) < minSamples {
		return 1
	}
	sum := 0.
	for _, s := range c.sizes {
		want := nodes / share * s.share
		sum += (float64(s.nodes) - want) * (float64(s.nodes) - want) / float64(s.nodes)
	}
	return max(sum/float64(len(c.sizes)-1), 1)
}

// Ours: fewer zones than these cannot tell how much zones differ.
const minSamples = 16

// unseen estimates how many nodes of the zones nobody named, for each that was found, and the standard error of that.
//
// Chao 1984: of f1 nodes named once and f2 named twice, f1 (f1 - 1) / (2 (f2 + 1)) more were not named at all, at least.
func (c *census) unseen() (share, doubt float64) {
	f1, f2 := float64(c.once), float64(c.twice)
	missing := f1 * (f1 - 1) / (2 * (f2 + 1))
	r := f1 / (f2 + 1)
	variance := (f2 + 1) * (r*r/2 + r*r*r + r*r*r*r/4)
	return missing / float64(c.named), math.Sqrt(variance) / float64(c.named)
}
