package routing

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuestionableNodesArePinged(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(4))
	b.answered(at(0x80), 10)
	b.wait(10 * time.Minute)
	b.answered(at(0x81), 10)
	require.Empty(t, b.pings())
	b.wait(5 * time.Minute)
	require.Equal(t, []Node{at(0x80)}, b.pings(), "15 minutes without a word")
	require.Empty(t, b.pings(), "handed out once")
	b.wait(retryAfter)
	require.Equal(t, []Node{at(0x80)}, b.pings(), "and again if nobody says how it went")
	b.answered(at(0x80), 10)
	b.wait(retryAfter)
	require.Empty(t, b.pings())

	b.heard(at(0x81))
	b.wait(14 * time.Minute)
	require.NotContains(t, b.pings(), at(0x81), "a query from it shows it alive")
}

func TestFailingNodesAreRetried(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(4))
	b.answered(at(0x80), 10)
	b.failed(at(0x80))
	require.Empty(t, b.pings())
	for range 2 {
		b.wait(retryAfter)
		require.Equal(t, []Node{at(0x80)}, b.pings())
		b.failed(at(0x80))
	}
	require.Zero(t, b.Len())
}

func TestCandidatesAreVerifiedAfterTheDelay(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	b.heard(at(0x80))
	b.wait(time.Minute)
	b.heard(at(0x81))
	require.Empty(t, b.pings())
	b.wait(30 * time.Second)
	require.Equal(t, []Node{at(0x80)}, b.pings())
	b.failed(at(0x80))
	require.Equal(t, []Node{at(0x81)}, b.waiting(), "a silent candidate goes at once")
	b.wait(time.Minute)
	require.Equal(t, []Node{at(0x81)}, b.pings())
	require.True(t, b.answered(at(0x81), 10))
}

func TestCandidatesOfAFullBucketWait(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(1))
	b.answered(at(0x80), 10)
	b.heard(at(0x81))
	b.wait(2 * time.Minute)
	require.Empty(t, b.pings(), "no room: no ping")
	b.failed(at(0x80))
	require.Equal(t, []Node{at(0x81)}, b.pings(), "the node fails: is there another?")
	b.answered(at(0x81), 10)
	b.failed(at(0x80))
	require.Equal(t, []Node{at(0x81)}, b.live())
}

func TestCandidatesThatSplitTheHomeBucketAreVerified(t *testing.T) {
	b := newBench(t, Key{}, Config{KeyLen: 1, K: 1, Cache: 2})
	b.answered(at(0x80), 10)
	b.heard(at(0x81))
	b.heard(at(0x40))
	b.wait(2 * time.Minute)
	require.Equal(t, []Node{at(0x40)}, b.pings(), "0x81 would not separate anybody")
	b.answered(at(0x40), 10)
	require.Equal(t, 2, b.Buckets())
	b.wait(2 * time.Minute)
	require.Empty(t, b.pings(), "the far bucket is full for good")
}

func TestNextFollowsEvents(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	b.answered(at(0x80), 10)
	_, next := b.Due(nil, b.now)
	require.Equal(t, next, b.Next())
	b.heard(at(0x81))
	require.Equal(t, b.now.Add(90*time.Second), b.Next(), "a candidate is due earlier")
	b.failed(at(0x80))
	require.Equal(t, b.now, b.Next())
}

func TestRefreshAll(t *testing.T) {
	b := newBench(t, RandomKey(seeded(31), 20, Key{}, 0), Config{})
	b.fill(32, 500)
	b.wait(time.Hour)
	b.fill(33, 500)
	b.due()
	b.RefreshAll()
	depths := map[int]bool{}
	for range 15 * 60 {
		for _, task := range b.due() {
			if task.Kind == Refresh {
				depths[min(CommonBits(task.Target, b.Self()), b.Buckets()-1)] = true
			}
		}
		b.wait(time.Second)
	}
	require.Len(t, depths, b.Buckets())
}

func TestRoomIsNotOverbooked(t *testing.T) {
	cfg := oneByte(2)
	cfg.VerifyDelay, cfg.Cache = -1, 8
	b := newBench(t, Key{1}, cfg)
	for k := byte(0x80); k < 0x88; k++ {
		b.heard(at(k))
	}
	require.Len(t, b.pings(), 2, "two places, two pings")
	require.Empty(t, b.pings())
	b.wait(retryAfter)
	require.Len(t, b.pings(), 2)
}

