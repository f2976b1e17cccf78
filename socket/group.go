package socket

import (
	"context"
	"slices"
)

// Group is a set of queries that live and die together: those of a lookup, or
// of a node's upkeep. Its methods are safe for concurrent use.
type Group struct {
	s          *Socket
	window     int
	background bool
	onEvent    func(Event) bool

	// What follows is guarded by the socket's lock.

	closed   bool
	first    *query // of its open ones
	open     int    // late ones included
	inFlight int    // without them
	queue    []Event
	head     int           // of queue: what is before it was read
	signal   chan struct{} // made by the first Wait; filled when the queue grows, closed by Close

	debt           debt
	fresh          bool   // it waits for a new destination
	grantEnd       moment // when its reservation lapses
	earlier, later *Group // in one of the lists of rooms
}

// Group makes a group. One that is not needed any more should be closed; an
// idle group holds no resources of the socket.
func (s *Socket) Group(cfg GroupConfig) *Group {
	return &Group{
		s: s, window: cfg.Window, background: cfg.Background, onEvent: cfg.OnEvent,
	}
}

// Send opens a query. It never blocks: with no room now it returns ErrFull, and a
// Room event follows when there is. ErrFiltered: no packet may go there. All
// else that can happen comes as an event.
func (g *Group) Send(q Query) error {
	if q.Packet == nil {
		return ErrNoPacket
	}
	s := g.s
	if !s.hasConn(q.Conn) {
		return ErrNoConn
	}
	s.mu.Lock()
	if g.closed || s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	err := s.core.send(g, q, s.nowLocked())
	s.unlockCaller()
	return err
}

// Wait returns the group's next event, waiting for one if need be. Events
// already there come first, also after Close; then the error is ErrClosed, or
// the cause of the context's end.
func (g *Group) Wait(ctx context.Context) (Event, error) {
	s := g.s
	for {
		s.mu.Lock()
		if ev, ok := g.pop(); ok {
			if g.debt == ownDebt {
				s.core.slotFreed(g)
				s.core.serveRooms(s.nowLocked())
			}
			s.unlockCaller()
			return ev, nil
		}
		closed := g.closed || s.closed
		if g.signal == nil && !closed {
			g.signal = make(chan struct{}, 1)
		}
		signal := g.signal
		s.mu.Unlock()
		if closed {
			return Event{}, ErrClosed
		}
		select {
		case <-signal:
		case <-s.done:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

// Hurry makes the next resend of the query with this tag due now: something has
// shown that its last packet was lost, or that the next will not be. A query
// without resends left, or not open any more, is left alone.
func (g *Group) Hurry(tag uint64) {
	s := g.s
	s.mu.Lock()
	m := s.core.moment(s.nowLocked())
	for x := g.first; x != nil; x = x.next {
		if x.tag == tag && x.state != delayed && m < x.resendAt && x.resendAt < never {
			x.resendAt = m
			x.schedule()
			s.core.open.queue.fix(x)
		}
	}
	s.unlockCaller()
}

// Open returns the number of queries that may still get an answer, late ones
// included.
func (g *Group) Open() int {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	return g.open
}

// Close ends all queries of the group at once, without events, and wakes who
// waits. Answers that still come are unmatched. A call of OnEvent that another
// goroutine has begun may end after it.
func (g *Group) Close() {
	s := g.s
	s.mu.Lock()
	if g.closed || s.closed {
		g.closed = true
		s.mu.Unlock()
		return
	}
	s.core.closeGroup(g, s.nowLocked())
	s.unlockCaller()
}

// full reports whether the group itself has no room.
func (g *Group) full() bool {
	return g.window > 0 && g.inFlight >= g.window || len(g.queue)-g.head >= maxUnread
}

// maxUnread bounds the events queued for Wait: a group that does not read them
// gets ErrFull until it does. Those of queries already open still come. Ours.
const maxUnread = 4096

// class is the group's index in rooms.owed.
func (g *Group) class() int {
	if g.background {
		return 1
	}
	return 0
}

// push queues an event, whose payload must be its own.
func (g *Group) push(ev Event) {
	if g.head > 0 && len(g.queue) == cap(g.queue) {
		g.queue = slices.Delete(g.queue, 0, g.head)
		g.head = 0
	}
	g.queue = append(g.queue, ev)
	g.notify()
}

func (g *Group) pop() (Event, bool) {
	if g.head == len(g.queue) {
		return Event{}, false
	}
	ev := g.queue[g.head]
	g.queue[g.head] = Event{}
	if g.head++; g.head == len(g.queue) {
		g.queue, g.head = g.queue[:0], 0
	} else {
		g.notify() // there may be a second one waiting
	}
	return ev, true
}

func (g *Group) notify() {
	if g.signal == nil || g.closed {
		return
	}
	select {
	case g.signal <- struct{}{}:
	default:
	}
}
