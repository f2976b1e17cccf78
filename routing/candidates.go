package routing

import (
	"slices"
	"sort"
)

// state is how far the lookup has got with a candidate.
type state uint8

const (
	unasked  state = iota
	asked          // a query is out
	late           // past the soft deadline; the answer still counts
	answered       //
	failed         // past the hard deadline, or could not be asked
	barred         // not to be asked: its address, net or key is another's
)

// open reports whether an answer may still come.
func (s state) open() bool { return s == asked || s == late }

// sounding is how far the lookup has got with asking a node that answered for the neighbours of its own id.
type sounding uint8

const (
	unsounded sounding = iota
	sounded            // the question is out
	heard              // answered, late or failed: nothing is waited for
)

// candidate is a node the lookup knows of.
type candidate struct {
	node  Node
	net   uint64
	via   int32 // slab index of the node that named it; ourselves if negative
	votes uint8 // how often it was named, by another node each time
	state state
	sound sounding
	guest bool // not Eligible: its answer helps, and does not count
}

const ourselves = -1

// candidates is a list sorted by distance to the target, bounded in length. Candidates stay where they are in the slab,
// only two-byte indexes move.
type candidates struct {
	target Key
	slab   []candidate
	order  []uint16 // slab indexes, nearest first
	max    int
}

// maxSlab is how many candidates two-byte indexes can tell apart.
const maxSlab = 1 << 16

// at returns the candidate at a place in the order.
func (c *candidates) at(place int) *candidate { return &c.slab[c.order[place]] }

// place returns the first place in the order that is not nearer than k.
func (c *candidates) place(k *Key) int {
	return sort.Search(len(c.order), func(i int) bool {
		return compareDistance(&c.target, &c.at(i).node.Key, k) >= 0
	})
}

// find returns the slab index of n, or -1, and how many candidates have its key.
func (c *candidates) find(n *Node) (index, sameKey int) {
	index = -1
	for i := c.place(&n.Key); i < len(c.order) && c.at(i).node.Key == n.Key; i++ {
		sameKey++
		if c.at(i).node.Addr == n.Addr {
			index = int(c.order[i])
		}
	}
	return index, sameKey
}

// insert adds a candidate and returns its slab index. In a full list it takes the place of one that is farther: the
// farthest that was not asked, or else the farthest that failed. It returns -1 if there is no such one.
func (c *candidates) insert(n candidate) int {
	place := c.place(&n.node.Key)
	for place < len(c.order) && c.at(place).node.Key == n.node.Key {
		place++
	}
	if len(c.slab) < c.max {
		c.slab = append(c.slab, n)
		c.order = slices.Insert(c.order, place, uint16(len(c.slab)-1))
		return len(c.slab) - 1
	}
	victim := c.farthest(place, unasked, barred)
	if victim < 0 {
		victim = c.farthest(place, failed, failed)
	}
	if victim < 0 {
		return -1
	}
	index := c.order[victim]
	c.slab[index] = n
	copy(c.order[place+1:victim+1], c.order[place:victim])
	c.order[place] = index
	return int(index)
}

// farthest returns the last place, not before from, of a candidate in one of two states; else -1.
func (c *candidates) farthest(from int, s, or state) int {
	for i := len(c.order) - 1; i >= from; i-- {
		if st := c.at(i).state; st == s || st == or {
			return i
		}
	}
	return -1
}
