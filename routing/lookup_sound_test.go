package routing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sounds are two closest nodes, three known, one of them late: the closest are to be asked for their neighbours.
func sounds(t *testing.T, cfg LookupConfig) *steps {
	cfg.K, cfg.Alpha, cfg.WaitLate, cfg.Sound = 2, 3, true, time.Second
	s := newSteps(t, cfg, 5, 7, 9)
	s.asks(5, 7, 9)
	s.settle(7, Alive)
	s.settle(9, Alive)
	s.asks() // 5 is not late yet
	s.done(false)
	s.settle(5, Late)
	return s
}

func TestClosestAreAskedForTheirNeighboursWhileLateOnesAreWaitedFor(t *testing.T) {
	s := sounds(t, LookupConfig{})
	require.False(t, s.Sounds(at(7)))
	s.asks(7, 9)
	require.True(t, s.Sounds(at(7)))
	require.False(t, s.Sounds(at(5)))
	s.settle(5, Failed)
	s.done(false)
	s.add(6) // whom 7 names
	s.settle(7, Alive)
	s.asks(6)
	s.settle(9, Late) // it has answered: not worth waiting for
	s.done(false)
	s.settle(6, Alive)
	s.asks(6) // it is among the closest now
	s.settle(6, Alive)
	s.done(true)
	s.found(6, 7)
	s.settle(9, Alive)
	s.done(true)
}

func TestWhoComesInAmongTheClosestIsAskedForItsNeighboursToo(t *testing.T) {
	s := sounds(t, LookupConfig{})
	s.asks(7, 9)
	s.add(6)
	s.settle(7, Alive)
	s.settle(9, Failed)
	s.settle(5, Failed)
	s.asks(6)
	s.settle(6, Alive)
	s.done(false)
	s.asks(6)
	s.settle(6, Failed)
	s.done(true)
	s.found(6, 7) // silent about its neighbours, and yet it answered
}

func TestNeighboursAreAskedForWithinTheLimits(t *testing.T) {
	s := sounds(t, LookupConfig{MaxQueries: 4})
	s.asks(7)
	s.settle(7, Alive)
	s.settle(5, Failed)
	s.done(true)

	s = sounds(t, LookupConfig{PerReply: 1})
	s.asks(7, 9)
	s.Forget(at(9))
	s.check()
	require.False(t, s.Sounds(at(9)))
	s.asks(9)
}

// soundingAsker is a scripted Asker that can ask for neighbours.
type soundingAsker struct {
	scripted[answer]
	sounded []Node
	hard    []time.Duration
}

func (s *soundingAsker) Ask(n Node, soft, hard time.Duration) error {
	s.hard = append(s.hard, hard)
	return s.scripted.Ask(n, soft, hard)
}

func (s *soundingAsker) Sound(n Node, _, _ time.Duration) error {
	s.sounded = append(s.sounded, n)
	return nil
}

func TestNeighboursAreNoAnswersOfTheWalk(t *testing.T) {
	ask := &soundingAsker{}
	walk := NewWalk[answer](Key{}, LookupConfig{K: 1, Sound: time.Second, Hard: time.Minute}, ask)
	walk.Add(at(7))
	walk.Start()
	step := func(k byte, names ...byte) (fresh bool) {
		ev := Event[answer]{Node: at(k), Outcome: Alive, Reply: answer{reg(k, 0, names...)}}
		fresh = walk.Fresh(ev)
		walk.Step(ev)
		require.NoError(t, walk.lookup.Check())
		return fresh
	}
	require.True(t, step(7))
	first := walk.ClosestReplies()
	require.Equal(t, []Node{at(7)}, ask.sounded)
	require.False(t, step(7, 9, 3))
	require.Equal(t, first, walk.ClosestReplies(), "its answer to the lookup's own query stays")
	require.Equal(t, []Node{at(7), at(3)}, ask.asked)
	require.Equal(t, []time.Duration{time.Minute, time.Second}, ask.hard)
	require.True(t, step(3))
	require.Equal(t, []Node{at(3)}, walk.ClosestNodes())
	require.False(t, step(3))
	require.True(t, walk.Done())
	require.Equal(t, Stats{Asked: 4, Answered: 4}, walk.Stats())
}

func TestNotEveryAskerCanAskForNeighbours(t *testing.T) {
	ask := &scripted[answer]{}
	walk := NewWalk[answer](Key{}, LookupConfig{K: 1, Sound: time.Second}, ask)
	walk.Add(at(7))
	walk.Start()
	require.True(t, walk.Step(Event[answer]{Node: at(7), Outcome: Alive, Reply: answer{reg(7, 0)}}))
}
