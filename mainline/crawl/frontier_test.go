package crawl

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/stretchr/testify/require"
)

func endpoint(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{40, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
}

func frontierOfTwoTries() *frontier { return newFrontier(2, rand.New(rand.NewPCG(1, 2))) }

// answer notes a first answer and reports whether it was one.
func answer(f *frontier, addr netip.AddrPort, id krpc.ID) bool {
	_, first := f.answered(addr, id)
	return first
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
	require.Less(t, asked, invented/100)
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
