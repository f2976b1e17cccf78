package mainline

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// SampleWalk goes from node to node and asks each for a sample of its info hashes (BEP 51), and, with the same query, for
// further nodes: those nearest to a random target. No node is asked again before its interval is over. Range over Samples,
// once.
type SampleWalk struct {
	node  *Node
	cfg   SampleConfig
	queue *sampleQueue
	rng   *rand.Rand
	stats routing.Stats

	askers map[bool]*krpc.Asker // by family: IPv6 or not
	flying int                  // queries out that are neither late nor settled
	open   int                  // queries out
	late   map[routing.Node]bool
	full   bool // the node has no room for another query

	more chan struct{} // capacity 1: there are events

	mu     sync.Mutex // guards what follows; a read goroutine fills it
	events []routing.Event[*krpc.Reply]
}

// SampleWalk prepares to sample all nodes that can be reached from those in the tables. It takes as long as the network is
// large, and the rate of Config allows.
func (n *Node) SampleWalk(cfg SampleConfig) *SampleWalk {
	cfg = cfg.withDefaults()
	w := &SampleWalk{
		node: n, cfg: cfg, more: make(chan struct{}, 1), askers: make(map[bool]*krpc.Asker), late: make(map[routing.Node]bool),
		queue: newSampleQueue(cfg.Revisit, cfg.Nodes, n.cfg.Private && !n.cfg.Diverse),
	}
	if w.rng = n.cfg.rand("sample"); w.rng == nil {
		w.rng = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return w
}

// Stats counts what was asked and what came of it.
func (w *SampleWalk) Stats() routing.Stats { return w.stats }

// Samples streams what each node says, also of those that do not know the method. It ends when every node was asked, or with
// SampleConfig.Again never. Leaving the loop frees everything in flight. An error comes last: the cause of ctx,
// routing.ErrNoNodes if there was nobody to ask, routing.ErrNoAnswer if all were silent, krpc.ErrClosed.
func (w *SampleWalk) Samples(ctx context.Context) iter.Seq2[Sampled, error] {
	return func(yield func(Sampled, error) bool) {
		defer w.close()
		if err := w.begin(ctx); err != nil {
			yield(Sampled{}, err)
			return
		}
		for {
			wake, over := w.ask(time.Now())
			if over {
				if err := w.verdict(); err != nil {
					yield(Sampled{}, err)
				}
				return
			}
			events, err := w.wait(ctx, wake)
			if err != nil {
				yield(Sampled{}, err)
				return
			}
			for _, ev := range events {
				if s, ok := w.step(ev, time.Now()); ok && !yield(s, nil) {
					return
				}
			}
		}
	}
}

// begin waits for the node to have joined, and starts from its tables, or if they are empty from a lookup.
func (w *SampleWalk) begin(ctx context.Context) error {
	if err := w.node.Ready(ctx); err != nil {
		return err
	}
	for _, e := range w.node.askers(w.node.ID()) {
		a := e.rpc.NewAsker(w.args, false).AnyID()
		a.Deliver(w.push)
		w.askers[e.IPv6()] = a
		for _, c := range e.rpc.Nodes() {
			w.queue.offer(c)
		}
	}
	if len(w.queue.fresh) > 0 {
		return nil
	}
	for r, err := range w.node.FindNode(w.randomTarget()).Replies(ctx) {
		if err != nil {
			return err
		}
		w.queue.offer(r.From)
		for c := range r.Message.Contacts(krpc.IDSize) {
			w.queue.offer(c)
		}
	}
	return nil
}

func (w *SampleWalk) args(routing.Node) krpc.Args { return krpc.SampleArgs{Target: w.randomTarget()} }

func (w *SampleWalk) randomTarget() krpc.ID {
	return krpc.IDOf(routing.RandomKey(w.rng, krpc.IDSize, routing.Key{}, 0))
}

// ask sends as many queries as there is room for. It returns when to call again if nothing happens before, and whether the
// walk is over.
func (w *SampleWalk) ask(now time.Time) (wake time.Time, over bool) {
	for w.flying < w.cfg.Window && !w.full {
		n, ok, at := w.queue.next(now)
		if !ok {
			return at, w.open == 0 && (!w.cfg.Again || at.IsZero())
		}
		asker := w.askers[n.Addr.Addr().Unmap().Is6()]
		if asker == nil {
			continue
		}
		switch err := asker.Ask(n, sampleSoft, cmp.Or(w.node.cfg.Timeout, sampleHard)); {
		case errors.Is(err, routing.ErrFull):
			w.queue.back(n)
			w.full = true
		case err != nil:
			w.stats.Errors++
		default:
			w.stats.Asked++
			w.flying++
			w.open++
		}
	}
	return time.Time{}, false
}

// When a query that is not answered makes room for another, and when it is given up unless Config.Timeout says so. Ours.
const (
	sampleSoft = time.Second
	sampleHard = 4 * time.Second
)

// push takes an event from a read goroutine.
func (w *SampleWalk) push(ev routing.Event[*krpc.Reply]) {
	w.mu.Lock()
	w.events = append(w.events, ev)
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// wait waits for events, or until wake unless that is zero.
func (w *SampleWalk) wait(ctx context.Context, wake time.Time) ([]routing.Event[*krpc.Reply], error) {
	var timeout <-chan time.Time
	if !wake.IsZero() {
		timer := time.NewTimer(time.Until(wake))
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-w.node.closed:
		return nil, krpc.ErrClosed
	case <-timeout:
		return nil, nil
	case <-w.more:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events, nil
}

// step settles one event, and returns what a node said, if it is that.
func (w *SampleWalk) step(ev routing.Event[*krpc.Reply], now time.Time) (s Sampled, ok bool) {
	w.full = false
	if ev.Outcome == routing.Room {
		return s, false
	}
	if ev.Outcome == routing.Late {
		w.stats.Late++
		w.late[ev.Node] = true
		w.flying--
		return s, false
	}
	if !w.late[ev.Node] {
		w.flying--
	}
	delete(w.late, ev.Node)
	w.open--
	if ev.Outcome != routing.Alive {
		w.stats.Failed++
		return s, false
	}
	w.stats.Answered++
	s = sampledOf(ev.Reply)
	for _, c := range s.Contacts {
		w.queue.offer(c.Contact())
	}
	if s.Supported && w.cfg.Again {
		w.queue.again(ev.Reply.From, s.Interval, now)
	}
	return s, true
}

// verdict returns how a walk that is over ended.
func (w *SampleWalk) verdict() error {
	switch {
	case w.stats.Answered > 0:
		return nil
	case w.stats.Asked == 0:
		return routing.ErrNoNodes
	}
	return routing.ErrNoAnswer
}

func (w *SampleWalk) close() {
	for _, a := range w.askers {
		a.Close()
	}
}
