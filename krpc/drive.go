package krpc

import (
	"sync"

	"github.com/dhtkit/dhtkit/routing"
)

// Drive is the event-driven form of Replies, for programs that keep no goroutine for a lookup and for simulators: each is
// called for every good answer, then done once with what Replies ends with. They run on the goroutines of the socket, or
// of whoever steps it, one at a time; they must not block, and may start other lookups. A lookup that is driven without
// Prepare starts from the table, the saved nodes and those bootstrap addresses that are known, and does not wait for a join.
//
// The function that is returned ends the lookup early; done is not called then, nor if the RPC is closed, and each at most
// once more. A lookup with nobody to ask is done before Drive returns.
func (l *Lookup) Drive(each func(*Reply), done func(error)) (stop func()) {
	if l.begun {
		return func() {}
	}
	l.begun = true
	if !l.seeded && l.rpc.seedFromTable(l.walk, l.target) < l.rpc.cfg.K {
		l.rpc.seedFromConfig(l.walk, l.rpc.boot.Known())
	}
	l.seeded = true
	return drive(l.asker, l.walk, each, done)
}

// Drive is the event-driven form of Replies: see Lookup.Drive.
func (b *Batch) Drive(each func(*Reply), done func(error)) (stop func()) {
	if b.begun {
		return func() {}
	}
	b.begun = true
	return drive(b.asker, b.batch, each, func(err error) { done(b.explain(err)) })
}

// stepper is what drives a walk and a batch alike.
type stepper interface {
	Start()
	Fresh(routing.Event[*Reply]) bool
	Step(routing.Event[*Reply]) bool
	Done() bool
	Err() error
}

func drive(a *Asker, run stepper, each func(*Reply), done func(error)) (stop func()) {
	d := &driver{asker: a, run: run, each: each, done: done}
	a.Deliver(d.event)
	d.mu.Lock()
	run.Start()
	ended := d.finish()
	d.mu.Unlock()
	if ended {
		done(run.Err())
	}
	return d.stop
}

// driver steps what is driven.
type driver struct {
	asker *Asker
	each  func(*Reply)
	done  func(error)

	mu      sync.Mutex // guards what follows; taken before the RPC's lock, never held while calling out
	run     stepper
	over    bool
	stopped bool // from outside: done is not called
}

// event takes one event of the queries.
func (d *driver) event(ev routing.Event[*Reply]) {
	d.mu.Lock()
	if d.over {
		d.mu.Unlock()
		return
	}
	fresh := d.run.Fresh(ev)
	d.run.Step(ev)
	ended := d.finish()
	err := d.run.Err()
	d.mu.Unlock()
	if fresh {
		d.each(ev.Reply)
	}
	if ended && !d.isStopped() {
		d.done(err)
	}
}

// isStopped reports whether each, or somebody else, has ended it.
func (d *driver) isStopped() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped
}

// finish closes what is over.
func (d *driver) finish() bool {
	d.over = d.over || d.run.Done()
	if d.over {
		d.asker.Close()
	}
	return d.over
}

func (d *driver) stop() {
	d.mu.Lock()
	d.over, d.stopped = true, true
	d.mu.Unlock()
	d.asker.Close()
}
