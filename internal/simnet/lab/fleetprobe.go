package lab

import (
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// tables looks into the tables of a sample of the nodes.
func (f *fleetRun) tables() (size, gone float64) {
	const sample = 200
	nodes, contacts, missing := 0, 0, 0
	for i := 0; i < len(f.up); i += max(len(f.up)/sample, 1) {
		nodes++
		for _, c := range f.fleet.Node(f.up[i]).RPC().Nodes() {
			contacts++
			if !f.there(c) {
				missing++
			}
		}
	}
	return float64(contacts) / float64(max(nodes, 1)), float64(missing) / float64(max(contacts, 1))
}

// there reports whether a contact is a node that is there now.
func (f *fleetRun) there(c routing.Node) bool {
	n, ok := sim.NodeAt(c.Addr)
	if !ok || int(n) >= len(f.place) || f.place[n] < 0 {
		return false
	}
	return f.fleet.Node(n).RPC().Key() == c.Key
}

// probe starts one lookup, and comes again.
func (f *fleetRun) probe() {
	if f.Probes <= 0 || len(f.up) == 0 {
		return
	}
	f.engine.At(f.engine.Now()+time.Minute/time.Duration(f.Probes), f.probe)
	at := f.up[sim.Below(f.draw(), uint32(len(f.up)))]
	out := Lookup{Target: f.randomID(), First: -1}
	truth := f.closest(out.Target, at)
	start := f.engine.Now()
	l := f.fleet.Node(at).FindNodeWith(out.Target, f.Profile)
	each := func(r *krpc.Reply) {
		if n, _ := sim.NodeAt(r.From.Addr); out.First < 0 && slices.Contains(truth, n) {
			out.First = f.engine.Now() - start
		}
	}
	done := func(err error) {
		out.Err, out.Done = err, f.engine.Now()-start
		s := l.Stats()
		out.Queries, out.Sent, out.Answered = s.Asked, s.Asked, s.Answered
		for _, c := range l.ClosestNodes() {
			out.Found = append(out.Found, krpc.IDOf(c.Key))
			if n, ok := sim.NodeAt(c.Addr); ok && slices.Contains(truth, n) {
				out.Hits++
			}
		}
		f.point.Lookups = append(f.point.Lookups, out)
	}
	f.fleet.Do(at, func(*mainline.Node) { l.Drive(each, done) })
}

// closest returns the 8 nodes closest to target that are there and open to all, the one that asks aside.
func (f *fleetRun) closest(target krpc.ID, asker sim.Node) []sim.Node {
	key := target.Key()
	var best []sim.Node
	for _, n := range f.up {
		if n == asker || f.links.NAT(n) != sim.Open {
			continue
		}
		k := f.fleet.Node(n).RPC().Key()
		i := len(best)
		for i > 0 && routing.CompareDistance(key, k, f.fleet.Node(best[i-1]).RPC().Key()) < 0 {
			i--
		}
		if i < closest {
			best = slices.Insert(best, i, n)
			best = best[:min(len(best), closest)]
		}
	}
	return best
}
