package lab

import (
	"fmt"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// IdleRun leaves one full node alone in a swarm: it joins through one bootstrap address, and then nobody asks anything of it.
// What it sends is what keeping its table alive costs.
type IdleRun struct {
	Swarm swarm.Config
	Links sim.LinkConfig // zero: swarm A
	Seed  uint64         // 0: that of the swarm
	Node  mainline.Config
	For   time.Duration

	// Churn makes the nodes that it meets leave as the session model says: when it first has them in its table, they are
	// some way through their sessions.
	Churn bool

	Down, Up time.Duration // its own link is down from Down until Up

	Minute func(IdlePoint) // called at the end of each virtual minute; nil: not
}

// IdlePoint is the state of the node at the end of a virtual minute.
type IdlePoint struct {
	At    time.Duration
	Table int    // nodes in the table
	Live  int    // of them that are there
	Sent  uint64 // bytes it sent in this minute, with the headers of IPv4 and UDP
}

// IdleResult is what an IdleRun shows.
type IdleResult struct {
	Points []IdlePoint
	Met    int     // nodes that were in its table at some time
	Gone   int     // of them that left
	Kept   float64 // share of the nodes in the table at IdleRun.Down that were still in it at Up
	Hash   uint64
}

// LiveShare returns the share of the table's nodes that were there, on average since a time.
func (r *IdleResult) LiveShare(since time.Duration) float64 {
	table, live := 0, 0
	for _, p := range r.Points {
		if p.At > since {
			table, live = table+p.Table, live+p.Live
		}
	}
	return float64(live) / float64(max(table, 1))
}

// BytesPerDay returns what the node sends a day, at the pace it had since a time.
func (r *IdleResult) BytesPerDay(since time.Duration) float64 {
	minutes, sent := 0, uint64(0)
	for _, p := range r.Points {
		if p.At > since {
			minutes, sent = minutes+1, sent+p.Sent
		}
	}
	return float64(sent) / float64(max(minutes, 1)) * 24 * 60
}

// idleRun is an IdleRun in progress.
type idleRun struct {
	IdleRun
	world *World
	node  *mainline.Node
	met   map[sim.Node]bool // whether it has left
	gone  int
}

// RunIdle makes a swarm and leaves a node alone in it.
func RunIdle(r IdleRun) (res IdleResult, err error) {
	if r.Seed == 0 {
		r.Seed = r.Swarm.Seed
	}
	f := &idleRun{IdleRun: r, world: NewWorld(swarm.New(r.Swarm), r.Seed, r.Links), met: make(map[sim.Node]bool)}
	door := f.world.node(true)
	cfg := r.Node
	cfg.Bootstrap = []string{sim.Addr(door).String()}
	if f.node, err = f.world.Fleet.Start(f.world.Observer, cfg); err != nil {
		return res, fmt.Errorf("lab: idle: %w", err)
	}
	defer f.world.Fleet.Crash(f.world.Observer)
	if r.Up > r.Down {
		f.outage(&res)
	}
	f.live(&res)
	res.Met, res.Gone, res.Hash = len(f.met), f.gone, f.world.Engine.Hash()
	return res, nil
}

// outage takes the node's link away for a while, and looks how many of its table are left in the end.
func (f *idleRun) outage(res *IdleResult) {
	var before []routing.Contact
	f.world.Engine.At(f.Down, func() {
		before = f.table()
		f.world.Links.SetDown(f.world.Observer, true)
	})
	f.world.Engine.At(f.Up, func() {
		after := make(map[routing.Node]bool)
		for _, c := range f.table() {
			after[c.Node] = true
		}
		for _, c := range before {
			if after[c.Node] {
				res.Kept += 1 / float64(len(before))
			}
		}
		f.world.Links.SetDown(f.world.Observer, false)
	})
}

// table returns the nodes in buckets. Those that wait for a place are asked when there is one, so they may be gone.
func (f *idleRun) table() []routing.Contact { return f.node.RPC().Contacts()[:f.node.Len()] }

// headers are those of IPv4 and UDP, in bytes.
const headers = 20 + 8

func (f *idleRun) live(res *IdleResult) {
	e := f.world.Engine
	for sent := uint64(0); e.Now() < f.For; {
		e.Run(min(e.Now()+time.Minute, f.For))
		s := f.node.RPC().Socket().Stats()
		total := s.SentBytes + headers*s.Sent
		p := IdlePoint{At: e.Now(), Sent: total - sent}
		sent = total
		for _, c := range f.table() {
			p.Table++
			if f.there(c.Node) {
				p.Live++
			}
		}
		res.Points = append(res.Points, p)
		if f.Minute != nil {
			f.Minute(p)
		}
	}
}

// there reports whether a contact is alive, and has one that was not met before leave some time.
func (f *idleRun) there(c routing.Node) bool {
	n, ok := sim.NodeAt(c.Addr)
	if !ok || int(n) >= f.world.Swarm.Len() || !f.world.Swarm.Alive(n) {
		return false
	}
	gone, known := f.met[n]
	if known {
		return !gone
	}
	f.met[n] = false
	if f.Churn {
		stays := sim.Residual(sim.Mix(f.Seed^0x1d1e, uint64(n)))
		f.world.Engine.At(f.world.Engine.Now()+stays, func() {
			f.world.Links.SetDown(n, true)
			f.met[n] = true
			f.gone++
		})
	}
	return true
}
