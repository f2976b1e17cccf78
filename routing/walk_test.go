package routing

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

func walkTo(w *world, target Key, cfg LookupConfig, from ...Node) *Walk[answer] {
	walk := NewWalk(target, cfg, w)
	for _, n := range from {
		walk.Add(n)
	}
	return walk
}

func TestWalkFollowsContacts(t *testing.T) {
	w := newWorld(reg(200, 10*ms, 100), reg(100, 10*ms, 50, 60), reg(50, 10*ms, 200), reg(60, 10*ms, 50))
	walk := walkTo(w, Key{}, LookupConfig{K: 2}, at(200))
	got, err := collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
	require.Len(t, got, 4)
	require.Equal(t, []Node{at(50), at(60)}, walk.ClosestNodes())
	require.Equal(t, []answer{{w.nodes[at(50)]}, {w.nodes[at(60)]}}, walk.ClosestReplies())
	require.Equal(t, Stats{Asked: 4, Answered: 4}, walk.Stats())
	require.Equal(t, 1, w.closed)
	require.Equal(t, 30*ms, w.now, "three hops")

	again, err := collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
	require.Empty(t, again)
}

func TestWalkWithNobodyEndsAtOnce(t *testing.T) {
	w := newWorld()
	got, err := collect(t, walkTo(w, Key{}, Fast()).Replies(t.Context()))
	require.Empty(t, got)
	require.ErrorIs(t, err, ErrNoNodes)
	require.Equal(t, 1, w.closed)
}

func TestWalkNobodyAnswers(t *testing.T) {
	w := newWorld()
	walk := walkTo(w, Key{}, Fast(), at(1), at(2))
	walk.AddSeed(addr(900))
	got, err := collect(t, walk.Replies(t.Context()))
	require.Empty(t, got)
	require.ErrorIs(t, err, ErrNoAnswer)
	require.ErrorIs(t, err, errUnreachable)
	require.ErrorContains(t, err, "3 asked")
	require.Equal(t, Stats{Asked: 3, Late: 3, Failed: 3}, walk.Stats())
}

func TestWalkFromSeedsAlone(t *testing.T) {
	w := newWorld(reg(200, 10*ms, 100), reg(100, 10*ms, 200))
	walk := walkTo(w, Key{}, Fast())
	walk.AddSeed(at(200).Addr)
	_, err := collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
	require.Equal(t, []Node{at(100), at(200)}, walk.ClosestNodes(), "the seed under the id it gave")
	require.Equal(t, []Node{{Addr: at(200).Addr}, at(100)}, w.asks, "and not asked again under it")
}

func TestWalkMeetsSomebodyElse(t *testing.T) {
	for _, test := range []struct {
		name    string
		key     Key
		closest []Node
	}{
		{"under another id", at(3).Key, []Node{{Key: at(3).Key, Addr: at(50).Addr}, at(60), at(200)}},
		{"without an id", Key{}, []Node{at(60), at(200)}},
		{"under an id that another has", at(200).Key, []Node{at(60), at(200)}},
	} {
		ask := &scripted[answer]{}
		walk := NewWalk[answer](Key{}, LookupConfig{K: 3}, ask)
		walk.Add(at(200))
		walk.Start()
		walk.Step(Event[answer]{Node: at(200), Outcome: Alive, Reply: answer{reg(200, 0, 50)}})
		walk.Step(Event[answer]{Node: at(50), Outcome: Alive, Reply: answer{&member{node: Node{Key: test.key, Addr: at(50).Addr}, names: []Node{at(60)}}}})
		require.NoError(t, walk.lookup.Check(), test.name)
		walk.Step(Event[answer]{Node: at(60), Outcome: Alive, Reply: answer{reg(60, 0)}})
		require.True(t, walk.Done(), test.name)
		require.Equal(t, test.closest, walk.ClosestNodes(), test.name)
		require.Equal(t, []Node{at(200), at(50), at(60)}, ask.asked, "%s: what it names counts, and it is not asked again", test.name)
		require.Equal(t, Stats{Asked: 3, Answered: 3}, walk.Stats(), test.name)
	}
}

// scripted is an Asker that only notes whom it was to ask.
type scripted[R Reply] struct{ asked []Node }

