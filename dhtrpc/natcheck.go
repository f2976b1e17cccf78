package dhtrpc

import (
	"encoding/binary"
	"net/netip"
)

// natCheck is one attempt to find out whether our server port can be reached (dht-rpc 8.2): nodes that were asked from the
// client socket answer to it.
type natCheck struct {
	only   bool           // turn away from the client socket, but stay ephemeral
	addr   netip.AddrPort // what we think we are
	asked  int
	open   int // without an outcome
	good   int // answers that came in on the server socket
	fresh  sampler
	result func(changed bool)
}

const (
	natAsked = 5 // nodes asked
	natGood  = 3 // answers needed, of so many
)

// updateNetwork finds out whether the node can be reached, and makes it persistent if it can, unless only the firewall is
// of interest (dht-rpc 8.3). result is called once, with the lock held: whether anything is different now.
func (n *Node) updateNetwork(only bool, result func(changed bool)) {
	w := &n.net
	if !w.ephemeral || only && !w.firewalled || w.checking != nil || w.fixed && n.cfg.Mode == Ephemeral {
		result(false)
		return
	}
	if !only {
		n.up.stable = stableAgain
		w.checked = w.sampler.host
	}
	addr, known := w.sampler.addr()
	if !known {
		result(false)
		return
	}
	c := &natCheck{only: only, addr: addr, result: result}
	w.checking = c
	if !w.firewalled {
		n.passed(c, addr)
		return
	}
	n.askNAT(c)
}

// askNAT sends the probes.
func (n *Node) askNAT(c *natCheck) {
	addrs := n.recent(natAsked)
	if len(addrs) < natAsked {
		known, _ := n.boot.known(n.clock)
		addrs = append(addrs, known...)
	}
	c.open = len(addrs) + 1
	for _, a := range addrs {
		if n.pingNAT(a, func(r *Reply, err error) { n.probed(c, r, err) }) {
			c.asked++
		} else {
			c.open--
		}
	}
	n.probed(c, nil, nil) // if nobody could be asked
}

// pingNAT asks a node to answer to our server port. It reports whether it could be asked.
func (n *Node) pingNAT(to netip.AddrPort, settled func(*Reply, error)) bool {
	port := binary.LittleEndian.AppendUint16(nil, n.sock.Addr(serverConn).Port())
	return n.internal(to, CommandPingNAT, nil, port, settled) == nil
}

// probed takes one outcome.
func (n *Node) probed(c *natCheck, r *Reply, err error) {
	if c.open--; r != nil && err == nil && r.Conn == serverConn {
		c.good++
		c.fresh.add(r.To)
	}
	if c.open > 0 {
		return
	}
	need := 1
	if c.asked >= natAsked {
		need = natGood
	}
	seen, stable := c.fresh.addr()
	if c.good < need || seen.Addr() != c.addr.Addr() || !stable || seen.Port() != n.sock.Addr(serverConn).Port() {
		n.endCheck(c, false)
		return
	}
	n.passed(c, seen)
}

// passed: others reach us at addr.
func (n *Node) passed(c *natCheck, addr netip.AddrPort) {
	w := &n.net
	changed := w.firewalled
	w.firewalled = false
	now, known := w.sampler.addr()
	if !w.ephemeral || !known || now != c.addr {
		n.endCheck(c, changed)
		return
	}
	if c.good > 0 {
		if w.sampler = c.fresh; now != addr {
			n.natUpdated()
		}
	}
	n.sock.SetExternal(addr)
	if c.only {
		n.rebase(addr)
	} else {
		n.persist(addr)
		changed = true
	}
	n.endCheck(c, changed)
}

func (n *Node) endCheck(c *natCheck, changed bool) {
	n.net.checking = nil
	c.result(changed)
}
