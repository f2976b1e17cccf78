package routing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// even prefers even keys.
func even(k int) Config {
	cfg := oneByte(k)
	cfg.Prefer = func(n Node) bool { return n.Key[0]%2 == 0 }
	return cfg
}

func TestPreferredNodesTakeThePlaceOfOthers(t *testing.T) {
	b := newBench(t, Key{1}, even(3))
	b.answered(at(0x81), 10)
	b.answered(at(0x83), 90)
	b.answered(at(0x84), 500)
	require.False(t, b.answered(at(0x85), 1), "one that is not preferred waits, however fast it is")
	require.True(t, b.answered(at(0x86), 900))
	require.ElementsMatch(t, []Node{at(0x81), at(0x84), at(0x86)}, b.live(), "the slowest of those that are not goes")
	require.Contains(t, b.waiting(), at(0x83))
	require.True(t, b.answered(at(0x88), 900))
	require.False(t, b.answered(at(0x8a), 1), "among themselves the first comers stay")
	require.ElementsMatch(t, []Node{at(0x84), at(0x86), at(0x88)}, b.live())
}

func TestFailuresCountMoreThanPreference(t *testing.T) {
	b := newBench(t, Key{1}, even(2))
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.failed(at(0x80))
	b.failed(at(0x80))
	require.True(t, b.answered(at(0x83), 10))
	require.ElementsMatch(t, []Node{at(0x81), at(0x83)}, b.live())
	b.failed(at(0x81))
	b.failed(at(0x83))
	b.failed(at(0x81))
	b.failed(at(0x83))
	require.True(t, b.answered(at(0x85), 10))
	require.True(t, b.answered(at(0x87), 10))
}

func TestPreferredCandidatesMoveUpFirst(t *testing.T) {
	b := newBench(t, Key{1}, even(2))
	b.answered(at(0x80), 10)
	b.answered(at(0x82), 10)
	b.answered(at(0x84), 10)
	b.wait(time.Second)
	b.answered(at(0x85), 10)
	require.ElementsMatch(t, []Node{at(0x84), at(0x85)}, b.waiting())
	b.Remove(at(0x80))
	b.check()
	require.ElementsMatch(t, []Node{at(0x82), at(0x84)}, b.live())
}

func TestPreferredCandidatesArePingedFirst(t *testing.T) {
	b := newBench(t, Key{1}, even(4))
	b.heard(at(0x80))
	b.wait(time.Second)
	b.heard(at(0x81))
	b.wait(100 * time.Second)
	require.Equal(t, []Node{at(0x80)}, b.pings())
	b.wait(time.Second)
	require.Equal(t, []Node{at(0x81)}, b.pings())
}

func TestCacheKeepsThePreferred(t *testing.T) {
	cfg := even(2)
	cfg.Cache = 2
	b := newBench(t, Key{1}, cfg)
	b.answered(at(0xf0), 10)
	b.answered(at(0xf2), 10)
	b.heard(at(0x82))
	b.wait(time.Second)
	b.heard(at(0x83))
	b.answered(at(0x84), 10)
	require.ElementsMatch(t, []Node{at(0x82), at(0x84)}, b.waiting(), "the later, but not preferred one makes way")
}

func TestWideBucketsPreferToo(t *testing.T) {
	// Self 0, far bucket of 4 for keys 1xxxxxxx: slots are the next two bits, 100 101 110 111.
	cfg := even(2)
	cfg.Far = []int{4}
	b := newBench(t, Key{}, cfg)
	b.answered(at(0x02), 1)
	for k, ms := range map[byte]int{0x80: 50, 0x81: 60, 0xa0: 70, 0xc0: 90} {
		require.True(t, b.answered(at(k), ms))
	}
	require.False(t, b.answered(at(0xa1), 1), "faster, but not preferred")
	require.True(t, b.answered(at(0x82), 900))
	require.False(t, b.has(at(0x81)))
	require.False(t, b.answered(at(0x84), 901))
	require.True(t, b.answered(at(0x86), 899), "among equals round trips count")
}

// What a node is preferred for stays with it through failures, answers, moves and a new own id.
func TestPreferenceStays(t *testing.T) {
	b := newBench(t, Key{1}, even(2))
	b.answered(at(0x80), 10)
	b.failed(at(0x80))
	moved := Node{Key{0x80}, addr(999)}
	require.True(t, b.answered(moved, 10))
	b.answered(moved, 20)
	b.answered(at(0x81), 10)
	b.Rebase(Key{3}, b.now)
	require.True(t, b.answered(at(0x82), 10))
	require.ElementsMatch(t, []Node{moved, at(0x82)}, b.live())
	require.False(t, b.answered(at(0x84), 10))

	none := newBench(t, Key{1}, oneByte(1))
	none.answered(at(0x81), 90)
	require.False(t, none.answered(at(0x80), 1), "without the hook nobody is preferred")
}

func TestSwappedNodesAreJudged(t *testing.T) {
	cfg := even(1)
	cfg.OnFull = func([]Node, Node) {}
	b := newBench(t, Key{1}, cfg)
	b.answered(at(0x81), 10)
	b.answered(at(0x82), 10)
	require.True(t, b.Swap(at(0x81), at(0x82), b.now))
	b.cfg.OnFull = nil
	require.False(t, b.answered(at(0x84), 1))
}

func TestChangedIDs(t *testing.T) {
	type change struct {
		old, now Node
		at       time.Time
	}
	var changes []change
	cfg := oneByte(2)
	cfg.OnChange = func(old, now Node, at time.Time) { changes = append(changes, change{old, now, at}) }
	b := newBench(t, Key{1}, cfg)
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.answered(at(0x82), 10)
	b.heard(at(0x70))
	other := Node{Key{0x90}, at(0x80).Addr}
	b.wait(time.Second)
	require.False(t, b.answered(other, 10))
	require.Equal(t, []change{{at(0x80), other, b.now}}, changes)
	b.answered(Node{Key{0x91}, at(0x70).Addr}, 10)
	require.Len(t, changes, 1, "a claim that proves wrong is no change")

	b.Changed(Node{Key{0x92}, at(0x81).Addr})
	b.check()
	require.False(t, b.has(at(0x81)))
	for c := range b.All() {
		require.NotEqual(t, Key{0x92}, c.Key, "from what shows the change it does not come in")
	}
	b.Changed(at(0x82))
	require.True(t, b.has(at(0x82)), "it is known under this id")
	b.Changed(Node{Key{0x93}, addr(500)})
	require.Len(t, changes, 1)
}