func (s *scripted[R]) Ask(n Node, _, _ time.Duration) error {
	s.asked = append(s.asked, n)
	return nil
}

func (s *scripted[R]) Wait(context.Context) (Event[R], error) { return Event[R]{}, context.Canceled }

func (s *scripted[R]) Close() {}

func TestBreakClosesAsker(t *testing.T) {
	w := newWorld(reg(1, 10*ms), reg(2, 20*ms), reg(3, 30*ms))
	walk := walkTo(w, Key{}, Fast(), at(1), at(2), at(3))
	for r, err := range walk.Replies(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, at(1), r.node)
		break
	}
	require.Equal(t, 1, w.closed)
	require.Empty(t, w.open)
	require.Equal(t, []Node{at(1)}, walk.ClosestNodes(), "what was found stays")
	require.Equal(t, Stats{Asked: 3, Answered: 1}, walk.Stats())
}

func TestCancelledWalkTellsWhy(t *testing.T) {
	w := newWorld(reg(1, 10*ms), reg(2, 20*ms))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("user went home")
	n := 0
	var last error
	for _, err := range walkTo(w, Key{}, Fast(), at(1), at(2)).Replies(ctx) {
		cancel(why)
		n, last = n+1, err
	}
	require.Equal(t, 2, n)
	require.ErrorIs(t, last, why)
	require.Equal(t, 1, w.closed)
}

func TestUnaskableNodesAreCounted(t *testing.T) {
	filtered := &member{node: at(1), refuse: errors.New("filtered")}
	w := newWorld(filtered, reg(2, 10*ms))
	walk := walkTo(w, Key{}, Fast(), at(1), at(2))
	_, err := collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
	require.Equal(t, Stats{Asked: 1, Answered: 1, Errors: 1}, walk.Stats())

	walk = walkTo(newWorld(filtered), Key{}, Fast(), at(1))
	_, err = collect(t, walk.Replies(t.Context()))
	require.ErrorIs(t, err, ErrNoAnswer)
	require.ErrorIs(t, err, filtered.refuse)
}

func TestWalkWaitsForRoom(t *testing.T) {
	r := seeded(70)
	target := RandomKey(r, 20, Key{}, 0)
	w, members := randomWorld(r, 200, 0.2, target)
	w.window = 2
	walk := walkTo(w, target, Fast(), members[0].node, members[1].node, members[2].node, members[3].node)
	_, err := collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
	require.Equal(t, 2, w.most)
	require.Equal(t, short(livingClosest(members, target, 8)), short(walk.ClosestNodes()))

	// No room although nothing of ours is out.
	w = newWorld(reg(1, 10*ms))
	w.window = 1
	w.open[at(9)] = true
	walk = walkTo(w, Key{}, Fast(), at(1))
	walk.Start()
	require.False(t, walk.Done())
	require.Empty(t, w.asks)
	delete(w.open, at(9))
	_, err = collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
}

func TestLateReplyCounts(t *testing.T) {
	w := newWorld(reg(1, 400*ms), reg(2, 150*ms, 3), reg(3, 500*ms))
	cfg := LookupConfig{K: 3, Alpha: 2, Soft: 100 * ms}
	walk := walkTo(w, Key{}, cfg, at(1), at(2))
	_, err := collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
	require.Equal(t, []Node{at(1), at(2), at(3)}, walk.ClosestNodes())
	require.Equal(t, Stats{Asked: 3, Answered: 3, Late: 3}, walk.Stats())
}

func TestDeadlinesAdapt(t *testing.T) {
	var members []*member
	var from []Node
	for k := byte(1); k <= 40; k++ {
		m := reg(k, 20*ms)
		if k%2 == 0 {
			m.rtt = -1
		}
		members, from = append(members, m), append(from, m.node)
	}
	w := newWorld(members...)
	rtts := new(RTTs)
	walk := walkTo(w, Key{}, LookupConfig{Alpha: 2, RTTs: rtts}, from...)
	_, err := collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
	require.Equal(t, 185*ms, rtts.Soft())
	require.Equal(t, []Node{at(1), at(3), at(5), at(7), at(9), at(11), at(13), at(15)}, walk.ClosestNodes())
	require.Less(t, w.now, 2*time.Second, "one second for the first, 185 ms for each dead one later")
}

