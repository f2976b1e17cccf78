package routing

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFailuresRemove(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.failed(at(0x80))
	require.Equal(t, []Node{at(0x81)}, b.AppendClosest(nil, Key{0x80}, 1), "failing nodes are not handed out")
	require.Equal(t, []Node{at(0x80), at(0x81)}, b.AppendClosest(nil, Key{0x80}, 8), "unless there are too few others: one datagram may have been lost")
	b.failed(at(0x80))
	require.Equal(t, []Node{at(0x81)}, b.AppendClosest(nil, Key{0x80}, 8), "but not two")
	b.answered(at(0x80), 10)
	require.Equal(t, []Node{at(0x80), at(0x81)}, b.AppendClosest(nil, Key{0x80}, 8), "an answer clears the count")
	for range 2 {
		b.failed(at(0x80))
	}
	b.failed(Node{Key{0x80}, addr(999)})
	require.True(t, b.has(at(0x80)), "a failure of the id elsewhere is not this node's")
	b.failed(at(0x80))
	require.False(t, b.has(at(0x80)))
}

func TestVerifiedCandidateReplacesAFailingNode(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.heard(at(0x82))
	b.failed(at(0x80))
	b.failed(at(0x80))
	require.Equal(t, []Node{at(0x80), at(0x81)}, b.live(), "an unverified one does not move up")
	require.True(t, b.answered(at(0x82), 10), "two failures: a newcomer that answers takes the place")
	require.ElementsMatch(t, []Node{at(0x81), at(0x82)}, b.live())

	require.False(t, b.answered(at(0x83), 10))
	require.Equal(t, []Node{at(0x83)}, b.waiting())
	b.failed(at(0x81))
	b.failed(at(0x81))
	require.ElementsMatch(t, []Node{at(0x82), at(0x83)}, b.live(), "the verified candidate moves up")
}

func TestStaleCandidateIsAskedBeforeItMovesUp(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(1))
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.wait(16 * time.Minute)
	require.Equal(t, []Node{at(0x80)}, b.pings(), "while its node may be alive a candidate is left alone")
	b.Remove(at(0x80))
	b.check()
	require.Empty(t, b.AppendClosest(nil, Key{}, 8))
	require.Equal(t, []Node{at(0x81)}, b.pings())
	require.True(t, b.answered(at(0x81), 10))
}

func TestRemove(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(1))
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.Remove(Node{Key{0x80}, addr(999)})
	require.Equal(t, []Node{at(0x80)}, b.live(), "another address: not this one")
	b.Remove(at(0x80))
	b.check()
	require.Equal(t, []Node{at(0x81)}, b.live(), "the candidate moves up at once")
	b.heard(at(0x82))
	b.Remove(Node{Key: Key{0x82}})
	b.Remove(Node{Key: Key{0x81}})
	b.Remove(at(0x99))
	require.Empty(t, slices.Collect(b.All()))
}

// Attack 17: an outage must not empty the table.
func TestOwnLinkDown(t *testing.T) {
	b := newBench(t, RandomKey(seeded(11), 20, Key{}, 0), Config{})
	b.fill(12, 3000)
	before := b.live()
	for range 3600 {
		b.wait(time.Second)
		for _, n := range b.pings() {
			b.failed(n)
		}
	}
	kept := slices.DeleteFunc(before[:len(before):len(before)], func(n Node) bool { return !b.has(n) })
	require.GreaterOrEqual(t, float64(len(kept)), 0.95*float64(b.Len()))

	b.answered(kept[0], 10)
	revived := 0
	for range 60 {
		b.wait(time.Second)
		for _, n := range b.pings() {
			b.answered(n, 10)
			revived++
		}
	}
	require.GreaterOrEqual(t, revived, b.Len()-1, "after one answer all are asked again, quickly")
	require.Len(t, b.AppendClosest(nil, b.Self(), 1000), b.Len())
}

func TestLinkDownIsProbedSlowly(t *testing.T) {
	b := newBench(t, RandomKey(seeded(13), 20, Key{}, 0), Config{})
	b.fill(14, 500)
	for i := range linkDown {
		b.failed(Node{Key{byte(i + 1)}, addr(90_000 + i)})
	}
	probes := 0
	for range 600 {
		b.wait(time.Second)
		probes += len(b.due())
	}
	require.InDelta(t, 60, probes, 1)
}
