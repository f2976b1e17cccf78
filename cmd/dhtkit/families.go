package main

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// decideFamily settles IPv4, IPv6 or both: as asked for, else as the sockets and the addresses that have to be reached say,
// else as the bootstrap addresses say, else IPv4.
func (p *plan) decideFamily(f *flags, boot, listen []hostPort, n need) error {
	need4, need6 := families(n.targets)
	own4, own6 := families(listen)
	if i := slices.IndexFunc(listen, hostPort.everywhere); i >= 0 && own6 != "" && own4 == "" {
		own4 = listen[i].String() // beside an IPv6 address it can only mean the other family
	}
	from4, from6 := families(boot)
	if n.single && own4 != "" && own6 != "" || n.single && f.v4 && f.v6 {
		return usagef("%s works on one address family at a time: -4 or -6, and one --listen, make it two runs", n.verb)
	}
	p.v4 = f.v4 || need4 != "" || own4 != ""
	p.v6 = f.v6 || need6 != "" || own6 != ""
	if !p.v4 && !p.v6 {
		p.v6 = from4 == "" && from6 != ""
		p.v4 = !p.v6
	}
	v4, v6 := cmp.Or(need4, own4), cmp.Or(need6, own6)
	switch {
	case n.single && p.v4 && p.v6 && v4 != "" && v6 != "":
		return usagef("%s is IPv4 and %s is IPv6: %s uses one address family, make it two runs", v4, v6, n.verb)
	case f.v6 && !f.v4 && (v4 != "" || p.kind == netLocal):
		return usagef("-6 cannot be used with %s, which is IPv4", cmp.Or(v4, "an embedded network"))
	case p.v6 && p.kind == netLocal:
		return usagef("-6 cannot be used with an embedded network, which is IPv4")
	case f.v4 && !f.v6 && v6 != "":
		return usagef("-4 cannot be used with %s, which is IPv6", v6)
	}
	return p.keepFamily(boot)
}

// families returns one address of each family, "" if there is none. Names are of no family.
func families(list []hostPort) (v4, v6 string) {
	for _, h := range list {
		if a, ok := h.ip(); ok && !a.Is4() {
			v6 = h.String()
		} else if ok {
			v4 = h.String()
		}
	}
	return v4, v6
}

// keepFamily drops the bootstrap addresses of a family that is not used.
func (p *plan) keepFamily(boot []hostPort) error {
	for _, h := range boot {
		if a, ok := h.ip(); !ok || (a.Is4() && p.v4) || (!a.Is4() && p.v6) || strings.EqualFold(h.host, "localhost") {
			p.bootstrap = append(p.bootstrap, h.String())
		}
	}
	if len(boot) > 0 && len(p.bootstrap) == 0 {
		return usagef("no --bootstrap address is of the family asked for (-4 or -6): %v", boot)
	}
	return nil
}

// parseListen reads --listen: HOST:PORT or :PORT, several with commas between.
func parseListen(list []string) ([]hostPort, error) {
	var all []hostPort
	for _, text := range list {
		h, err := parseHostPort(strings.TrimSpace(text), true)
		if err != nil {
			return nil, usagef("--listen: %v", err)
		}
		if _, ok := h.ip(); !ok && h.host != "" {
			return nil, usagef("--listen: host %q is not an IP address of this machine; leave it out for all addresses", h.host)
		}
		all = append(all, h)
	}
	return all, nil
}

// sockets returns where to listen: as asked for, and for a family without a --listen at any free port. local: nobody but this
// machine has to be reached.
func (p *plan) sockets(listen []hostPort, local bool) (all []string, err error) {
	var port uint16 // of an address without a host, which stands for both families
	var has4, has6 bool
	for _, h := range listen {
		if a, ok := h.ip(); ok {
			all = append(all, h.String())
			has4, has6 = has4 || a.Is4(), has6 || !a.Is4()
		} else {
			port, local = h.port, false
		}
	}
	if p.v4 && !has4 {
		all = append(all, netip.AddrPortFrom(anyHost(false, local), port).String())
	}
	if p.v6 && !has6 {
		host := anyHost(true, local)
		if p.v4 && !local { // an answer has to come from the address that was asked (BEP 32)
			if host = globalIPv6(); !host.IsValid() {
				return nil, usagef("-6: this machine has no public IPv6 address; leave -6 out, or name an address with --listen")
			}
		}
		all = append(all, netip.AddrPortFrom(host, port).String())
	}
	return all, nil
}

// anyHost is the address to listen on if none was asked for: only this machine can reach what serves only it.
func anyHost(v6, local bool) netip.Addr {
	switch {
	case v6 && local:
		return netip.IPv6Loopback()
	case v6:
		return netip.IPv6Unspecified()
	case local:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv4Unspecified()
}

// teredo addresses reach the IPv6 network through IPv4: others are better (BEP 32).
var teredo = netip.MustParsePrefix("2001::/32")

// globalIPv6 returns a public IPv6 address of this machine, the zero Addr if it has none.
func globalIPv6() (found netip.Addr) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return found
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || prefix.Addr().Is4() || !prefix.Addr().IsGlobalUnicast() || prefix.Addr().IsPrivate() {
			continue
		}
		if found = prefix.Addr(); !teredo.Contains(found) {
			return found
		}
	}
	return found
}
