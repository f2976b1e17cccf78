package swarm

import (
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Lie is what a liar does.
type Lie uint8

const (
	WrongID  Lie = iota // answers under an id that changes with each answer
	Invented            // names contacts with random ids, at addresses where nobody is
	Endless             // names contacts ever nearer to the target, at addresses where nobody is
	Flood               // names contacts nearer to the target than anybody, all of them neighbours in its own /24
	Mirror              // names nobody but the one who asks
	Garbage             // answers with bytes that are no message
	Clique              // answers well and names the liars nearest to the target, who do the same; of a Swarm only
)

// Lies reports whether a node is one of Config.Liars.
func (s *Swarm) Lies(n sim.Node) bool { return sim.Unit(s.about(drawLiar, n)) < s.cfg.Liars }

// lie appends a liar's answer to any query.
func lie(dst []byte, kind Lie, m *krpc.Message, n sim.Node, id krpc.ID, draw uint64, head krpc.Header) []byte {
	var nodes [8]routing.Node
	named := nodes[:0]
	switch kind {
	case Garbage:
		return append(dst, "d1:rd2:id20:too shorte"...)
	case WrongID:
		id = idFrom(sim.Mix(draw, 1), sim.Mix(draw, 2))
	default:
		key, _ := m.Target(krpc.IDSize)
		for i := range nodes {
			named = append(named, invented(kind, n, krpc.IDOf(key), sim.Mix(draw, uint64(i)), head))
		}
	}
	return krpc.AppendResponse(dst, m.TID(), id[:], &krpc.NodesResults{Nodes: named, WantNodes: true}, head)
}

// invented returns a contact that is none.
func invented(kind Lie, n sim.Node, target krpc.ID, draw uint64, head krpc.Header) routing.Node {
	switch kind {
	case Endless:
		return routing.Node{Key: nearID(target, 24+int(draw%36), draw).Key(), Addr: farAway(draw)}
	case Flood:
		return routing.Node{Key: nearID(target, 60, draw).Key(), Addr: sim.Addr(sim.Sibling(n, 1+int(draw%253)))}
	case Mirror:
		return routing.Node{Key: nearID(target, 40, draw).Key(), Addr: head.IP}
	}
	return routing.Node{Key: idFrom(sim.Mix(draw, 1), sim.Mix(draw, 2)).Key(), Addr: farAway(draw)}
}

// farAway returns an address that is no node's, as long as there are less than sim.Nets nodes.
func farAway(draw uint64) netip.AddrPort {
	return sim.Addr(sim.Nets + sim.Node(sim.Below(sim.Mix(draw, 4), sim.MaxNodes-sim.Nets)))
}

// Liar is a host of nodes that lie, each for itself.
type Liar struct {
	Engine *sim.Engine
	Lie    Lie
	Served uint64 // queries answered
	out    []byte
}

// Wake implements sim.Host.
func (*Liar) Wake(time.Duration, sim.Node) {}

// Receive implements sim.Host. It answers every query.
func (l *Liar) Receive(_ time.Duration, to, from sim.Node, payload []byte) {
	m, err := krpc.Parse(payload)
	if err != nil || m.Kind() != krpc.KindQuery {
		return
	}
	l.Served++
	l.out = lie(l.out[:0], l.Lie, &m, to, LiarID(to), l.Engine.Draw(), krpc.Header{IP: sim.Addr(from)})
	l.Engine.Send(to, from, l.out)
}

// LiarID returns the id that a node of a Liar has.
func LiarID(n sim.Node) krpc.ID { return idFrom(sim.Mix(0x11a2, uint64(n)), uint64(n)) }
