package swarm

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Config of a Swarm. The zero value of a field means what swarm A has, but for Nodes.
type Config struct {
	Seed  uint64
	Nodes int     // reachable nodes, on average
	Dead  float64 // share of the contacts in tables that do not answer; 0 means 0.4, negative none
	K     int     // contacts in a bucket and in an answer, 1 to 16; 0 means 8

	// Skew is of how many draws a slot in a full bucket holds the oldest: 0 and 1 mean no age skew, swarm A has 4.
	Skew int

	// Wide is the share of nodes whose four farthest buckets hold 128, 64, 32 and 16 contacts (libtorrent).
	Wide float64

	// Decoys is the share of contacts in all answers that are invented: an id as near to the target as that of the
	// contact it takes the place of, at an address where nobody is; other ones each time.
	Decoys float64

	// Liars is the share of reachable nodes that answer as Lie says, with contacts of their own making.
	Liars float64
	Lie   Lie
}

func (c Config) withDefaults() Config {
	switch {
	case c.Dead == 0:
		c.Dead = 0.4
	case c.Dead < 0:
		c.Dead = 0
	}
	c.Dead = min(c.Dead, 0.99)
	c.K = min(cmp.Or(max(c.K, 0), 8), maxK)
	c.Skew = max(c.Skew, 1)
	return c
}

const maxK = 16

// Swarm is a procedural network.
type Swarm struct {
	cfg  Config
	ids  ids
	dead uint64 // a node whose hash is below this is dead
	host host

	intruders []routing.Node
}

// New draws a swarm. Its ids take 8 bytes for each node, dead ones included.
func New(cfg Config) *Swarm {
	cfg = cfg.withDefaults()
	n := int(float64(cfg.Nodes)/(1-cfg.Dead) + 0.5)
	s := &Swarm{cfg: cfg, ids: newIDs(n, cfg.Seed)}
	s.dead = uint64(cfg.Dead * (1 << 63) * 2)
	return s
}

// Intrude makes those honest nodes know of nodes that are not part of the swarm in whose buckets there is room for them: that
// have no more than a bucketful of others as near. They are a host's of the experiment.
func (s *Swarm) Intrude(nodes []routing.Node) { s.intruders = nodes }

// Purposes of a hash of the seed and a node.
const (
	drawAlive = 1 + iota<<8
	drawAge
	drawTail
	drawSlot
	drawWide
	drawDecoy
	drawLiar
)

// about hashes the seed, a purpose and a node.
func (s *Swarm) about(purpose uint64, n sim.Node) uint64 {
	return sim.Mix(s.cfg.Seed+purpose*0x9e3779b97f4a7c15, uint64(n))
}

// Len returns the number of nodes, dead ones included: node numbers go from 0 to below it.
func (s *Swarm) Len() int { return len(s.ids.sorted) }

// Alive reports whether a node answers.
func (s *Swarm) Alive(n sim.Node) bool { return s.about(drawAlive, n) >= s.dead }

// Age returns a node's place in the order of ages: of two nodes, the one with the higher number is the older one.
func (s *Swarm) Age(n sim.Node) uint64 { return s.about(drawAge, n) }

// ID returns the id of a node.
func (s *Swarm) ID(n sim.Node) krpc.ID { return idFrom(s.ids.sorted[n], s.about(drawTail, n)) }

// Reachable counts the nodes that answer.
func (s *Swarm) Reachable() int {
	n := 0
	for i := range s.ids.sorted {
		if s.Alive(sim.Node(i)) {
			n++
		}
	}
	return n
}

// Closest appends the n reachable nodes closest to target, closest first: the truth.
func (s *Swarm) Closest(dst []sim.Node, target krpc.ID, n int) []sim.Node {
	prefix := prefixOf(target)
	var found []sim.Node
	for shared := bits.Len(uint(s.Len())); ; shared-- {
		lo, hi := s.ids.around(prefix, shared)
		found = found[:0]
		for i := lo; i < hi; i++ {
			if s.Alive(sim.Node(i)) {
				found = append(found, sim.Node(i))
			}
		}
		if len(found) >= n || shared <= 0 {
			break
		}
	}
	slices.SortFunc(found, func(a, b sim.Node) int {
		return cmp.Compare(s.ids.sorted[a]^prefix, s.ids.sorted[b]^prefix)
	})
	return append(dst, found[:min(n, len(found))]...)
}

func prefixOf(id krpc.ID) uint64 { return binary.BigEndian.Uint64(id[:]) }

// Around returns the range of nodes, dead ones included, whose ids share at least n bits with an id: from lo to before hi.
func (s *Swarm) Around(id krpc.ID, n int) (lo, hi sim.Node) {
	a, b := s.ids.around(prefixOf(id), n)
	return sim.Node(a), sim.Node(b)
}
