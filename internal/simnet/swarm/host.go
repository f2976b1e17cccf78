package swarm

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// host is the swarm as the engine sees it.
type host struct {
	swarm  *Swarm
	engine *sim.Engine
	served uint64
	out    []byte
	list   list
	nodes  []routing.Node
	reply  krpc.GetPeersResults
	token  [8]byte
}

// Attach puts the swarm's nodes into a network, under their own numbers.
func (s *Swarm) Attach(e *sim.Engine) {
	s.host = host{swarm: s, engine: e}
	e.Attach(0, s.Len(), &s.host)
}

// Served returns the number of queries answered.
func (s *Swarm) Served() uint64 { return s.host.served }

// Wake implements sim.Host: these nodes have no timers.
func (*host) Wake(time.Duration, sim.Node) {}

// Receive implements sim.Host: it answers one query, as BEP 5 says.
func (h *host) Receive(now time.Duration, to, from sim.Node, payload []byte) {
	s := h.swarm
	if !s.Alive(to) {
		return
	}
	m, err := krpc.Parse(payload)
	if err != nil || m.Kind() != krpc.KindQuery {
		return
	}
	h.served++
	id := s.ID(to)
	head := krpc.Header{IP: sim.Addr(from)}
	if s.cfg.Liars == 0 || s.cfg.Lie == Clique || !s.Lies(to) {
		h.out = h.answer(h.out[:0], &m, to, id, head)
	} else {
		h.out = lie(h.out[:0], s.cfg.Lie, &m, to, id, s.about(drawLiar, to)^h.engine.Draw(), head)
	}
	if len(h.out) > 0 {
		h.engine.Send(to, from, h.out)
	}
}

// answer appends what an honest node says.
func (h *host) answer(dst []byte, m *krpc.Message, n sim.Node, id krpc.ID, head krpc.Header) []byte {
	target, ok := m.Target(krpc.IDSize)
	switch method := m.Method(); {
	case string(method) == krpc.MethodPing || string(method) == krpc.MethodAnnouncePeer:
		return krpc.AppendResponse(dst, m.TID(), id[:], krpc.PingResults{}, head)
	case !ok:
		return krpc.AppendError(dst, m.TID(), krpc.ErrMethodUnknown, head)
	case string(method) == krpc.MethodGetPeers:
		binary.BigEndian.PutUint64(h.token[:], h.swarm.about(drawTail, n))
		h.reply.Token = h.token[:]
	default:
		h.reply.Token = nil
	}
	h.reply.WantNodes = true
	if s := h.swarm; s.cfg.Liars > 0 && s.cfg.Lie == Clique && s.Lies(n) {
		h.reply.Nodes = h.clique(krpc.IDOf(target))
	} else {
		h.reply.Nodes = h.contacts(n, krpc.IDOf(target))
	}
	return krpc.AppendResponse(dst, m.TID(), id[:], &h.reply, head)
}

// contacts returns whom a node names for a target.
func (h *host) contacts(n sim.Node, target krpc.ID) []routing.Node {
	s := h.swarm
	s.nearest(&h.list, n, prefixOf(target))
	h.nodes = h.nodes[:0]
	for _, c := range h.list.nodes[:h.list.n] {
		if s.cfg.Decoys > 0 {
			if draw := h.engine.Draw(); sim.Unit(draw) < s.cfg.Decoys {
				h.nodes = append(h.nodes, h.decoy(c, target, draw))
				continue
			}
		}
		h.nodes = append(h.nodes, routing.Node{Key: s.ID(c).Key(), Addr: sim.Addr(c)})
	}
	if len(s.intruders) > 0 {
		h.intrude(n, target)
	}
	return h.nodes
}

// intrude puts intruders among the contacts that n names, where they are nearer to the target.
func (h *host) intrude(n sim.Node, target krpc.ID) {
	k, own, key := len(h.nodes), h.swarm.ID(n).Key(), target.Key()
	for _, c := range h.swarm.intruders {
		if lo, hi := h.swarm.ids.bucket(prefixOf(krpc.IDOf(own)), routing.CommonBits(own, c.Key)); int(hi-lo) <= h.swarm.cfg.K {
			h.nodes = append(h.nodes, c)
		}
	}
	slices.SortFunc(h.nodes, func(a, b routing.Node) int { return routing.CompareDistance(key, a.Key, b.Key) })
	h.nodes = h.nodes[:min(k, len(h.nodes))]
}

// clique returns the liars nearest to a target.
func (h *host) clique(target krpc.ID) []routing.Node {
	s, key := h.swarm, target.Key()
	for shared := bits.Len(uint(s.Len())); ; shared-- {
		lo, hi := s.Around(target, shared)
		h.nodes = h.nodes[:0]
		for n := lo; n < hi; n++ {
			if s.Alive(n) && s.Lies(n) {
				h.nodes = append(h.nodes, routing.Node{Key: s.ID(n).Key(), Addr: sim.Addr(n)})
			}
		}
		if len(h.nodes) >= s.cfg.K || shared <= 0 {
			break
		}
	}
	slices.SortFunc(h.nodes, func(a, b routing.Node) int { return routing.CompareDistance(key, a.Key, b.Key) })
	return h.nodes[:min(len(h.nodes), s.cfg.K)]
}

// decoy invents a contact in the place of c: as near to the target, where nobody is.
func (h *host) decoy(c sim.Node, target krpc.ID, draw uint64) routing.Node {
	s := h.swarm
	common := bits.LeadingZeros64(s.ids.sorted[c] ^ prefixOf(target))
	return routing.Node{Key: nearID(target, common, draw).Key(), Addr: s.nowhere(draw)}
}

// nearID invents an id that shares exactly n bits, up to 63, with target.
func nearID(target krpc.ID, n int, draw uint64) krpc.ID {
	prefix, rest := prefixOf(target), ^uint64(0)>>1>>min(n, 63)
	prefix ^= 1 << (63 - min(n, 63))
	return idFrom(prefix&^rest|sim.Mix(draw, 1)&rest, sim.Mix(draw, 2))
}

// idFrom makes an id of its first 8 bytes and a hash of the others.
func idFrom(prefix, tail uint64) (id krpc.ID) {
	binary.BigEndian.PutUint64(id[:], prefix)
	binary.BigEndian.PutUint64(id[8:], tail)
	binary.BigEndian.PutUint32(id[16:], uint32(sim.Mix(tail, 1)))
	return id
}

// nowhere returns an address at which no node of the swarm is.
func (s *Swarm) nowhere(draw uint64) netip.AddrPort {
	free := sim.MaxNodes - uint32(s.Len())
	return sim.Addr(sim.Node(s.Len()) + sim.Node(sim.Below(sim.Mix(draw, 4), free)))
}