func TestReplyMayNameOnlySoMany(t *testing.T) {
	liar := reg(250, 10*ms)
	for i := range 5000 {
		liar.names = append(liar.names, Node{Key{1, byte(i >> 8), byte(i)}, addr(1000 + i)})
	}
	w := newWorld(liar)
	walk := walkTo(w, Key{}, Fast(), at(250))
	_, err := collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
	require.LessOrEqual(t, len(w.asks), 1+maxNamed)
}

// In a network where four of ten contacts are dead both profiles find exactly the closest living nodes.
func TestExactClosestAmongTheDead(t *testing.T) {
	r := seeded(71)
	target := RandomKey(r, 20, Key{}, 0)
	w, members := randomWorld(r, 500, 0.4, target)
	for name, cfg := range map[string]LookupConfig{
		"fast": Fast(), "thorough": Thorough(),
		"alpha 3":  {Alpha: 3, CountAll: true, Soft: 2 * time.Second, Hard: 2 * time.Second},
		"16":       {Alpha: 16, CountAll: true, Soft: 2 * time.Second, Hard: 2 * time.Second},
		"5, 1s/15": {Alpha: 5, Soft: time.Second, Hard: 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r := seeded(72)
			for range 20 {
				w.Close()
				w.asks, w.most = nil, 0
				walk := NewWalk(target, cfg, w)
				for range 8 {
					walk.Add(members[r.IntN(len(members))].node)
				}
				_, err := collect(t, walk.Replies(t.Context()))
				require.NoError(t, err)
				require.Equal(t, short(livingClosest(members, target, 8)), short(walk.ClosestNodes()))
				require.NoError(t, walk.lookup.Check())
				if cfg.CountAll {
					require.LessOrEqual(t, w.most, cfg.Alpha)
				}
				require.Equal(t, len(w.asks), walk.Stats().Asked)
			}
		})
	}
}

func TestSteppedWalk(t *testing.T) {
	r := seeded(72)
	target := RandomKey(r, 20, Key{}, 0)
	w, members := randomWorld(r, 300, 0.4, target)
	walk := walkTo(w, target, Fast(), members[0].node, members[1].node, members[2].node, members[3].node)
	walk.Start()
	for done := walk.Done(); !done; {
		ev, err := w.Wait(t.Context())
		require.NoError(t, err)
		done = walk.Step(ev)
		require.NoError(t, walk.lookup.Check())
	}
	require.NoError(t, walk.Err())
	require.Equal(t, short(livingClosest(members, target, 8)), short(walk.ClosestNodes()))
}

func TestPopulate(t *testing.T) {
	w := newWorld(reg(1, 10*ms), reg(2, -1))
	stats, err := Populate(t.Context(), walkTo(w, Key{}, Fast(), at(1), at(2)))
	require.NoError(t, err)
	require.Equal(t, Stats{Asked: 2, Answered: 1, Late: 1, Failed: 1}, stats)
	_, err = Populate(t.Context(), walkTo(w, Key{}, Fast()))
	require.ErrorIs(t, err, ErrNoNodes)
}

// Nodes that may not be part of the result are asked, their contacts followed, and K others are found all the same.
func TestGuestsHelpAndDoNotCount(t *testing.T) {
	w := newWorld(reg(200, 10*ms, 10, 20, 100), reg(100, 10*ms, 50, 60), reg(10, 10*ms, 50), reg(20, 10*ms), reg(50, 10*ms), reg(60, 10*ms))
	cfg := LookupConfig{K: 2, Keep: 3, Eligible: func(n Node) bool { return n != at(10) && n != at(20) }}
	walk := walkTo(w, Key{}, cfg, at(200))
	got, err := collect(t, walk.Replies(t.Context()))
	require.NoError(t, err)
	require.Len(t, got, 6)
	require.Equal(t, []Node{at(50), at(60)}, walk.ClosestNodes())
	require.Equal(t, []answer{{w.nodes[at(50)]}, {w.nodes[at(60)]}}, walk.ClosestReplies())
	require.Equal(t, []answer{{w.nodes[at(50)]}, {w.nodes[at(60)]}, {w.nodes[at(100)]}}, walk.Kept())
}
