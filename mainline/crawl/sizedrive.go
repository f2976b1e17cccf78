package crawl

import (
	"context"
	"sync"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Drive is the event-driven form of Estimates, for simulators and programs that keep no goroutine for it: each is called
// with every estimate, then done once with what Estimates ends with. They run on the goroutines of the socket, one at a
// time, and must not block.
func (s *Size) Drive(each func(Estimate), done func(error)) {
	d := &sizeDriver{size: s, each: each, done: done}
	s.asker.Deliver(d.event)
	if err := s.seed(context.Background()); err != nil {
		done(err)
		return
	}
	d.step(func() {})
}

// sizeDriver steps an estimate that is driven.
type sizeDriver struct {
	size *Size
	each func(Estimate)
	done func(error)

	mu   sync.Mutex // guards the estimate's own state and over; never held while calling out
	over bool
}

func (d *sizeDriver) event(ev routing.Event[*krpc.Reply]) {
	d.step(func() { d.size.settle(ev) })
}

// step does something to the estimate and goes on from there.
func (d *sizeDriver) step(what func()) {
	d.mu.Lock()
	if d.over {
		d.mu.Unlock()
		return
	}
	what()
	estimates := d.size.advance()
	d.over = d.size.over()
	last := d.over
	d.mu.Unlock()
	for _, e := range estimates {
		d.each(e)
	}
	if last {
		d.size.asker.Close()
		d.done(d.size.err())
	}
}
