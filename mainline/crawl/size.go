package crawl

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// SizeConfig of a Size. The zero value is good for 3 %, 95 times of 100.
type SizeConfig struct {
	Targets    int           // zones to count, around random targets; 0 means 100
	K          int           // nodes in a zone; 0 means 64
	Parallel   int           // zones that are counted at the same time; 0 means 4
	Window     int           // queries in flight that are not late, of one zone; 0 means 8
	Tries      int           // queries to a contact that never answered; 0 means 2
	MaxQueries int           // of one zone; 0 means 50 for each of its nodes
	Timeout    time.Duration // a silent contact has failed after this; 0 means 2.5s
	Seed       uint64        // of the targets; 0 means a random one
	Counted    func(Zone)    // hears of every zone; nil: nobody does. Must not block
}

func (c SizeConfig) withDefaults() SizeConfig {
	c.Targets = cmp.Or(c.Targets, 100)
	c.K = cmp.Or(c.K, 64)
	c.Parallel = cmp.Or(c.Parallel, 4)
	c.Window = cmp.Or(c.Window, 8)
	c.Tries = cmp.Or(c.Tries, 2)
	c.MaxQueries = cmp.Or(c.MaxQueries, 50*c.K)
	c.Timeout = cmp.Or(c.Timeout, 2500*time.Millisecond)
	c.Seed = cmp.Or(c.Seed, rand.Uint64())
	return c
}

// Method is where an Estimate comes from.
type Method string

const (
	Density Method = "density" // from how close together nodes are
	Count   Method = "count"   // the zones cover all of the key space: every node was asked
)

// Estimate says how many nodes there are that answer, our own not among them.
type Estimate struct {
	Nodes        float64 // best guess
	Low, High    float64 // the truth is between these 95 times of 100
	Targets      int     // zones counted so far
	Counted      int     // nodes that answered in them
	Share        float64 // of the key space that is in a zone
	Queries      int     // sent for it
	Answered     int     // of them
	Completeness float64 // share of the nodes in the zones that was found, by our estimate: Nodes is corrected by it
	Method       Method
}

// Size estimates the number of nodes in a network. Range over Estimates, or call Drive, once.
type Size struct {
	cfg    SizeConfig
	rpc    *krpc.RPC
	asker  *krpc.Asker
	rng    *rand.Rand
	goal   krpc.ID // of the query that is being asked
	seeds  []netip.AddrPort
	census *census
	rtts   routing.RTTs

	zones   []*zoneWalk // that are being counted
	begun   int         // of them and those before
	open    map[netip.AddrPort]errand
	queries int
	answers int
	nobody  bool // all were silent that could be asked in a zone
	full    bool // no room for a query now; an event follows when there is
}

// errand is a query in flight.
type errand struct {
	zone   *zoneWalk
	node   routing.Node
	target krpc.ID
	late   bool
}

// NewSize prepares an estimate from what the node knows: its table, and its bootstrap addresses.
func NewSize(n *mainline.Node, cfg SizeConfig) *Size {
	cfg = cfg.withDefaults()
	s := &Size{
		cfg:    cfg,
		rpc:    n.RPC(),
		rng:    rand.New(rand.NewPCG(cfg.Seed, ^cfg.Seed)),
		census: newCensus(),
		open:   make(map[netip.AddrPort]errand),
	}
	s.asker = s.rpc.NewAsker(func(routing.Node) krpc.Args { return krpc.FindNodeArgs{Target: s.goal} }, false).AnyID()
	return s
}

// Estimates yields an estimate after each zone, each better than the one before. Leaving the loop frees everything in
// flight. The error is last: the cause of ctx, *krpc.BootstrapError, routing.ErrNoNodes if there was nobody to start from,
// routing.ErrNoAnswer if nobody answered.
func (s *Size) Estimates(ctx context.Context) iter.Seq2[Estimate, error] {
	return func(yield func(Estimate, error) bool) { run(ctx, s, s.asker, yield) }
}

