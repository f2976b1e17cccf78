package mainline

import (
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Secure says what a node makes of BEP 42, by which an id has to suit its node's address: an attacker cannot choose where
// in the key space he stands. Addresses of private networks are exempt. Queries are answered whatever the asker's id.
type Secure uint8

const (
	// SecurePrefer has an id of our own that suits our address, keeps suitable nodes in its table rather than others, and writes
	// to suitable nodes besides the closest ones.
	SecurePrefer Secure = iota
	// SecureStrict in addition takes a token from suitable nodes only, and counts only them among the closest.
	SecureStrict
	// SecureOff does not look at ids, our own included.
	SecureOff
)

// Ours.
const (
	renameEvery = 10 * time.Minute // the own id does not change more often
	voteEvery   = time.Second      // votes are counted this often once an address is agreed on
)

// external is what an endpoint knows of its own address.
type external struct {
	votes   votes
	last    time.Time // vote
	renamed time.Time // last change of the own id; zero: never
	count   int       // of these changes
}

// External returns our address as others see it, of the endpoint's family, and whether they agree on it or it is only what
// most have said so far; not valid before anybody has. The port is 0 if others see different ones: a NAT that has one for
// each destination.
func (e *Endpoint) External() (addr netip.AddrPort, agreed bool) {
	e.voting.Lock()
	defer e.voting.Unlock()
	return e.external.votes.external()
}

// seenAs counts the vote of the node at from, which sees us as seen, and returns a new id when ours does not suit what was
// agreed on (krpc.Config.OnAddress). It runs with the RPC's lock held.
func (e *Endpoint) seenAs(seen, from netip.AddrPort, at time.Time) []byte {
	e.voting.Lock()
	defer e.voting.Unlock()
	x := &e.external
	addr, agreed := x.votes.external()
	if agreed && at.Sub(x.last) < voteEvery {
		return nil
	}
	x.last = at
	x.votes.cast(seen, from.Addr(), at)
	before, known := addr, agreed
	if addr, agreed = x.votes.external(); !agreed {
		return nil
	}
	if addr != before || !known {
		e.rpc.Socket().SetExternal(addr)
	}
	return e.rename(addr.Addr(), at)
}

// rename returns the id that the endpoint takes for an address, nil if it keeps its own.
func (e *Endpoint) rename(ip netip.Addr, at time.Time) []byte {
	cfg, x := &e.node.cfg, &e.external
	keeps := !cfg.ID.IsZero() || cfg.ReadOnly || cfg.Private || cfg.Secure == SecureOff
	if keeps || Suits(e.ID(), ip) || !x.renamed.IsZero() && at.Sub(x.renamed) < renameEvery {
		return nil
	}
	x.renamed = at
	x.count++
	id := SecureID(ip, cfg.randomID("rename", e.index<<8|x.count&0xff))
	if log := cfg.Logger; log != nil {
		log.Info("mainline: own id follows our address", "address", ip, "id", id)
	}
	if e.index == 0 {
		e.node.moved(id)
	}
	return id[:]
}

// suits reports whether a node's id suits its address.
func suits(n routing.Node) bool { return Suits(krpc.IDOf(n.Key), n.Addr.Addr()) }

// introduce hands a node of the other family, which a joining endpoint heard of, to the endpoint it is for (BEP 32).
func (e *Endpoint) introduce(c routing.Node, at time.Time) {
	if o := e.node.nearest(c.Key, c.Addr.Addr().Is6()); o != nil {
		o.rpc.Introduce(c, at)
	}
}

// otherLonely reports whether the other family has an endpoint that knows too few nodes.
func (e *Endpoint) otherLonely() bool {
	for _, o := range e.node.ends {
		if o.IPv6() != e.IPv6() && o.rpc.Lonely() {
			return true
		}
	}
	return false
}

// prefer returns what the tables prefer nodes for (routing.Config.Prefer).
func (c *Config) prefer() func(routing.Node) bool {
	if c.Secure == SecureOff {
		return nil
	}
	return suits
}
