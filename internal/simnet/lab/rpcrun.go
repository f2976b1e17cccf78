package lab

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/routing"
)

// RPCRun is a number of lookups in a network of full dht-rpc nodes, some of which have died and are still in the tables of
// the others. The zero value of a field means none of it, unless it says otherwise.
type RPCRun struct {
	Nodes int
	Dead  float64 // share of them that die, all at once, before the first lookup
	Seed  uint64
	Links sim.LinkConfig // zero: swarm A
	Boot  time.Duration  // the nodes join one after the other within this time; 0 means 10 min
	Calm  time.Duration  // between the last join and the deaths; 0 means 5 min

	Lookups  int           // by each policy; 0 means 1000
	Within   time.Duration // the lookups start within this time; 0 means 1 min
	Policies []RPCPolicy   // nil: RPCPolicies. Each looks up the same targets, from nodes of its own choice
	Node     dhtrpc.Config // of all nodes; Mode, Public and Bootstrap are set

	Progress func(joined, looked int) // called for each node that has joined and each lookup that is over; nil: not
	Stop     func() bool              // asked before each event: true ends the run with the lookups that are over; nil: never
}

// RPCResult is what an RPCRun shows.
type RPCResult struct {
	Living  int           // nodes that did not die
	Lookups [][]RPCLookup // by policy, as they ended
	Table   float64       // nodes in a table before the deaths, on average
	Stale   float64       // share of the nodes in the tables of the living that were dead at the first lookup
	After   float64       // and after the last

	Boot         time.Duration // wall time until the deaths
	PerMinute    time.Duration // wall time of a virtual minute of calm
	BytesPerNode float64       // of heap before the deaths, everything included
	PacketCost   time.Duration // wall time for each datagram sent before the deaths
	Wall         time.Duration // of the lookups
	Virtual      time.Duration
	Hash         uint64
	Net          sim.Stats
}

// rpcRun is an RPCRun in progress.
type rpcRun struct {
	RPCRun
	engine *sim.Engine
	fleet  *RPCFleet
	alive  []sim.Node
	joined int
	open   int // lookups that are not over
	draws  uint64
	res    RPCResult
	err    error
}

func (r RPCRun) withDefaults() RPCRun {
	r.Boot, r.Calm, r.Within = orElse(r.Boot, 10*time.Minute), orElse(r.Calm, 5*time.Minute), orElse(r.Within, time.Minute)
	r.Lookups = orElse(r.Lookups, 1000)
	if r.Policies == nil {
		r.Policies = RPCPolicies
	}
	if r.Links == (sim.LinkConfig{}) {
		r.Links = sim.SwarmA(r.Seed)
	}
	return r
}

func orElse[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// RunRPC lets a network grow, has a share of it die, and looks up targets.
func RunRPC(run RPCRun) (RPCResult, error) {
	r := &rpcRun{RPCRun: run.withDefaults()}
	r.engine = sim.New(sim.Config{Seed: r.Seed, Link: sim.NewLinks(r.Links)})
	before := heap()
	r.fleet = NewRPCFleet(r.engine, r.Nodes)
	defer r.close()
	if r.boot(); r.err != nil || stopped(r.Stop) {
		return r.res, r.err
	}
	r.res.BytesPerNode = float64(heap()-before) / float64(r.Nodes)
	r.die()
	start := time.Now()
	r.lookups()
	r.res.Wall, r.res.Virtual = time.Since(start), r.engine.Now()
	_, r.res.After = r.tables()
	r.res.Hash, r.res.Net = r.engine.Hash(), r.engine.Stats()
	return r.res, r.err
}

func (r *rpcRun) close() {
	for n := range r.Nodes {
		r.fleet.Crash(sim.Node(n))
	}
}

// boot lets the nodes join, each through one that is there, and waits for the calm.
func (r *rpcRun) boot() {
	start := time.Now()
	for i := range r.Nodes {
		r.engine.At(r.Boot*time.Duration(i)/time.Duration(r.Nodes), func() { r.join(sim.Node(i)) })
	}
	r.until(r.Boot)
	r.calm()
	r.res.Boot = time.Since(start)
	r.res.PacketCost = r.res.Boot / time.Duration(max(r.engine.Stats().Sent, 1))
}

// calm is what it costs that nothing happens.
func (r *rpcRun) calm() {
	start := time.Now()
	r.until(r.Boot + r.Calm)
	r.res.PerMinute = time.Duration(float64(time.Since(start)) / r.Calm.Minutes())
}

// until runs the engine, as long as nothing went wrong.
func (r *rpcRun) until(at time.Duration) {
	r.engine.RunWhile(at, func() bool { return r.err == nil && !stopped(r.Stop) })
}

func (r *rpcRun) join(n sim.Node) {
	cfg := r.Node
	if n > 0 {
		cfg.Bootstrap = []string{sim.Addr(r.alive[sim.Below(r.draw(), uint32(len(r.alive)))]).String()}
	}
	if err := r.fleet.Start(n, cfg); err != nil {
		r.err = fmt.Errorf("lab: node %d: %w", n, err)
		return
	}
	r.alive = append(r.alive, n)
	r.joined++
	r.progress(0)
}

func (r *rpcRun) progress(looked int) {
	if r.Progress != nil {
		r.Progress(r.joined, looked)
	}
}

// die takes the dead away.
func (r *rpcRun) die() {
	r.res.Table, _ = r.tables()
	for range int(r.Dead * float64(r.Nodes)) {
		i := sim.Below(r.draw(), uint32(len(r.alive)))
		r.fleet.Crash(r.alive[i])
		r.alive = slices.Delete(r.alive, int(i), int(i)+1)
	}
	r.res.Living = len(r.alive)
	_, r.res.Stale = r.tables()
}

// tables looks into the tables of a sample of the living.
func (r *rpcRun) tables() (size, stale float64) {
	const sample = 200
	nodes, contacts, dead := 0, 0, 0
	for i := 0; i < len(r.alive); i += max(len(r.alive)/sample, 1) {
		nodes++
		for _, c := range r.fleet.Node(r.alive[i]).Closest(dhtrpc.ID{}, r.Nodes) {
			contacts++
			if n, ok := sim.NodeAt(c.Addr); !ok || r.fleet.Node(n) == nil {
				dead++
			}
		}
	}
	return float64(contacts) / float64(max(nodes, 1)), float64(dead) / float64(max(contacts, 1))
}

func (r *rpcRun) draw() uint64 {
	r.draws++
	return sim.Mix(r.Seed^0x49c, r.draws)
}

func (r *rpcRun) randomID() (id dhtrpc.ID) {
	for i := range len(id) / 8 {
		binary.BigEndian.PutUint64(id[8*i:], r.draw())
	}
	return id
}

// closest returns the 20 living nodes closest to target, the one that asks aside, nearest first.
func (r *rpcRun) closest(target dhtrpc.ID, asker sim.Node) []dhtrpc.ID {
	key := target.Key()
	best := make([]dhtrpc.ID, 0, rpcClosest+1)
	for _, n := range r.alive {
		id, _ := r.fleet.Node(n).ID()
		i := len(best)
		for i > 0 && routing.CompareDistance(key, id.Key(), best[i-1].Key()) < 0 {
			i--
		}
		if i < rpcClosest && n != asker {
			best = slices.Insert(best, i, id)[:min(len(best)+1, rpcClosest)]
		}
	}
	return best
}
