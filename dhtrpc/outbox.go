package dhtrpc

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/dhtkit/dhtkit/socket"
)

// outbox holds requests that wait for the congestion window or for the socket's limits. Its fields are guarded by the
// node's lock, but for again.
type outbox struct {
	sessions map[*session]struct{} // all that have not ended
	window   window
	again    atomic.Int64 // datagrams sent again since the window was last told
	drains   time.Time    // when the window goes on to its next slot
	waiting  []*call      // first come, first served
}

// submit sends a call now, or puts it into the queue.
func (o *outbox) submit(c *call, now time.Time) error {
	o.advance(now)
	if len(o.waiting) > 0 || o.window.full() {
		o.waiting = append(o.waiting, c)
		return nil
	}
	return o.transmit(c)
}

func (o *outbox) transmit(c *call) error {
	err := c.session.group.Send(c.query)
	if errors.Is(err, socket.ErrFull) { // a Room event follows
		o.waiting = append(o.waiting, c)
		return nil
	}
	if err == nil {
		o.window.sent()
	}
	return err
}

// advance tells the window what was sent again, and what time it is.
func (o *outbox) advance(now time.Time) {
	for range o.again.Swap(0) {
		o.window.sent()
	}
	if o.drains.IsZero() || now.Sub(o.drains) > windowSlots*windowSlot {
		o.window.clear()
		o.drains = now.Add(windowSlot)
	}
	for !now.Before(o.drains) {
		o.window.drain()
		o.drains = o.drains.Add(windowSlot)
	}
}

// settle notes a call that is over.
func (o *outbox) settle(now time.Time) {
	o.advance(now)
	o.window.settled()
}

// flush sends what waits as far as there is room.
func (o *outbox) flush(now time.Time) {
	if len(o.waiting) == 0 {
		return
	}
	o.advance(now)
	for n := len(o.waiting); n > 0 && len(o.waiting) > 0 && !o.window.full(); n-- {
		c := o.waiting[0]
		o.waiting[0] = nil
		o.waiting = o.waiting[1:]
		if c.session.calls[c.tag] != c { // its session has ended
			continue
		}
		queued := len(o.waiting)
		if err := o.transmit(c); err != nil {
			o.refuse(c, err)
		}
		if len(o.waiting) > queued {
			return
		}
	}
}

// refuse ends a call that could not be sent after all.
func (o *outbox) refuse(c *call, err error) {
	delete(c.session.calls, c.tag)
	c.session.node.counts.active--
	c.settled(nil, err)
}

// next returns when flush has something to do, the zero time if not before an event.
func (o *outbox) next() time.Time {
	if len(o.waiting) == 0 {
		return time.Time{}
	}
	return o.drains
}

// failAll ends every session.
func (o *outbox) failAll(err error) {
	sessions := o.sessions
	o.sessions = make(map[*session]struct{})
	o.waiting = nil
	for s := range sessions {
		s.fail(err)
	}
	o.window.clear()
}