func (s *Size) seed(ctx context.Context) (err error) {
	s.seeds, err = s.rpc.Bootstrap(ctx)
	if s.rpc.Len() == 0 && len(s.seeds) == 0 {
		return cmp.Or(err, routing.ErrNoNodes)
	}
	return nil
}

// over reports whether all zones are counted.
func (s *Size) over() bool { return len(s.zones) == 0 && s.enough() }

// enough reports whether no further zone is wanted: all were begun, they cover the whole network, or nobody is there.
func (s *Size) enough() bool { return s.begun >= s.cfg.Targets || s.census.whole || s.nobody }

func (s *Size) err() error {
	if s.answers == 0 {
		return routing.ErrNoAnswer
	}
	return nil
}

// fill begins zones and sends queries while there is room.
func (s *Size) fill() {
	for len(s.zones) < s.cfg.Parallel && !s.enough() {
		z := newZoneWalk(s.randomID(), s.cfg, s.rpc.Key())
		seeds := s.seeds
		if s.rpc.Len() >= s.cfg.K {
			seeds = nil
		}
		z.start(s.rpc.Nodes(), seeds)
		s.zones = append(s.zones, z)
		s.begun++
	}
	for _, z := range s.zones {
		for !s.full && s.ask(z) {
		}
	}
}

// ask sends a query of z and reports whether there may be another.
func (s *Size) ask(z *zoneWalk) bool {
	if z.lookup == nil && z.flying >= s.cfg.Window {
		return false
	}
	n, target, ok := z.next()
	if !ok {
		return false
	}
	if _, busy := s.open[n.Addr]; busy { // for another zone
		z.unasked(n)
		return false
	}
	s.goal = target
	switch err := s.asker.Ask(n, s.rtts.Soft(), s.cfg.Timeout); {
	case err == nil:
		s.open[n.Addr] = errand{zone: z, node: n, target: target}
		s.queries++
	case errors.Is(err, routing.ErrFull):
		z.unasked(n)
		s.full = true
	default:
		z.failed(n, false)
	}
	return true
}

// settle takes one event. What it means for the estimate is known when its zone is over.
func (s *Size) settle(ev routing.Event[*krpc.Reply]) []Estimate {
	if ev.Outcome == routing.Room {
		s.full = false
		return nil
	}
	e, ok := s.open[ev.Node.Addr]
	if !ok {
		return nil
	}
	switch ev.Outcome {
	case routing.Late:
		e.late = true
		s.open[ev.Node.Addr] = e
		e.zone.late(e.node)
		return nil
	case routing.Failed:
		e.zone.failed(e.node, e.late)
	case routing.Alive:
		s.answers++
		s.rtts.Add(ev.RTT)
		e.zone.answered(e.node, e.late, ev.Reply.From.Key, e.target, ev.Reply.Contacts)
	}
	delete(s.open, ev.Node.Addr)
	return nil
}

// advance sends what can be sent and counts the zones that are over. It returns what is known after each of these.
func (s *Size) advance() (all []Estimate) {
	s.fill()
	for i := 0; i < len(s.zones); {
		if !s.zones[i].over() {
			i++
			continue
		}
		z := s.zones[i].result()
		s.zones = slices.Delete(s.zones, i, i+1)
		if e, ok := s.counted(z); ok {
			all = append(all, e)
		}
		s.fill()
		i = 0
	}
	return all
}

// counted adds a zone and returns what is known after it.
func (s *Size) counted(z Zone) (Estimate, bool) {
	if s.cfg.Counted != nil {
		s.cfg.Counted(z)
	}
	if !s.census.add(z) {
		s.nobody = s.answers == 0
		return Estimate{}, false
	}
	e := s.census.estimate()
	e.Queries, e.Answered = s.queries, s.answers
	return e, true
}

func (s *Size) randomID() (id krpc.ID) {
	for i := range id {
		id[i] = byte(s.rng.Uint32())
	}
	return id
}
