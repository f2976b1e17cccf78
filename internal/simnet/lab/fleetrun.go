package lab

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// FleetRun is a network of full nodes that live together for a while. The zero value of a field means none of it, unless it
// says otherwise.
type FleetRun struct {
	Nodes int
	Seed  uint64
	Links sim.LinkConfig // zero: swarm A
	Boot  time.Duration  // the nodes join one after the other within this time; 0 means 1 min
	For   time.Duration  // how long the run goes on after that

	// Churn makes nodes leave, without a word, as the session model says. For each, another one joins at once, somewhere
	// else and with an id of its own; a share of Return comes back instead, at its old place with its old id and contacts,
	// after half an hour.
	Churn  bool
	Return float64

	Restricted float64 // share of the nodes behind a NAT that lets answers in, and nothing else
	Firewalled float64 // likewise, but only for 30 s
	Liars      float64 // so many liars for each honest node, which ask nothing and answer as Lie says
	Lie        swarm.Lie

	Probes  int                  // lookups a virtual minute, by random nodes, of random targets
	Profile routing.LookupConfig // of these
	Node    mainline.Config      // of all nodes; ID and Bootstrap are set

	Minute func(FleetPoint) // called at the end of each virtual minute; nil: not
	Stop   func() bool      // asked before each event: true ends the run with the minutes that are over; nil: never
}

// FleetPoint is the state of a fleet at the end of a virtual minute.
type FleetPoint struct {
	At      time.Duration
	Nodes   int           // that are there
	Table   float64       // nodes in a table, on average
	Gone    float64       // share of those that are not there any more, or not under that id
	Sent    float64       // datagrams a node sent in this minute
	Wall    time.Duration // that this minute took
	Joined  int           // so far, those that came back included
	Left    int           // so far
	Lookups []Lookup      // probes that ended in this minute
}

// FleetResult is what a FleetRun shows.
type FleetResult struct {
	Points       []FleetPoint
	Boot         time.Duration // wall time of the boot
	PerMinute    time.Duration // wall time of a virtual minute after the boot, on average
	BytesPerNode float64       // of heap, everything included
	PacketCost   time.Duration // wall time for each datagram sent
	Hash         uint64
	Net          sim.Stats
}

// Lookups returns all probes, as the result of a LookupRun: for its Summary.
func (r *FleetResult) Lookups() LookupResult {
	var all LookupResult
	for _, p := range r.Points {
		all.Lookups = append(all.Lookups, p.Lookups...)
	}
	return all
}

// fleetRun is a FleetRun in progress.
type fleetRun struct {
	FleetRun
	engine *sim.Engine
	links  *sim.Links
	fleet  *Fleet
	draws  uint64

	up     []sim.Node // who is there, in no order
	place  []int32    // by node: index in up, -1 if it is not there
	next   sim.Node   // first place that was never used
	born   []uint32   // by node: how often somebody started there, so that an old farewell does not count
	point  FleetPoint
	probes int // in progress
}

// spare is how many places there are for each node, for those who come when others have left. When they are used up, old
// ones are used again.
const spare = 2

