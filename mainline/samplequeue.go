package mainline

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/routing"
)

// sampleQueue decides which node is sampled next: those whose interval is over, else one that was not asked yet. It is a
// plain value: no clock, no socket.
type sampleQueue struct {
	revisit time.Duration // no node is asked again sooner
	most    int           // nodes that are remembered
	ports   bool          // one address may have several nodes

	known map[netip.AddrPort]bool
	fresh []routing.Node // not asked yet, first come first
	due   []dueNode      // a heap: the earliest first
}

// dueNode is a node that may be asked again.
type dueNode struct {
	routing.Node
	at time.Time
}

func newSampleQueue(revisit time.Duration, most int, ports bool) *sampleQueue {
	return &sampleQueue{revisit: revisit, most: most, ports: ports, known: make(map[netip.AddrPort]bool)}
}

// offer enters a node, unless it or another at its address was entered before.
func (q *sampleQueue) offer(n routing.Node) {
	end := netip.AddrPortFrom(n.Addr.Addr().Unmap(), n.Addr.Port())
	if !q.ports {
		end = netip.AddrPortFrom(end.Addr(), 0)
	}
	if len(q.known) >= q.most || q.known[end] {
		return
	}
	q.known[end] = true
	q.fresh = append(q.fresh, n)
}

// next returns the node to ask now. Without one it returns when there will be, if ever.
func (q *sampleQueue) next(now time.Time) (n routing.Node, ok bool, at time.Time) {
	if len(q.due) > 0 && !now.Before(q.due[0].at) {
		return q.pop(), true, now
	}
	if len(q.fresh) > 0 {
		n, q.fresh = q.fresh[0], q.fresh[1:]
		return n, true, now
	}
	if len(q.due) > 0 {
		return routing.Node{}, false, q.due[0].at
	}
	return routing.Node{}, false, time.Time{}
}

// back puts a node back that could not be asked for lack of room.
func (q *sampleQueue) back(n routing.Node) { q.fresh = slices.Insert(q.fresh, 0, n) }

// again has a node asked again when its interval is over.
func (q *sampleQueue) again(n routing.Node, interval time.Duration, now time.Time) {
	q.due = append(q.due, dueNode{n, now.Add(max(interval, q.revisit))})
	for i := len(q.due) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.due[i].at.Before(q.due[parent].at) {
			return
		}
		q.due[i], q.due[parent] = q.due[parent], q.due[i]
		i = parent
	}
}

// pop takes the earliest out of the heap.
func (q *sampleQueue) pop() routing.Node {
	first, last := q.due[0].Node, len(q.due)-1
	q.due[0] = q.due[last]
	q.due = q.due[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if q.due[c].at.Before(q.due[least].at) {
				least = c
			}
		}
		if least == i {
			return first
		}
		q.due[i], q.due[least] = q.due[least], q.due[i]
		i = least
	}
}

// SampleConfig shapes a SampleWalk.
type SampleConfig struct {
	Again   bool          // go on when every node was asked: ask each again when its interval is over
	Revisit time.Duration // least time between two queries to a node; 0 means 5 min
	Nodes   int           // nodes that are asked at most; 0 means 100,000
	Window  int           // queries in flight; 0 means 32
}

func (c SampleConfig) withDefaults() SampleConfig {
	c.Revisit = cmp.Or(c.Revisit, sampleInterval)
	c.Nodes = cmp.Or(c.Nodes, 100_000)
	c.Window = cmp.Or(c.Window, 32)
	return c
}
