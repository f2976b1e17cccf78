package crawl

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/dhtkit/dhtkit/krpc"
)

// sweeps looks for the nodes that nobody names of itself. A node names its nearest neighbours, so who lives alone beside a
// dense neighbourhood is in the answer of nobody: the ids of all nodes that answered are the leaves of a binary tree, and
// where one of two branches is empty, one node of the other is asked for it, unless an answer has reached that far already.
type sweeps struct {
	done   map[place]bool // empty branches that somebody was asked for
	passes int
}

// Ours: after the first the sweeps find next to nothing.
const maxSweeps = 4

// place is a branch: the ids that share their first bits with prefix, which is zero behind them.
type place struct {
	prefix krpc.ID
	bits   uint8
}

// besides returns the branch that is a bucket of id.
func besides(id krpc.ID, bucket uint8) place {
	id = flipped(id, int(bucket))
	id[bucket/8] &= 0xff << (7 - bucket%8)
	clear(id[bucket/8+1:])
	return place{id, bucket + 1}
}

// leaf is a node that answered: head is the first 8 bytes of its id, so that sorting looks up few of them.
type leaf struct {
	head uint64
	node uint32
}

// sweep queues questions about empty branches, and reports whether there were any.
func (f *frontier) sweep() bool {
	if f.passes == maxSweeps {
		return false
	}
	f.passes++
	leaves := make([]leaf, 0, f.found)
	for i := range f.nodes {
		if r := &f.nodes[i]; r.found && r.known != unknown {
			leaves = append(leaves, leaf{binary.BigEndian.Uint64(r.id[:]), uint32(i)})
		}
	}
	slices.SortFunc(leaves, func(a, b leaf) int {
		if c := cmp.Compare(a.head, b.head); c != 0 {
			return c
		}
		return bytes.Compare(f.nodes[a.node].id[:], f.nodes[b.node].id[:])
	})
	f.branch(leaves, 0)
	return f.queue.len() > 0
}

// branch looks at the nodes of a branch, which share so many leading bits, and returns how far out the answers of the
// one who named most reach: he has named all he knows from that bucket on.
func (f *frontier) branch(leaves []leaf, bits uint8) (known uint8) {
	if len(leaves) == 1 {
		r := &f.nodes[leaves[0].node]
		for bucket := bits; bucket < r.known; bucket++ {
			f.doubt(leaves, bucket)
		}
		return r.known
	}
	if len(leaves) == 0 || bits == 8*krpc.IDSize {
		return unknown
	}
	split := f.split(leaves, bits)
	known = min(f.branch(leaves[:split], bits+1), f.branch(leaves[split:], bits+1))
	if (split == 0 || split == len(leaves)) && known > bits {
		f.doubt(leaves, bits)
	}
	return known
}

// split returns the index of the first leaf whose id has a certain bit.
func (f *frontier) split(leaves []leaf, bit uint8) int {
	i, _ := slices.BinarySearchFunc(leaves, 1, func(l leaf, one int) int {
		return int(f.nodes[l.node].id[bit/8]>>(7-bit%8)&1) - one
	})
	return i
}

// doubt has one of the nodes of a branch asked for the empty one beside it: another one in each pass.
func (f *frontier) doubt(leaves []leaf, bucket uint8) {
	i := leaves[f.passes%len(leaves)].node
	r := &f.nodes[i]
	if beside := besides(r.id, bucket); r.goals == 0 && !f.done[beside] {
		f.done[beside] = true
		r.goals, r.bucket = doubtful, bucket
		f.wait(i)
	}
}

// unsettle has the next pass ask again what a node was silent about.
func (f *frontier) unsettle(r *record) { delete(f.done, besides(r.id, r.bucket)) }
