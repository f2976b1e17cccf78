package lab

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// LookupRun is a number of find_node lookups by an observer in a swarm, one after the other.
type LookupRun struct {
	Swarm   swarm.Config
	Net     *swarm.Swarm   // a swarm made before, to be used again; then Swarm is not looked at
	Links   sim.LinkConfig // zero: swarm A
	Seed    uint64         // of all but the swarm; 0 means the swarm's
	Lookups int            // 0 means 1000
	Profile routing.LookupConfig
	Memory  Memory          // of the observer
	Node    mainline.Config // of the observer; no rate limit unless it has one

	// OneObserver makes one node do all lookups, so that its table learns from each. Else each lookup has an observer of
	// its own, with another id and table, and the lookups are independent of each other.
	OneObserver bool

	// WarmRTTs gives each lookup the round trips of 64 nodes the observer has met, as a node has that looked up something
	// before. Else the first queries of a lookup have a soft deadline of a second.
	WarmRTTs bool

	NodeTargets bool           // look up ids of reachable nodes instead of random ids
	Progress    func(done int) // called after each lookup; nil: not
	Stop        func() bool    // asked before each lookup: true ends the run with those that are done; nil: never
}

// Lookup is what one lookup did.
type Lookup struct {
	Target   krpc.ID
	First    time.Duration // until the first answer of one of the 8 closest reachable nodes; negative: there was none
	Done     time.Duration // until it ended
	Queries  int           // nodes asked
	Sent     int           // datagrams, resends included
	Answered int           // queries answered
	Hits     int           // of the 8 closest reachable nodes, how many are in the result
	Found    []krpc.ID     // the result, closest first
	Err      error         // how it ended, if not well
}

// LookupResult is what a LookupRun shows.
type LookupResult struct {
	Reachable int      // nodes of the swarm that are alive
	Lookups   []Lookup // in order
	Virtual   time.Duration
	Wall      time.Duration // of the lookups, without making the swarm
	Build     time.Duration // of making the swarm
	Hash      uint64        // of the trace
	Net       sim.Stats
}

// closest is of how many nodes the truth consists.
const closest = 8

// patience is how long a lookup may take in virtual time before the run fails.
const patience = 10 * time.Minute

var errStuck = errors.New("lab: a lookup did not end")

func (r LookupRun) withDefaults() LookupRun {
	if r.Lookups == 0 {
		r.Lookups = 1000
	}
	if r.Seed == 0 {
		r.Seed = r.Swarm.Seed
	}
	r.Node.NoUpkeep = true
	return r
}

// RunLookups makes a swarm and looks up targets in it.
func RunLookups(r LookupRun) (LookupResult, error) {
	r = r.withDefaults()
	start := time.Now()
	if r.Net == nil {
		r.Net = swarm.New(r.Swarm)
	}
	res := LookupResult{Build: time.Since(start)}
	start = time.Now()
	w := NewWorld(r.Net, r.Seed, r.Links)
	var node *mainline.Node
	for i := range r.Lookups {
		if stopped(r.Stop) {
			break
		}
		if node == nil || !r.OneObserver {
			var err error
			if node, err = w.Observe(r.Memory, r.Node); err != nil {
				return res, err
			}
		}
		l, err := w.lookup(node, r)
		if err != nil {
			return res, fmt.Errorf("%w: number %d", err, i)
		}
		res.Lookups = append(res.Lookups, l)
		if r.Progress != nil {
			r.Progress(i + 1)
		}
	}
	res.Virtual, res.Wall = w.Engine.Now(), time.Since(start)
	res.Hash, res.Net, res.Reachable = w.Engine.Hash(), w.Engine.Stats(), r.Net.Reachable()
	return res, nil
}

// stopped asks a run's Stop.
func stopped(stop func() bool) bool { return stop != nil && stop() }

// lookup does one lookup and measures it.
func (w *World) lookup(node *mainline.Node, r LookupRun) (Lookup, error) {
	out := Lookup{Target: w.randomID(), First: -1}
	if r.NodeTargets {
		out.Target = w.Swarm.ID(w.node(true))
	}
	truth := w.Swarm.Closest(nil, out.Target, closest)
	profile := r.Profile
	if r.WarmRTTs {
		profile.RTTs = w.warmRTTs()
	}
	start, before := w.Engine.Now(), node.RPC().Socket().Stats().Sent
	ended := false
	l := node.FindNodeWith(out.Target, profile)
	w.Fleet.Do(w.Observer, func(*mainline.Node) {
		l.Drive(func(rep *krpc.Reply) {
			if n, _ := sim.NodeAt(rep.From.Addr); out.First < 0 && slices.Contains(truth, n) {
				out.First = w.Engine.Now() - start
			}
		}, func(err error) {
			ended, out.Err, out.Done = true, err, w.Engine.Now()-start
		})
	})
	if w.Engine.RunWhile(start+patience, func() bool { return !ended }) && !ended {
		return out, errStuck
	}
	s := l.Stats()
	out.Queries, out.Answered = s.Asked, s.Answered
	out.Sent = int(node.RPC().Socket().Stats().Sent - before)
	for _, c := range l.ClosestNodes() {
		out.Found = append(out.Found, krpc.IDOf(c.Key))
		if n, ok := sim.NodeAt(c.Addr); ok && slices.Contains(truth, n) {
			out.Hits++
		}
	}
	return out, nil
}

// warmRTTs returns the round trips of nodes that were met before.
func (w *World) warmRTTs() *routing.RTTs {
	rtts := new(routing.RTTs)
	for range 64 {
		rtts.Add(w.Links.RTT(w.Observer, w.node(true)))
	}
	return rtts
}
