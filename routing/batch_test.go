package routing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBatchAsksEachOnce(t *testing.T) {
	var nodes []Node
	var members []*member
	for k := byte(1); k <= 50; k++ {
		m := reg(k, time.Duration(k)*ms, 99)
		if k%5 == 0 {
			m.rtt = -1
		}
		members, nodes = append(members, m), append(nodes, m.node, m.node)
	}
	w := newWorld(members...)
	b := NewBatch(nodes, 4, LookupConfig{Hard: time.Second}, w)
	got, err := collect(t, b.Replies(t.Context()))
	require.NoError(t, err)
	require.Len(t, got, 40)
	require.Len(t, w.asks, 50)
	require.Equal(t, Stats{Asked: 50, Answered: 40, Late: 10, Failed: 10}, b.Stats())
	require.Equal(t, 1, w.closed)
	again, err := collect(t, b.Replies(t.Context()))
	require.NoError(t, err)
	require.Empty(t, again)
}

func TestBatchWindow(t *testing.T) {
	var nodes []Node
	for k := byte(1); k <= 9; k++ {
		nodes = append(nodes, at(k))
	}
	w := newWorld()
	b := NewBatch(nodes, 3, LookupConfig{Soft: time.Second, Hard: time.Second}, w)
	_, err := collect(t, b.Replies(t.Context()))
	require.ErrorIs(t, err, ErrNoAnswer)
	require.Equal(t, 3, w.most)
	require.Equal(t, 3*time.Second, w.now)

	late := newWorld()
	b = NewBatch(nodes, 3, LookupConfig{Soft: 100 * ms, Hard: time.Second}, late)
	_, err = collect(t, b.Replies(t.Context()))
	require.ErrorIs(t, err, ErrNoAnswer)
	require.Equal(t, 9, late.most, "late ones leave room")
}

func TestBatchEnds(t *testing.T) {
	w := newWorld(reg(1, 10*ms), reg(2, 20*ms), &member{node: at(3), refuse: errUnreachable})
	_, err := collect(t, NewBatch(nil, 0, LookupConfig{}, w).Replies(t.Context()))
	require.ErrorIs(t, err, ErrNoNodes)

	b := NewBatch([]Node{at(3), at(1), at(2)}, 0, LookupConfig{}, w)
	for range b.Replies(t.Context()) {
		break
	}
	require.Empty(t, w.open)
	require.Equal(t, Stats{Asked: 2, Answered: 1, Errors: 1}, b.Stats())

	w.window, w.most = 1, 0
	b = NewBatch([]Node{at(1), at(2), at(3)}, 0, LookupConfig{}, w)
	got, err := collect(t, b.Replies(t.Context()))
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, 1, w.most)
}

func TestBatchIgnoresForeignEvents(t *testing.T) {
	w := newWorld(reg(1, 10*ms))
	b := NewBatch([]Node{at(1)}, 0, LookupConfig{}, w)
	b.Start()
	require.False(t, b.Step(Event[answer]{Node: at(7), Outcome: Alive, Reply: answer{reg(7, 0)}}))
	require.False(t, b.Step(Event[answer]{Node: at(1), Outcome: Late}))
	require.False(t, b.Step(Event[answer]{Node: at(1), Outcome: Late}))
	require.True(t, b.Step(Event[answer]{Node: at(1), Outcome: Alive, Reply: answer{reg(1, 0)}}))
	require.Equal(t, 1, b.Stats().Answered)
	require.Zero(t, b.busy)
}
