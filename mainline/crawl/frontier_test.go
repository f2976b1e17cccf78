package crawl

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

func endpoint(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{40, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
}

func frontierOfTwoTries() *frontier {
	f := newFrontier(2, rand.New(rand.NewPCG(1, 2)))
	f.every = true
	return f
}

// answer notes an answer that names nodes and reports whether it was the node's first.
func answer(f *frontier, addr netip.AddrPort, id krpc.ID, named ...routing.Node) bool {
	return f.answered(addr, id, slices.Values(named))
}

func TestFrontierAsksOwnIDThenRandom(t *testing.T) {
	f := frontierOfTwoTries()
	a, b := endpoint(1), endpoint(2)
	f.seed(a, krpc.ID{}) // its id is not known
	require.True(t, f.add(b, krpc.ID{7}, 0))
	require.False(t, f.add(b, krpc.ID{8}, 0), "one endpoint, one record")

	n, target, ok := f.next()
	require.True(t, ok)
	require.Equal(t, a, n.Addr)
	require.NotZero(t, target)
	require.True(t, answer(f, a, krpc.ID{9}))

	n, target, _ = f.next()
	require.Equal(t, a, n.Addr, "before what only one node named")
	require.Equal(t, krpc.ID{9}, target, "its own id: now it is known")
	require.False(t, answer(f, a, krpc.ID{9}))

	n, target, _ = f.next()
	require.Equal(t, b, n.Addr)
	require.Equal(t, krpc.ID{7}, target)
	require.True(t, answer(f, b, krpc.ID{7}))

	n, target, _ = f.next()
	require.Equal(t, b, n.Addr)
	require.NotEqual(t, krpc.ID{7}, target)
	require.False(t, answer(f, b, krpc.ID{7}))

	_, _, ok = f.next()
	require.False(t, ok, "two queries a node")
	require.True(t, f.idle())
}

func TestFrontierTriesTheSilentTwiceIfTwoNamedThem(t *testing.T) {
	f := frontierOfTwoTries()
	a, b := endpoint(1), endpoint(2)
	f.add(a, krpc.ID{1}, 0)
	f.add(a, krpc.ID{1}, 0) // the same source again counts once
	f.add(b, krpc.ID{2}, 0)
	f.add(b, krpc.ID{2}, 1)
	var asked []netip.AddrPort
	for n, _, ok := f.next(); ok; n, _, ok = f.next() {
		f.unasked(n.Addr) // no room: costs no try
		n, _, _ = f.next()
		asked = append(asked, n.Addr)
		f.failed(n.Addr)
	}
	require.Equal(t, []netip.AddrPort{b, b, a}, asked)
	f.add(a, krpc.ID{1}, 1)
	n, _, ok := f.next()
	require.True(t, ok, "named by another: one more try")
	require.Equal(t, a, n.Addr)
	f.failed(a)
	require.True(t, f.idle())
	require.Zero(t, f.waiting())
}

func TestFrontierWantsNothingMoreOfWhoAnsweredOnce(t *testing.T) {
	f := frontierOfTwoTries()
	f.seed(endpoint(1), krpc.ID{1})
	f.next()
	answer(f, endpoint(1), krpc.ID{1})
	f.next()
	f.failed(endpoint(1))
	require.True(t, f.idle())
}

// A network in which nearly everything that one node alone names is invented: most of it is never asked.
func TestFrontierLeavesInventionsAlone(t *testing.T) {
	f := frontierOfTwoTries()
	const invented = 100_000
	for i := range invented {
		f.add(endpoint(i), krpc.ID{1}, uint32(i))
	}
	asked := 0
	for n, _, ok := f.next(); ok; n, _, ok = f.next() {
		f.failed(n.Addr)
		asked++
	}
	require.Less(t, asked, invented/50)
	require.True(t, f.idle())
	f.add(endpoint(invented-1), krpc.ID{1}, 7)
	require.False(t, f.idle(), "but what two name is asked")
}

// However a contact is named, put back and named again, it is asked by one query at a time.
func TestFrontierAsksANodeOnceAtATime(t *testing.T) {
	f := frontierOfTwoTries()
	a := endpoint(1)
	f.add(a, krpc.ID{1}, 0)
	f.next()
	f.unasked(a)
	f.add(a, krpc.ID{1}, 1)
	_, _, ok := f.next()
	require.True(t, ok)
	_, _, ok = f.next()
	require.False(t, ok)
	require.True(t, f.idle())
}

func TestFrontierAsksForMoreTargets(t *testing.T) {
	f := frontierOfTwoTries()
	f.more = 1
	f.seed(endpoint(1), krpc.ID{1})
	targets := make(map[krpc.ID]bool)
	for _, target, ok := f.next(); ok; _, target, ok = f.next() {
		targets[target] = true
		answer(f, endpoint(1), krpc.ID{1})
	}
	require.Len(t, targets, 3, "its own id and two random targets")
	require.True(t, targets[krpc.ID{1}])
}

func TestFrontierAsksEveryOtherNodeForARandomTarget(t *testing.T) {
	f := newFrontier(2, rand.New(rand.NewPCG(1, 2)))
	queries := 0
	for i := range 100 {
		f.seed(endpoint(i), krpc.ID{byte(i + 1)})
	}
	for n, _, ok := f.next(); ok; n, _, ok = f.next() {
		answer(f, n.Addr, krpc.IDOf(n.Key))
		queries++
	}
	require.Equal(t, 150, queries)
}

// full answers name eight nodes that share a number of bits with id.
func fullAnswer(id krpc.ID, bits int) (named []routing.Node) {
	for i := range fullReply {
		key := flipped(flipped(id, bits), 150+i).Key()
		named = append(named, routing.Node{Key: key, Addr: endpoint(1000*bits + 10*int(id[0]) + i)})
	}
	return named
}

// When nearly all contacts are inventions, who answered is asked for other buckets rather than the contacts.
func TestFrontierAsksForOtherBucketsAmongInventions(t *testing.T) {
	f := frontierOfTwoTries()
	id := krpc.ID{0x55}
	for i := range 2 * yieldAfter {
		f.add(endpoint(i), krpc.ID{1}, uint32(i))
		n, _, _ := f.next()
		f.failed(n.Addr)
	}
	f.seed(endpoint(9000), id)
	for range 2 { // its own id and a random target
		n, _, _ := f.next()
		require.Equal(t, endpoint(9000), n.Addr)
		answer(f, n.Addr, id, fullAnswer(id, 9)...)
	}
	n, _, _ := f.next()
	require.Equal(t, endpoint(9000), n.Addr)
	n, _, _ = f.next()
	require.NotEqual(t, endpoint(9000), n.Addr, "one query at a time")
	f.failed(n.Addr)
	f.unasked(endpoint(9000))
	for _, bucket := range []int{8, 9} { // none of the first was named, some of the other
		n, target, ok := f.next()
		require.True(t, ok)
		require.Equal(t, endpoint(9000), n.Addr)
		require.Equal(t, bucket, routing.CommonBits(target.Key(), id.Key()))
		answer(f, n.Addr, id)
	}
	n, _, _ = f.next()
	require.NotEqual(t, endpoint(9000), n.Addr, "nothing left but the lone")
}

// a node whose answers say nothing of a branch without nodes is asked for it, and once more if it is silent.
func TestSweepAsksForEmptyBranches(t *testing.T) {
	f := frontierOfTwoTries()
	near, far := krpc.ID{0x80}, krpc.ID{0x01}
	for i, id := range []krpc.ID{near, far} {
		f.seed(endpoint(i), id)
	}
	for n, _, ok := f.next(); ok; n, _, ok = f.next() {
		if n.Addr == endpoint(0) {
			answer(f, n.Addr, near, fullAnswer(near, 2)...)
			continue
		}
		if n.Addr == endpoint(1) {
			answer(f, n.Addr, far) // knows nobody: nothing is hidden from it
			continue
		}
		f.failed(n.Addr)
	}
	asked := make(map[int]int)
	for f.sweep() {
		for n, target, ok := f.next(); ok; n, target, ok = f.next() {
			require.Equal(t, endpoint(0), n.Addr)
			bucket := routing.CommonBits(target.Key(), near.Key())
			if asked[bucket]++; asked[bucket] == 1 {
				f.failed(n.Addr)
			} else {
				answer(f, n.Addr, near)
			}
		}
	}
	require.Equal(t, map[int]int{1: 2, 2: 2}, asked, "bucket 0 has a node, the deeper ones are known")
}

// Two nodes share a bit and nobody has the other branch: if the answer of one has reached it, nobody is asked.
func TestSweepTrustsAnswersThatReachedSoFar(t *testing.T) {
	for _, test := range []struct{ reach, asked int }{{0, 0}, {1, 1}} {
		f := frontierOfTwoTries()
		nodes := map[netip.AddrPort]krpc.ID{endpoint(0): {0x80}, endpoint(1): {0xc0}}
		for addr, id := range nodes {
			f.seed(addr, id)
		}
		for n, _, ok := f.next(); ok; n, _, ok = f.next() {
			if id, there := nodes[n.Addr]; there {
				answer(f, n.Addr, id, fullAnswer(id, 1)...)
			} else {
				f.failed(n.Addr)
			}
		}
		f.nodes[f.index[endpoint(0)]].known = uint8(test.reach)
		f.sweep()
		asked := 0
		for _, ok := f.queue.peek(); ok; _, ok = f.queue.peek() {
			i, _ := f.queue.pop()
			if f.nodes[i].bucket == 0 {
				asked++
			}
		}
		require.Equal(t, test.asked, asked)
	}
}

func TestBesides(t *testing.T) {
	id := krpc.ID{0b1010_1111, 0xff, 0xff}
	require.Equal(t, place{krpc.ID{0b0000_0000}, 1}, besides(id, 0))
	require.Equal(t, place{krpc.ID{0b1010_1000}, 6}, besides(id, 5))
	require.Equal(t, place{krpc.ID{0b1010_1111, 0x00}, 9}, besides(id, 8))
	require.Equal(t, place{krpc.ID{0b1010_1111, 0xff, 0xfe}, 24}, besides(id, 23))
}
