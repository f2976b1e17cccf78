package krpc

import (
	"sync"

	"github.com/dhtkit/dhtkit/routing"
)

// Drive is the event-driven form of Replies, for programs that keep no goroutine for a lookup and for simulators: each is
// called for every good answer, then done once with what Replies ends with. They run on the goroutines of the socket, or
// of whoever steps it, one at a time; they must not block, and may start other lookups. A lookup that is driven starts from
// the table, the saved nodes and those bootstrap addresses that need no resolver, and does not wait for a join.
//
// The function that is returned ends the lookup early; done is not called then, and each at most once more. A lookup with
// nobody to ask is done before Drive returns.
func (l *Lookup) Drive(each func(*Reply), done func(error)) (stop func()) {
	d := &driver{lookup: l, each: each, done: done}
	if l.begun {
		return func() {}
	}
	l.begun = true
	if l.rpc.seedFromTable(l.walk, l.target) < l.rpc.cfg.K {
		addrs, _ := l.rpc.boot.literals()
		l.rpc.seedFromConfig(l.walk, addrs)
	}
	l.asker.Deliver(d.event)
	d.mu.Lock()
	l.walk.Start()
	ended := d.finish()
	d.mu.Unlock()
	if ended {
		done(l.walk.Err())
	}
	return d.stop
}

// driver steps the walk of a driven lookup.
type driver struct {
	lookup *Lookup
	each   func(*Reply)
	done   func(error)

	mu   sync.Mutex // guards the walk and over; taken before the RPC's lock, never held while calling out
	over bool
}

// event takes one event of the lookup's queries.
func (d *driver) event(ev routing.Event[*Reply]) {
	d.mu.Lock()
	if d.over {
		d.mu.Unlock()
		return
	}
	d.lookup.walk.Step(ev)
	ended := d.finish()
	d.mu.Unlock()
	if ev.Outcome == routing.Alive {
		d.each(ev.Reply)
	}
	if ended {
		d.done(d.lookup.walk.Err())
	}
}

// finish closes a walk that is over.
func (d *driver) finish() bool {
	d.over = d.over || d.lookup.walk.Done()
	if d.over {
		d.lookup.asker.Close()
	}
	return d.over
}

func (d *driver) stop() {
	d.mu.Lock()
	d.over = true
	d.mu.Unlock()
	d.lookup.asker.Close()
}
