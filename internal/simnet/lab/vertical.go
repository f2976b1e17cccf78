package lab

import (
	"math/bits"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// VerticalRun has an attacker take his stand around one info hash with nodes in some /24s of his own, whom every honest node
// knows. One observer announces, another one looks for peers. Each round has its own hash.
type VerticalRun struct {
	Swarm  swarm.Config
	Seed   uint64 // 0: that of the swarm
	Nets   int    // of the attacker
	Each   int    // nodes in each of them; 0 means 2, as many as a bucket takes
	Bits   int    // their ids share so many bits more with the hash than that of the nearest honest node usually does
	Rounds int
	Node   mainline.Config
}

// VerticalResult is what became of each round.
type VerticalResult struct {
	Holders []int  // honest nodes that took the announcement
	Evil    []int  // nodes of the attacker that took it
	Found   []bool // the second observer's lookup was answered by a holder
	Stats   []routing.Stats
}

// RunVertical runs the rounds.
func RunVertical(r VerticalRun) (res VerticalResult, err error) {
	if r.Seed == 0 {
		r.Seed = r.Swarm.Seed
	}
	if r.Each == 0 {
		r.Each = 2
	}
	w := NewWorld(swarm.New(r.Swarm), r.Seed, sim.LinkConfig{})
	g := &gang{world: w}
	for i := range r.Each { // the i-th neighbours of the nodes behind the observer
		w.Engine.Attach(sim.Sibling(w.Observer+1, i), r.Nets, g)
	}
	for range r.Rounds {
		if err := g.round(r, &res); err != nil {
			return res, err
		}
	}
	return res, nil
}

// round lets one observer announce under a hash that is besieged, and another one look for it.
func (g *gang) round(r VerticalRun, res *VerticalResult) error {
	hash := g.world.randomID()
	g.besiege(hash, r)
	holders := make(map[sim.Node]bool)
	node, err := g.world.Observe(Memory{}, r.Node)
	if err != nil {
		return err
	}
	looking := node.GetPeersWith(hash, routing.Thorough())
	if err := g.world.drive(looking.Drive, func(*krpc.Reply) {}); err != nil {
		return err
	}
	evil := 0
	args := &krpc.AnnouncePeerArgs{InfoHash: hash, Port: 1}
	if err := g.world.drive(looking.Write(args).Drive, func(r *krpc.Reply) {
		n, _ := sim.NodeAt(r.From.Addr)
		if _, bad := g.ids[n]; bad {
			evil++
		} else {
			holders[n] = true
		}
	}); err != nil {
		return err
	}
	if node, err = g.world.Observe(Memory{}, r.Node); err != nil {
		return err
	}
	found := false
	l := node.GetPeers(hash)
	err = g.world.drive(l.Drive, func(r *krpc.Reply) {
		n, _ := sim.NodeAt(r.From.Addr)
		found = found || holders[n]
	})
	res.Holders, res.Evil = append(res.Holders, len(holders)), append(res.Evil, evil)
	res.Found, res.Stats = append(res.Found, found), append(res.Stats, l.Stats())
	return err
}

// drive runs a lookup, or writes, of the observer to the end.
func (w *World) drive(drive func(func(*krpc.Reply), func(error)) func(), each func(*krpc.Reply)) error {
	ended := false
	w.Fleet.Do(w.Observer, func(*mainline.Node) { drive(each, func(error) { ended = true }) })
	if w.Engine.RunWhile(w.Engine.Now()+patience, func() bool { return !ended }) && !ended {
		return errStuck
	}
	return nil
}

// gang is the attacker's nodes, which answer all queries, with a token, and name each other.
type gang struct {
	world *World
	ids   map[sim.Node]krpc.ID
	nodes []routing.Node
	out   []byte
}

// besiege takes a stand around a hash.
func (g *gang) besiege(hash krpc.ID, r VerticalRun) {
	g.ids, g.nodes = make(map[sim.Node]krpc.ID), nil
	density := bits.Len(uint(g.world.Swarm.Len()))
	for i := range r.Nets * r.Each {
		n := sim.Sibling(g.world.Observer+1+sim.Node(i%r.Nets), i/r.Nets)
		g.ids[n] = g.near(hash, density+r.Bits+i%4)
		g.nodes = append(g.nodes, routing.Node{Key: g.ids[n].Key(), Addr: sim.Addr(n)})
	}
	g.world.Swarm.Intrude(g.nodes)
}

// near draws an id that shares so many bits with the hash.
func (g *gang) near(hash krpc.ID, bits int) krpc.ID {
	id := g.world.randomID()
	for i := range bits {
		mask := byte(0x80) >> (i % 8)
		id[i/8] = id[i/8]&^mask | hash[i/8]&mask
	}
	return id
}

// Wake implements sim.Host.
func (*gang) Wake(time.Duration, sim.Node) {}

// Receive implements sim.Host.
func (g *gang) Receive(_ time.Duration, to, from sim.Node, payload []byte) {
	m, err := krpc.Parse(payload)
	id, ok := g.ids[to]
	if err != nil || !ok || m.Kind() != krpc.KindQuery {
		return
	}
	res := &krpc.GetPeersResults{Token: []byte("evil"), NodesResults: krpc.NodesResults{WantNodes: true}}
	for _, n := range g.nodes {
		if len(res.Nodes) < closest {
			res.Nodes = append(res.Nodes, n)
		}
	}
	g.out = krpc.AppendResponse(g.out[:0], m.TID(), id[:], res, krpc.Header{IP: sim.Addr(from)})
	g.world.Engine.Send(to, from, g.out)
}
