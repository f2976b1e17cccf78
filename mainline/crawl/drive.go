package crawl

import (
	"context"
	"sync"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Drive is the event-driven form of Nodes, for simulators and programs that keep no goroutine for a crawl: each is called
// for every node, then done once with what Nodes ends with. They run on the goroutines of the socket, one at a time, and
// must not block.
func (c *Crawl) Drive(each func(Found), done func(error)) { drive(c, c.asker, each, done) }

// Drive is the event-driven form of Estimates, for simulators and programs that keep no goroutine for it: each is called
// with every estimate, then done once with what Estimates ends with. They run on the goroutines of the socket, one at a
// time, and must not block.
func (s *Size) Drive(each func(Estimate), done func(error)) { drive(s, s.asker, each, done) }

// machine is what can be driven: it makes results R of events.
type machine[R any] interface {
	seed(context.Context) error
	settle(routing.Event[*krpc.Reply]) []R
	advance() []R // sends what can be sent
	over() bool
	err() error
}

// driver steps a machine.
type driver[R any] struct {
	machine machine[R]
	asker   *krpc.Asker
	each    func(R)
	done    func(error)

	mu    sync.Mutex // guards the machine's own state and ended; never held while calling out
	ended bool
}

func drive[R any](m machine[R], asker *krpc.Asker, each func(R), done func(error)) {
	d := &driver[R]{machine: m, asker: asker, each: each, done: done}
	asker.Deliver(func(ev routing.Event[*krpc.Reply]) {
		d.step(func() []R { return m.settle(ev) })
	})
	if err := m.seed(context.Background()); err != nil {
		done(err)
		return
	}
	d.step(func() []R { return nil })
}

// step does something to the machine and goes on from there.
func (d *driver[R]) step(what func() []R) {
	d.mu.Lock()
	if d.ended {
		d.mu.Unlock()
		return
	}
	results := append(what(), d.machine.advance()...)
	d.ended = d.machine.over()
	last := d.ended
	d.mu.Unlock()
	for _, r := range results {
		d.each(r)
	}
	if last {
		d.asker.Close()
		d.done(d.machine.err())
	}
}

// run is the loop form of drive.
func run[R any](ctx context.Context, m machine[R], asker *krpc.Asker, yield func(R, error) bool) {
	defer asker.Close()
	var none R
	if err := m.seed(ctx); err != nil {
		yield(none, err)
		return
	}
	var results []R
	for {
		for _, r := range append(results, m.advance()...) {
			if !yield(r, nil) {
				return
			}
		}
		if m.over() {
			break
		}
		ev, err := asker.Wait(ctx)
		if err != nil {
			yield(none, err)
			return
		}
		results = m.settle(ev)
	}
	if err := m.err(); err != nil {
		yield(none, err)
	}
}
