package legacy

import (
	"sync"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// deliver takes the events of an asker on the socket's goroutines; nil: they are waited for.
type deliver = func(*asker, socket.Event)

// Drive is the event-driven form of Replies, for programs that keep no goroutine for a query and for simulators: each is called
// for every reply that Replies would give, then done once with its error. They run on the goroutines of the socket, or of
// whoever steps it, one at a time, and must not block. Bootstrap names that need a resolver are used if it has answered
// already.
//
// The function that is returned ends the query early; done is not called then, and each at most once more. A query with nobody
// to ask is done before Drive returns.
func (q *Query) Drive(each func(*Reply), done func(error)) (stop func()) {
	if q.begun {
		return func() {}
	}
	q.begun = true
	d := &driver{query: q, each: each, done: done}
	q.prepare(d.event)
	if q.walk != nil && q.seedKnown() {
		q.addSeeds(q.node.boot.Known())
	}
	d.mu.Lock()
	d.phase, d.by = q.first, q.firstBy
	d.phase.Start()
	ended, err := d.advance()
	d.mu.Unlock()
	if ended {
		done(err)
	}
	return d.stop
}

// driver steps the phases of a driven query.
type driver struct {
	query *Query
	each  func(*Reply)
	done  func(error)

	mu    sync.Mutex // guards what follows and the query; taken before the node's lock, never held while calling out
	phase phase
	by    *asker
	over  bool
}

// event takes one event of the phase in progress.
func (d *driver) event(by *asker, ev socket.Event) {
	d.mu.Lock()
	if d.over || by != d.by {
		d.mu.Unlock()
		return
	}
	out := by.event(ev)
	shown := out.Outcome == routing.Alive && d.query.take(out.Reply)
	d.phase.Step(out)
	ended, err := d.advance()
	d.mu.Unlock()
	if shown {
		d.each(out.Reply)
	} else if out.Outcome == routing.Alive {
		d.query.report(out.Reply)
	}
	if ended {
		d.done(err)
	}
}

// advance goes on to the update when the way to its nodes has come to its end, and reports whether all is over.
func (d *driver) advance() (ended bool, err error) {
	q := d.query
	for d.phase.Done() {
		d.by.Close()
		err = d.phase.Err()
		if err != nil || q.update == nil || q.second != nil {
			d.over = true
			return true, err
		}
		d.by = q.prepareUpdate(d.event)
		d.phase = q.second
		d.phase.Start()
	}
	return false, nil
}

func (d *driver) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	d.by.Close()
}
