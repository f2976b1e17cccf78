package routing

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Node is a contact: an id and the address it is reached at.
type Node struct {
	Key  Key
	Addr netip.AddrPort
}

// Contact is what a Table knows about one node.
type Contact struct {
	Node
	RTT      time.Duration // smoothed round trip; 0: not known
	Seen     time.Time     // last message from it that proves or suggests life
	Fails    int           // queries failed in a row
	Verified bool          // it has answered a query of ours
}

// unmapped returns n with an IPv4-mapped IPv6 address turned into the IPv4 address it stands for (BEP 32).
func (n Node) unmapped() Node {
	if n.Addr.Addr().Is4In6() {
		n.Addr = netip.AddrPortFrom(n.Addr.Addr().Unmap(), n.Addr.Port())
	}
	return n
}

// usable reports whether the address can be sent to at all and handed on to others. A zone means nothing to another
// machine. Which ranges are routable is the socket's filter to decide.
func usable(a netip.AddrPort) bool {
	ip := a.Addr()
	return ip.IsValid() && a.Port() != 0 && !ip.IsUnspecified() && ip.Zone() == ""
}

// host is an address without pointers: the 16-byte form, IPv4 as ::ffff:a.b.c.d.
type host [16]byte

func hostOf(a netip.Addr) host { return a.As16() }

func (h host) addr() netip.Addr { return netip.AddrFrom16(h).Unmap() }

// net returns the network the diversity rules count in, as a number: the /24 of an IPv4 address, the /64 of an IPv6
// address. IPv4 networks, and others in ::/64, are mapped into multicast space, where no IPv6 node lives.
func (h *host) net() uint64 {
	hi, lo := binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:])
	if hi == 0 {
		return 0xff<<56 | lo>>8
	}
	return hi
}

// sameNet is h.net() == o.net(), made for scans.
func (h *host) sameNet(o *host) bool {
	hi, lo := binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:])
	return hi == binary.BigEndian.Uint64(o[:8]) && (hi != 0 || (lo^binary.BigEndian.Uint64(o[8:]))>>8 == 0)
}

// netOf is host.net for an address in its ordinary form.
func netOf(a netip.Addr) uint64 {
	h := hostOf(a)
	return h.net()
}
