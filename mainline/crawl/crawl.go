package crawl

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// Config of a Crawl. The zero value works.
type Config struct {
	Window   int           // queries in flight that are not late; 0 means 128
	Tries    int           // queries to a contact that never answered; 0 means 2
	Targets  int           // random targets each node is asked for besides its own id; 0 means one for every other node, which finds 999 of 1000 nodes in a network with the ages of the public one
	MaxNodes int           // stop after so many nodes; 0 means no limit
	Timeout  time.Duration // a silent contact has failed after this; 0 means 4s
	Seed     uint64        // of the random targets; 0 means a random one
}

// Found is a node that answered.
type Found struct {
	krpc.Node
	Version string        // "v" of its answer, as it came (BEP 5: two letters of client, two bytes of version); "" if none
	RTT     time.Duration // of its first answer
}

// Stats of a crawl so far.
type Stats struct {
	Nodes    int               // nodes that answered at least once
	Seen     int               // endpoints that were named
	Waiting  int               // queries that wait to be sent
	Queries  uint64            // queries sent
	Answered uint64            // queries that were answered
	Losses   map[string]uint64 // queries without use, by reason: timeout, krpc-error, bad-reply, filtered, send-error
}

// Crawl is one sweep over the network. Range over Nodes once. Stop and Stats may be called from other goroutines.
type Crawl struct {
	cfg   Config
	rpc   *krpc.RPC
	asker *krpc.Asker
	args  krpc.FindNodeArgs // of the query that is being asked
	front *frontier
	rtts  routing.RTTs
	open  int                     // queries in flight that are not late
	late  map[netip.AddrPort]bool // queries in flight that are

	stopped atomic.Bool

	mu    sync.Mutex // guards stats
	stats Stats
}

// New prepares a crawl from what the node knows: its table, and its bootstrap addresses.
func New(n *mainline.Node, cfg Config) *Crawl {
	cfg.Window = cmp.Or(cfg.Window, 128)
	cfg.Tries = cmp.Or(cfg.Tries, 2)
	cfg.Timeout = cmp.Or(cfg.Timeout, 4*time.Second)
	cfg.Seed = cmp.Or(cfg.Seed, rand.Uint64())
	c := &Crawl{
		cfg:   cfg,
		rpc:   n.RPC(),
		front: newFrontier(cfg.Tries, rand.New(rand.NewPCG(cfg.Seed, cfg.Seed))),
		late:  make(map[netip.AddrPort]bool),
		stats: Stats{Losses: make(map[string]uint64)},
	}
	c.front.every, c.front.more = cfg.Targets > 0, uint8(min(max(cfg.Targets-1, 0), 255))
	c.asker = c.rpc.NewAsker(func(routing.Node) krpc.Args { return c.args }, false).AnyID()
	return c
}

// Stop ends the crawl in good order: nothing more is asked, answers in flight are still taken, then Nodes ends without an
// error.
func (c *Crawl) Stop() { c.stopped.Store(true) }

// Stats returns the counters as they are now.
func (c *Crawl) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Losses = maps.Clone(s.Losses)
	return s
}

// Nodes streams every node once, at its first answer. Leaving the loop frees everything in flight. The error is last: the
// cause of ctx, *krpc.BootstrapError, routing.ErrNoNodes if there was nobody to start from, routing.ErrNoAnswer if nobody
// answered.
func (c *Crawl) Nodes(ctx context.Context) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) { run(ctx, c, c.asker, yield) }
}

// advance sends queries while the window has room.
func (c *Crawl) advance() []Found {
	c.fill()
	return nil
}

// over reports whether nothing is in flight and nothing more will be.
func (c *Crawl) over() bool {
	return c.open == 0 && len(c.late) == 0 && (c.done() || c.front.idle())
}

// err is what a crawl that is over ends with.
func (c *Crawl) err() error {
	if s := c.Stats(); s.Nodes == 0 && s.Queries > 0 && !c.stopped.Load() {
		return routing.ErrNoAnswer
	}
	return nil
}

func (c *Crawl) seed(ctx context.Context) error {
	for _, n := range c.rpc.Nodes() {
		c.front.seed(n.Addr, krpc.IDOf(n.Key))
	}
	addrs, err := c.rpc.Bootstrap(ctx)
	for _, a := range addrs {
		c.front.seed(a, krpc.ID{})
	}
	if c.front.seen() > 0 {
		return nil
	}
	return cmp.Or(err, routing.ErrNoNodes)
}

func (c *Crawl) done() bool {
	return c.stopped.Load() || (c.cfg.MaxNodes > 0 && c.stats.Nodes >= c.cfg.MaxNodes)
}

// fill sends queries while the window has room.
func (c *Crawl) fill() {
	for c.open < c.cfg.Window && !c.done() {
		n, target, ok := c.front.next()
		switch {
		case !ok && c.open+len(c.late) == 0 && c.front.sweep():
			continue
		case !ok:
			return
		}
		c.args.Target = target
		err := c.asker.Ask(n, c.rtts.Soft(), c.cfg.Timeout)
		switch {
		case err == nil:
			c.open++
			c.count(func(s *Stats) { s.Queries++ })
		case errors.Is(err, routing.ErrFull):
			c.front.unasked(n.Addr)
			return
		default:
			c.lost(n.Addr, err)
		}
	}
}

// settle takes one event and returns the node that answered for the first time, if one did.
func (c *Crawl) settle(ev routing.Event[*krpc.Reply]) []Found {
	addr := ev.Node.Addr
	switch ev.Outcome {
	case routing.Room:
		return nil
	case routing.Late:
		c.open--
		c.late[addr] = true
		return nil
	}
	if c.late[addr] {
		delete(c.late, addr)
	} else {
		c.open--
	}
	if ev.Outcome == routing.Failed {
		c.lost(addr, ev.Err)
		return nil
	}
	return c.found(addr, ev.Reply)
}

func (c *Crawl) found(addr netip.AddrPort, r *krpc.Reply) []Found {
	c.rtts.Add(r.RTT)
	id := krpc.IDOf(r.From.Key)
	first := c.front.answered(addr, id, func(yield func(routing.Node) bool) {
		for n := range r.Contacts {
			if n.Key != c.rpc.Key() && !yield(n) {
				return
			}
		}
	})
	c.count(func(s *Stats) {
		s.Answered++
		if first {
			s.Nodes++
		}
	})
	if !first {
		return nil
	}
	return []Found{{Node: krpc.Node{ID: id, Addr: addr}, Version: string(r.Version()), RTT: r.RTT}}
}

func (c *Crawl) lost(addr netip.AddrPort, err error) {
	c.front.failed(addr)
	c.count(func(s *Stats) { s.Losses[krpc.Outcome(err)]++ })
}

func (c *Crawl) count(change func(*Stats)) {
	c.mu.Lock()
	change(&c.stats)
	c.stats.Seen, c.stats.Waiting = c.front.seen(), c.front.waiting()
	c.mu.Unlock()
}
