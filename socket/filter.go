package socket

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
)

// unroutable lists what the public internet does not carry, beside what
// netip.Addr tells by itself.
var unroutable = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),    // IETF assignments, RFC 6890
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation, RFC 5737
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks, RFC 2544
	netip.MustParsePrefix("2001:db8::/32"),   // documentation, RFC 3849
	netip.MustParsePrefix("3fff::/20"),       // documentation, RFC 9637
	netip.MustParsePrefix("100::/64"),        // discard, RFC 6666
	netip.MustParsePrefix("fec0::/10"),       // site-local, deprecated by RFC 3879
}

var (
	zeroNet  = netip.MustParsePrefix("0.0.0.0/8")   // "this network"
	reserved = netip.MustParsePrefix("240.0.0.0/4") // class E and the broadcast address
)

// Routable reports whether a packet may go to a, and whether one from a is
// looked at. Port 0, the unspecified address, 0/8, multicast, class E and
// broadcast never are. Unless the network is private, neither are loopback,
// private (RFC 1918, fc00::/7), carrier-grade NAT, link-local and documentation
// addresses. A v4-mapped IPv6 address counts as the IPv4 address in it.
func Routable(a netip.AddrPort, private bool) bool {
	ip := a.Addr().Unmap()
	if a.Port() == 0 || !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
		return false
	}
	if ip.Is4() && (zeroNet.Contains(ip) || reserved.Contains(ip)) {
		return false
	}
	if private {
		return true
	}
	if ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.Zone() != "" {
		return false
	}
	for _, p := range unroutable {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

// ownAddrs knows which addresses are ourselves.
type ownAddrs struct {
	exact []netip.AddrPort // of conns bound to one address
	ports []uint16         // of conns bound to all addresses
	hosts []netip.Addr     // this machine's, only gathered when ports is not empty

	external [2]atomic.Pointer[netip.AddrPort] // as others see us, IPv4 and IPv6
}

func newOwnAddrs(locals []netip.AddrPort) *ownAddrs {
	o := new(ownAddrs)
	for _, a := range locals {
		switch {
		case a.Port() == 0:
		case a.Addr().IsUnspecified():
			o.ports = append(o.ports, a.Port())
		default:
			o.exact = append(o.exact, a)
		}
	}
	if len(o.ports) > 0 {
		o.hosts = hostAddrs()
	}
	return o
}

// hostAddrs lists the addresses of this machine's interfaces; without the
// right to ask, none.
func hostAddrs() []netip.Addr {
	ifs, _ := net.InterfaceAddrs()
	hosts := make([]netip.Addr, 0, len(ifs))
	for _, i := range ifs {
		if n, ok := i.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				hosts = append(hosts, ip.Unmap())
			}
		}
	}
	return hosts
}

func (o *ownAddrs) has(a netip.AddrPort) bool {
	if slices.Contains(o.exact, a) {
		return true
	}
	for _, p := range o.ports {
		if p == a.Port() && o.ourHost(a.Addr().WithZone("")) {
			return true
		}
	}
	e := o.external[family(a)].Load()
	return e != nil && *e == a
}

func (o *ownAddrs) setExternal(a netip.AddrPort) { o.external[family(a)].Store(&a) }

// family is 0 for IPv4, 1 for IPv6.
func family(a netip.AddrPort) int {
	if a.Addr().Is4() {
		return 0
	}
	return 1
}

// ourHost: a socket bound to all addresses also owns its port on all of 127/8.
func (o *ownAddrs) ourHost(ip netip.Addr) bool {
	return ip.IsLoopback() || slices.Contains(o.hosts, ip)
}