// Attack 5: a flood of queries from fresh ids causes at most one ping a second and no entry.
func TestStrangersCannotMakeUsPing(t *testing.T) {
	r := seeded(20)
	b := newBench(t, RandomKey(r, 20, Key{}, 0), Config{Far: WideFar})
	b.fill(21, 200)
	sound := b.live()
	const queries, perSecond = 100_000, 250
	pings := 0
	for i := range queries {
		b.Heard(Node{RandomKey(r, 20, b.Self(), r.IntN(14)), addr(10_000 + i)}, b.now)
		if i%perSecond != 0 {
			continue
		}
		b.wait(time.Second)
		for _, n := range b.pings() {
			if !slices.Contains(sound, n) {
				pings++
				continue
			}
			b.Answered(n, 10*time.Millisecond, b.now)
		}
	}
	require.Positive(t, pings)
	require.LessOrEqual(t, pings, queries/perSecond)
	for _, n := range b.live() {
		require.Contains(t, sound, n)
	}
}

func TestPrivateNetworkVerifiesAtOnce(t *testing.T) {
	b := newBench(t, RandomKey(seeded(22), 20, Key{}, 0), Config{VerifyDelay: -1})
	for i := range 200 {
		b.heard(Node{RandomKey(seeded(uint64(i)), 20, Key{}, 0), addr(i)})
	}
	for range 50 {
		for _, n := range b.pings() {
			b.answered(n, 1)
		}
		b.wait(fastSpacing)
	}
	require.GreaterOrEqual(t, b.Len(), 8)
	require.Empty(t, b.pings())
}

func TestPingsComeInPortions(t *testing.T) {
	b := newBench(t, RandomKey(seeded(23), 20, Key{}, 0), Config{})
	b.fill(24, 3000)
	b.wait(time.Hour)
	seen := map[Node]bool{}
	for range b.Len()/pingsPerCall + 1 {
		nodes := b.pings()
		require.LessOrEqual(t, len(nodes), pingsPerCall)
		for _, n := range nodes {
			require.False(t, seen[n])
			seen[n] = true
			b.answered(n, 10)
		}
		b.wait(callSpacing)
	}
	require.Len(t, seen, b.Len())
}

func TestUntouchedBucketsAreRefreshed(t *testing.T) {
	b := newBench(t, RandomKey(seeded(25), 20, Key{}, 0), Config{})
	require.Empty(t, b.due(), "an empty table has nobody to ask")
	b.fill(26, 1000)
	depths := map[int]int{}
	for range 20 * 60 {
		b.wait(time.Second)
		for _, task := range b.due() {
			if task.Kind == Refresh {
				depths[min(CommonBits(task.Target, b.Self()), b.Buckets()-1)]++
				require.Zero(t, task.Target.window(160, 8), "targets have the length of ids")
			} else {
				b.answered(task.Node, 10)
			}
		}
	}
	require.Len(t, depths, b.Buckets(), "every bucket once in 20 minutes, in its own range")
	for _, n := range depths {
		require.Equal(t, 1, n)
	}
}

func TestTouchedBucketsAreNotRefreshed(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	b.answered(at(0x80), 10)
	b.answered(at(0x02), 10)
	for range 4 {
		b.wait(10 * time.Minute)
		b.answered(at(0x80), 10)
		require.NotContains(t, kinds(b.due()), Refresh)
	}
	b.wait(15 * time.Minute)
	require.Contains(t, kinds(b.due()), Refresh)
}

func kinds(tasks []Task) (k []TaskKind) {
	for _, task := range tasks {
		k = append(k, task.Kind)
	}
	return k
}

func TestDueIsIdleBetweenWakeUps(t *testing.T) {
	b := newBench(t, RandomKey(seeded(27), 20, Key{}, 0), Config{Far: WideFar})
	b.fill(28, 2000)
	tasks, next := b.Due(nil, b.now)
	require.Empty(t, tasks)
	require.Greater(t, next.Sub(b.now), 10*time.Minute, "a fresh table can sleep")
	calls, dst := 0, make([]Task, 0, 16)
	for end := b.now.Add(24 * time.Hour); b.now.Before(end); calls++ {
		dst, next = b.Due(dst[:0], b.now)
		for _, task := range dst {
			if task.Kind == Ping {
				b.Answered(task.Node, time.Millisecond, b.now)
			}
		}
		require.True(t, next.After(b.now))
		b.now = next
	}
	require.Less(t, calls, 24*400, "wake-ups in a day")
}

func TestDueAllocatesNothing(t *testing.T) {
	b := newBench(t, RandomKey(seeded(29), 20, Key{}, 0), Config{})
	b.fill(30, 2000)
	dst := make([]Task, 0, 16)
	require.Zero(t, testing.AllocsPerRun(50, func() {
		b.wait(time.Minute)
		dst, _ = b.Due(dst[:0], b.now)
	}))
}

// A node that asks us again and again, because we are nearly all it knows, is not left waiting for that.
func TestTalkativeCandidatesAreVerifiedToo(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	for at0 := b.now; ; b.wait(10 * time.Second) {
		b.heard(at(0x80))
		if len(b.pings()) > 0 {
			require.Equal(t, 90*time.Second, b.now.Sub(at0))
			break
		}
		require.Less(t, b.now.Sub(at0), 2*time.Minute)
	}
}
