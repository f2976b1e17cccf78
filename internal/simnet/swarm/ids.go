package swarm

import (
	"math/bits"
	"slices"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
)

// ids is the sorted list of the first 64 bits of all ids, with an index into it that costs a sixteenth of a byte a node.
type ids struct {
	sorted []uint64
	starts []uint32 // position of the first id of each cell; a cell is the ids that share the first bits
	shift  uint     // 64 less the bits of a cell
}

const perCell = 64

// newIDs draws n different ids, already sorted by cell: no list of the whole has to be sorted.
func newIDs(n int, seed uint64) ids {
	cellBits := max(bits.Len(uint(n/perCell)), 1)
	l := ids{sorted: make([]uint64, n), starts: make([]uint32, 1<<cellBits+1), shift: uint(64 - cellBits)}
	draw := func(i int) uint64 { return sim.Mix(seed, uint64(i)) }
	for i := range n {
		l.starts[draw(i)>>l.shift+1]++
	}
	for c := range len(l.starts) - 1 {
		l.starts[c+1] += l.starts[c]
	}
	end := slices.Clone(l.starts)
	for i := range n {
		id := draw(i)
		l.sorted[end[id>>l.shift]] = id
		end[id>>l.shift]++
	}
	for c := range len(l.starts) - 1 {
		slices.Sort(l.sorted[l.starts[c]:l.starts[c+1]])
	}
	return l
}

// position returns how many ids are below prefix.
func (l *ids) position(prefix uint64) uint32 {
	cell := prefix >> l.shift
	lo, hi := l.starts[cell], l.starts[cell+1]
	for lo < hi {
		mid := lo + (hi-lo)/2
		if l.sorted[mid] < prefix {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// around returns the range of ids that share the first n bits with prefix: from lo to before hi.
func (l *ids) around(prefix uint64, n int) (lo, hi uint32) {
	if n <= 0 {
		return 0, uint32(len(l.sorted))
	}
	mask := ^uint64(0) >> min(uint(n), 64)
	lo = l.position(prefix &^ mask)
	if last := prefix | mask; last == ^uint64(0) {
		hi = uint32(len(l.sorted))
	} else {
		hi = l.position(last + 1)
	}
	return lo, hi
}

// bucket returns the range of ids that share exactly d bits with prefix.
func (l *ids) bucket(prefix uint64, d int) (lo, hi uint32) {
	if d >= 64 {
		return 0, 0
	}
	return l.around(prefix^1<<(63-d), d+1)
}
