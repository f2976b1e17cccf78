package routing

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// world is a scripted network in virtual time: who answers whom with what, after how long.
type world struct {
	nodes  map[Node]*member // under a zero Key too, for those that ask by address alone
	window int              // queries the asker allows at once; 0: any number
	now    time.Duration
	events eventHeap[answer]
	open   map[Node]bool // queries out
	asks   []Node
	most   int // most queries out at once
	closed int
	owed   bool // a Room event
}

// member is one node of the world.
type member struct {
	node   Node
	rtt    time.Duration // negative: dead
	names  []Node
	refuse error // Ask fails
}

type answer struct{ *member }

func (a answer) Sender() Node { return a.node }

func (a answer) Contacts(yield func(Node) bool) {
	for _, n := range a.names {
		if !yield(n) {
			return
		}
	}
}

// timed is an event that is to happen.
type timed[R Reply] struct {
	at time.Duration
	ev Event[R]
}

type eventHeap[R Reply] []timed[R]

func (h eventHeap[R]) Len() int           { return len(h) }
func (h eventHeap[R]) Less(i, j int) bool { return h[i].at < h[j].at }
func (h eventHeap[R]) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *eventHeap[R]) Push(x any)        { *h = append(*h, x.(timed[R])) }
func (h *eventHeap[R]) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func newWorld(members ...*member) *world {
	w := &world{nodes: map[Node]*member{}, open: map[Node]bool{}}
	for _, m := range members {
		w.nodes[m.node] = m
		w.nodes[Node{Addr: m.node.Addr}] = m
	}
	return w
}

// reg makes a member with a one-byte key that names others.
func reg(k byte, rtt time.Duration, names ...byte) *member {
	m := &member{node: at(k), rtt: rtt}
	for _, n := range names {
		m.names = append(m.names, at(n))
	}
	return m
}

var errUnreachable = errors.New("no route to host")

func (w *world) Ask(n Node, soft, hard time.Duration) error {
	m := w.nodes[n]
	switch {
	case m != nil && m.refuse != nil:
		return m.refuse
	case w.window > 0 && len(w.open) >= w.window:
		w.owed = true
		return fmt.Errorf("group: %w", ErrFull)
	}
	w.asks = append(w.asks, n)
	w.open[n] = true
	w.most = max(w.most, len(w.open))
	push := func(after time.Duration, ev Event[answer]) {
		ev.Node = n
		heap.Push(&w.events, timed[answer]{w.now + after, ev})
	}
	alive := m != nil && m.rtt >= 0 && m.rtt < hard
	if soft < hard && (!alive || soft < m.rtt) {
		push(soft, Event[answer]{Outcome: Late})
	}
	if alive {
		push(m.rtt, Event[answer]{Outcome: Alive, Reply: answer{m}, RTT: m.rtt})
	} else {
		push(hard, Event[answer]{Outcome: Failed, Err: errUnreachable})
	}
	return nil
}

func (w *world) Wait(ctx context.Context) (Event[answer], error) {
	if err := context.Cause(ctx); err != nil {
		return Event[answer]{}, err
	}
	if w.owed && len(w.open) < w.window {
		w.owed = false
		return Event[answer]{Outcome: Room}, nil
	}
	if len(w.events) == 0 {
		return Event[answer]{}, errors.New("world: nothing will ever happen")
	}
	next := heap.Pop(&w.events).(timed[answer])
	w.now = next.at
	if next.ev.Outcome != Late {
		delete(w.open, next.ev.Node)
	}
	return next.ev, nil
}

func (w *world) Close() {
	w.closed++
	w.events, w.open = nil, map[Node]bool{}
}

// randomWorld makes n nodes, a share of which is dead. Each names the twenty closest to the target, dead or not, of what
// buckets of twenty came to hold: with eight, dead ones may hide a living one from everybody.
func randomWorld(r *rand.Rand, n int, dead float64, target Key) (*world, []*member) {
	members := make([]*member, n)
	for i := range members {
		m := &member{
			node: Node{RandomKey(r, 20, Key{}, 0), addr(i)},
			rtt:  time.Duration(20+r.IntN(90)) * time.Millisecond,
		}
		if r.Float64() < dead {
			m.rtt = -1
		}
		members[i] = m
	}
	for _, m := range members {
		var held [160]int
		for _, i := range r.Perm(n) {
			o := members[i].node
			if depth := CommonBits(m.node.Key, o.Key); o != m.node && held[depth] < 20 {
				held[depth]++
				m.names = append(m.names, o)
			}
		}
		slices.SortFunc(m.names, func(a, b Node) int { return CompareDistance(target, a.Key, b.Key) })
		m.names = m.names[:min(20, len(m.names))]
	}
	return newWorld(members...), members
}

// livingClosest returns the k living members closest to target.
func livingClosest(members []*member, target Key, k int) []Node {
	var nodes []Node
	for _, m := range members {
		if m.rtt >= 0 {
			nodes = append(nodes, m.node)
		}
	}
	slices.SortFunc(nodes, func(a, b Node) int { return CompareDistance(target, a.Key, b.Key) })
	return nodes[:min(k, len(nodes))]
}

// short prints keys so that a failing test can be read.
func short(nodes []Node) (out []string) {
	for _, n := range nodes {
		out = append(out, n.Key.String()[:8])
	}
	return out
}

func collect[R any](t testing.TB, seq func(func(R, error) bool)) (got []R, last error) {
	for r, err := range seq {
		require.NoError(t, last, "an error comes last")
		if last = err; err == nil {
			got = append(got, r)
		}
	}
	return got, last
}
