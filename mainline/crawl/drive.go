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
func (c *Crawl) Drive(each func(Found), done func(error)) {
	d := &driver{crawl: c, each: each, done: done}
	c.asker.Deliver(d.event)
	if err := c.seed(context.Background()); err != nil {
		done(err)
		return
	}
	d.mu.Lock()
	c.fill()
	last := d.ended()
	d.mu.Unlock()
	if last {
		d.finish()
	}
}

// driver steps a driven crawl.
type driver struct {
	crawl *Crawl
	each  func(Found)
	done  func(error)

	mu   sync.Mutex // guards the crawl's own state and over; never held while calling out
	over bool
}

func (d *driver) event(ev routing.Event[*krpc.Reply]) {
	d.mu.Lock()
	found, fresh := d.crawl.settle(ev)
	d.crawl.fill()
	last := d.ended()
	d.mu.Unlock()
	if fresh {
		d.each(found)
	}
	if last {
		d.finish()
	}
}

// ended reports, once, that the crawl is over.
func (d *driver) ended() bool {
	if d.over || !d.crawl.over() {
		return false
	}
	d.over = true
	return true
}

func (d *driver) finish() {
	d.crawl.asker.Close()
	d.done(d.crawl.err())
}
