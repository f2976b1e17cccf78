package dhtrpc

import (
	"net/netip"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// serverConn is the index of the socket whose port others are to reach; the client socket, if there is one, is the last.
const serverConn = 0

// network is what a node knows of its own place: address, firewall, whether it shows its id (dht-rpc 7, 8).
type network struct {
	stepped bool
	conns   int

	ephemeral  bool        // no id in messages
	firewalled bool        // requests leave from the client socket
	fixed      bool        // the address was given, not guessed
	id         routing.Key // of messages while not ephemeral
	sampler    sampler

	sampled  map[netip.AddrPort]int // tick of each node's last opinion
	nameless map[netip.AddrPort]bool
	checking *natCheck  // in progress; nil: none
	checked  netip.Addr // host of the last full check
}

const (
	sampleAgain = 360  // ticks (30 min) after which a node is heard again about our address
	maxSampled  = 4096 // nodes remembered for that; ours
)

// init takes over the sockets, and the address if it needs no guessing.
func (w *network) init(n *Node, conns int) {
	w.conns = max(conns, 1)
	w.sampled, w.nameless = make(map[netip.AddrPort]int), make(map[netip.AddrPort]bool)
	if w.id.IsZero() { // not after a suspension
		w.ephemeral, w.firewalled = true, !n.cfg.Open
	}
	if a, ok := n.givenAddr(); ok {
		w.fixed, w.firewalled = true, false
		w.sampler = sampler{}
		w.sampler.add(a)
		n.sock.SetExternal(a)
		if n.cfg.Mode == Persistent {
			n.persist(a)
		}
	}
}

// givenAddr returns our address if it is known from the start: it was configured, or the node is to be persistent in a
// private network and bound to one address.
func (n *Node) givenAddr() (netip.AddrPort, bool) {
	if n.cfg.Public.IsValid() {
		return n.cfg.Public, true
	}
	bound := n.sock.Addr(serverConn)
	if n.cfg.Mode != Persistent || !n.cfg.Private || !bound.Addr().Is4() || !socket.Routable(bound, true) {
		return netip.AddrPort{}, false
	}
	return bound, true
}

// sendConn returns the socket that requests leave from.
func (w *network) sendConn() int {
	if w.firewalled {
		return w.conns - 1
	}
	return serverConn
}

// persist shows our id from now on. The lookup that follows tells our neighbours.
func (n *Node) persist(a netip.AddrPort) {
	if n.rebase(a); n.net.ephemeral {
		n.net.ephemeral = false
		n.up.refreshSoon = n.up.ready
		n.later(n.cfg.On.Persistent)
	}
}

// rebase makes the id that goes with an address the table's own.
func (n *Node) rebase(a netip.AddrPort) {
	n.net.id = IDOf(a).Key()
	if n.table.Self() == n.net.id {
		return
	}
	n.table.Rebase(n.net.id, n.clock)
	n.table.Remove(routing.Node{Key: n.net.id})
	if n.up.ready {
		n.up.refreshSoon = true
	}
}

// sampleReply takes the opinion of a node that answered.
func (w *network) sampleReply(n *Node, node routing.Node, to netip.AddrPort, conn int) {
	if conn == w.sendConn() {
		w.sample(n, node.Addr, to)
	}
}

// sampleRequest takes the opinion of a node that asked, if it is one that has answered us before.
func (w *network) sampleRequest(n *Node, node routing.Node, to netip.AddrPort, d socket.Datagram) {
	if d.Conn == w.sendConn() && w.due(n, node.Addr) && n.knows(node) {
		w.sample(n, node.Addr, to)
	}
}

// sampleNameless takes the opinion of a node without id: a few bootstrap nodes may have one (dht-rpc 8.1).
func (w *network) sampleNameless(n *Node, from, to netip.AddrPort, conn int) {
	if conn != w.sendConn() || w.nameless[from] || len(w.nameless) >= max(1, len(n.cfg.Bootstrap)) {
		return
	}
	w.nameless[from] = true
	w.opinion(n, to)
}

// due reports whether it is time to hear a node again.
func (w *network) due(n *Node, from netip.AddrPort) bool {
	last, ok := w.sampled[from]
	return !w.fixed && (!ok || n.up.ticks-last >= sampleAgain)
}

func (w *network) sample(n *Node, from, to netip.AddrPort) {
	if !w.due(n, from) {
		return
	}
	if len(w.sampled) >= maxSampled {
		clear(w.sampled)
	}
	w.sampled[from] = n.up.ticks
	w.opinion(n, to)
}

func (w *network) opinion(n *Node, to netip.AddrPort) {
	if w.fixed || !socket.Routable(to, n.cfg.Private) {
		return
	}
	if !w.sampler.add(to) {
		return
	}
	n.natUpdated()
	if n.cfg.Mode == Persistent && n.up.ready {
		n.updateNetwork(false, func(bool) {}) // it began as the first of its network
	}
}

// natUpdated tells that we know something else of our address.
func (n *Node) natUpdated() {
	host, port := n.net.sampler.host, n.net.sampler.port
	if f := n.cfg.On.NATUpdate; f != nil {
		n.later(func() { f(host, port) })
	}
}

// knows reports whether a node is in the table and has answered.
func (n *Node) knows(node routing.Node) bool {
	var near [1]routing.Node
	found := n.table.AppendClosest(near[:0], node.Key, 1)
	return len(found) == 1 && found[0] == node
}
