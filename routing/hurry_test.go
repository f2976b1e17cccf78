package routing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// refreshed counts the refreshes of the next while; what each brings is given by bring.
func (b *bench) refreshed(d time.Duration, bring func(target Key)) (n int) {
	for end := b.now.Add(d); b.now.Before(end); b.wait(time.Second) {
		for _, task := range b.due() {
			switch task.Kind {
			case Refresh:
				n++
				bring(task.Target)
			case Ping:
				b.Answered(task.Node, time.Millisecond, b.now)
			}
		}
	}
	return n
}

func TestRefreshesHurryWhileTheyBringSomebody(t *testing.T) {
	r := seeded(41)
	b := newBench(t, RandomKey(r, 20, Key{}, 0), Config{Far: WideFar})
	b.fill(42, 8)
	none := func(Key) {}
	require.Zero(t, b.refreshed(14*time.Minute, none), "no haste without a join")
	b.RefreshAll()
	host := 1000
	brings := func(target Key) {
		for range 8 {
			host++
			b.Answered(Node{RandomKey(r, 20, target, 8), addr(host)}, time.Millisecond, b.now)
		}
		b.check()
	}
	require.Greater(t, b.refreshed(10*time.Minute, brings), 20)
	require.Greater(t, b.Len(), 130)

	alone := newBench(t, RandomKey(r, 20, Key{}, 0), Config{Far: WideFar})
	alone.fill(43, 12)
	alone.RefreshAll()
	n := alone.refreshed(time.Hour, none)
	require.InDelta(t, 7+3, n, 2, "in a network of a dozen there is soon none: 1+2+4+…+32 sixty-fourths of 15 min, then as ever")
}

// A node often learns its address, and so its id, just after it has joined.
func TestANewIDDoesNotEndTheHurry(t *testing.T) {
	r := seeded(46)
	b := newBench(t, RandomKey(r, 20, Key{}, 0), Config{Far: WideFar})
	b.fill(47, 8)
	b.RefreshAll()
	b.Rebase(RandomKey(r, 20, Key{}, 0), b.now)
	require.Greater(t, b.refreshed(10*time.Minute, func(Key) {}), 3)
}

func TestFullBucketsAreInNoHurry(t *testing.T) {
	r := seeded(44)
	b := newBench(t, RandomKey(r, 20, Key{}, 0), Config{})
	b.fill(45, 2000)
	b.RefreshAll()
	perBucket := float64(b.refreshed(30*time.Minute, func(Key) {})) / float64(b.Buckets())
	require.Less(t, perBucket, 4.)
}

func TestKnows(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(1))
	b.answered(at(0x80), 1)
	b.heard(at(0x81))
	require.True(t, b.Knows(at(0x80)))
	require.True(t, b.Knows(at(0x81)))
	require.False(t, b.Knows(at(0x82)))
	require.False(t, b.Knows(Node{Key{0x80}, addr(999)}))
	require.False(t, b.Knows(Node{Key{0x81}, addr(999)}))
}

// Whoever answers first may be there to lead us to its friends: the other seeds are waited for until they are late.
func TestLookupsWaitForTheirSeeds(t *testing.T) {
	l := NewLookup(Key{}, LookupConfig{K: 2})
	quick, slow := addr(1), addr(2)
	l.AddSeed(quick)
	l.AddSeed(slow)
	for range 2 {
		_, ok := l.Next()
		require.True(t, ok)
	}
	l.Settle(Node{Key{9}, quick}, Alive)
	friends := []Node{{Key{3}, addr(3)}, {Key{4}, addr(4)}}
	for _, n := range friends {
		l.Add(n, Node{Key{9}, quick})
	}
	for range friends {
		n, ok := l.Next()
		require.True(t, ok)
		l.Settle(n, Alive)
	}
	require.False(t, l.Done())
	l.Settle(Node{Key{8}, slow}, Alive)
	l.Add(Node{Key{1}, addr(5)}, Node{Key{8}, slow})
	n, ok := l.Next()
	require.True(t, ok)
	l.Settle(n, Alive)
	require.True(t, l.Done())
	require.Equal(t, []Node{{Key{1}, addr(5)}, friends[0]}, l.AppendClosest(nil, 2))

	silent := NewLookup(Key{}, LookupConfig{K: 1})
	silent.AddSeed(quick)
	silent.AddSeed(slow)
	silent.Next()
	silent.Next()
	silent.Settle(Node{Key{9}, quick}, Alive)
	require.False(t, silent.Done())
	silent.Settle(Node{Addr: slow}, Late)
	require.True(t, silent.Done(), "but not for ever")
}