// RunFleet boots full nodes and lets them live.
func RunFleet(r FleetRun) (FleetResult, error) {
	if r.Boot == 0 {
		r.Boot = time.Minute
	}
	if r.Links == (sim.LinkConfig{}) {
		r.Links = sim.SwarmA(r.Seed)
	}
	f := &fleetRun{FleetRun: r, links: sim.NewLinks(r.Links)}
	places := r.Nodes
	if r.Churn {
		places *= spare
	}
	f.place, f.born = make([]int32, places), make([]uint32, places)
	for i := range f.place {
		f.place[i] = -1
	}
	f.engine = sim.New(sim.Config{Seed: r.Seed, Link: f.links})
	before := heap()
	f.fleet = NewFleet(f.engine, 0, places)
	if liars := int(r.Liars * float64(r.Nodes)); liars > 0 {
		f.engine.Attach(sim.Node(places), liars, &swarm.Liar{Engine: f.engine, Lie: r.Lie})
	}
	return f.run(before)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (f *fleetRun) run(before uint64) (res FleetResult, err error) {
	for i := range f.Nodes {
		f.engine.At(f.Boot*time.Duration(i)/time.Duration(f.Nodes), func() { err = f.keep(err, f.join(f.fresh())) })
	}
	start := time.Now()
	f.minutes(f.Boot, &res)
	res.Boot = time.Since(start)
	f.engine.At(f.Boot, f.probe)
	alive := time.Now()
	f.minutes(f.Boot+f.For, &res)
	if lived := f.engine.Now() - f.Boot; lived > 0 {
		res.PerMinute = time.Duration(float64(time.Since(alive)) / lived.Minutes())
	}
	res.PacketCost = time.Since(start) / time.Duration(max(f.engine.Stats().Sent, 1))
	res.BytesPerNode = float64(heap()-before) / float64(max(len(f.up), 1))
	res.Hash, res.Net = f.engine.Hash(), f.engine.Stats()
	f.close()
	return res, err
}

func (f *fleetRun) keep(first, err error) error {
	if first == nil && err != nil {
		return fmt.Errorf("lab: fleet: %w", err)
	}
	return first
}

// minutes runs until a time, and notes a point for each minute.
func (f *fleetRun) minutes(until time.Duration, res *FleetResult) {
	for f.engine.Now() < until {
		start, sent := time.Now(), f.engine.Stats().Sent
		if !f.engine.RunWhile(min(f.engine.Now()+time.Minute, until), func() bool { return !stopped(f.Stop) }) {
			return
		}
		p := f.point
		p.At, p.Nodes, p.Wall = f.engine.Now(), len(f.up), time.Since(start)
		p.Sent = float64(f.engine.Stats().Sent-sent) / float64(max(len(f.up), 1))
		p.Table, p.Gone = f.tables()
		f.point.Lookups = nil
		res.Points = append(res.Points, p)
		if f.Minute != nil {
			f.Minute(p)
		}
	}
}

func (f *fleetRun) close() {
	for _, n := range f.up {
		f.fleet.Crash(n)
	}
}

func (f *fleetRun) draw() uint64 {
	f.draws++
	return sim.Mix(f.Seed^0xf1ee7, f.draws)
}

// fresh returns a place for a newcomer: one that was never used, while there are some.
func (f *fleetRun) fresh() (sim.Node, krpc.ID) {
	if int(f.next) < len(f.place) {
		f.next++
		return f.next - 1, f.randomID()
	}
	for {
		if n := sim.Node(sim.Below(f.draw(), uint32(len(f.place)))); f.place[n] < 0 {
			return n, f.randomID()
		}
	}
}

func (f *fleetRun) randomID() (id krpc.ID) {
	binary.BigEndian.PutUint64(id[:], f.draw())
	binary.BigEndian.PutUint64(id[8:], f.draw())
	binary.BigEndian.PutUint32(id[16:], uint32(f.draw()))
	return id
}

// join starts a node that joins through one that is there.
func (f *fleetRun) join(n sim.Node, id krpc.ID) error {
	cfg := f.Node
	if len(f.up) > 0 {
		cfg.Bootstrap = []string{sim.Addr(f.door()).String()}
	}
	f.links.Reset(n)
	switch u := sim.Unit(f.draw()); {
	case len(f.up) == 0:
	case u < f.Restricted:
		f.links.SetNAT(n, sim.Restricted)
	case u < f.Restricted+f.Firewalled:
		f.links.SetNAT(n, sim.Firewalled)
	}
	return f.start(n, id, cfg)
}

// door returns somebody to join through: the first node, which is open to all, while it is there.
func (f *fleetRun) door() sim.Node {
	const tries = 20
	for range tries {
		n := f.up[sim.Below(f.draw(), uint32(len(f.up)))]
		if f.links.NAT(n) == sim.Open {
			if liars := int(f.Liars * float64(f.Nodes)); liars > 0 && f.draw()%16 == 0 {
				return sim.Node(len(f.place)) + sim.Node(sim.Below(f.draw(), uint32(liars)))
			}
			return n
		}
	}
	return f.up[0]
}

func (f *fleetRun) start(n sim.Node, id krpc.ID, cfg mainline.Config) error {
	if f.place[n] >= 0 {
		return nil // somebody took the place meanwhile
	}
	cfg.ID = id
	if _, err := f.fleet.Start(n, cfg); err != nil {
		return err
	}
	f.place[n] = int32(len(f.up))
	f.up = append(f.up, n)
	f.born[n]++
	f.point.Joined++
	if f.Churn {
		stays := sim.Session(f.draw())
		if f.engine.Now() <= f.Boot {
			stays = sim.Residual(f.draw())
		}
		born := f.born[n]
		f.engine.At(f.engine.Now()+stays, func() {
			if f.born[n] == born && f.place[n] >= 0 {
				f.leave(n)
			}
		})
	}
	return nil
}

// awayFor is how long a node that comes back was away. Ours.
const awayFor = 30 * time.Minute

// leave takes a node away, and lets somebody come for it.
func (f *fleetRun) leave(n sim.Node) {
	node := f.fleet.Node(n)
	id, saved := node.ID(), node.Nodes()
	f.fleet.Crash(n)
	i, last := f.place[n], len(f.up)-1
	f.up[i] = f.up[last]
	f.place[f.up[i]] = i
	f.up, f.place[n] = f.up[:last], -1
	f.point.Left++
	if sim.Unit(f.draw()) < f.Return {
		f.engine.At(f.engine.Now()+awayFor, func() {
			cfg := f.Node
			cfg.Nodes = saved
			f.start(n, id, cfg) // it started once
		})
		return
	}
	f.join(f.fresh())
}
