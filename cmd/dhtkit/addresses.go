package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dhtkit/dhtkit/socket"
)

// hostPort is an address as it was written: the host may be a name that is not resolved yet.
type hostPort struct {
	host string
	port uint16
}

// parseHostPort reads HOST:PORT; IPv6 addresses stand in brackets. Port 0 is fine if zero says so.
func parseHostPort(text string, zero bool) (hostPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return hostPort{}, fmt.Errorf("%q is not HOST:PORT (an IPv6 address stands in brackets: [::1]:6881)", text)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || (p == 0 && !zero) {
		return hostPort{}, fmt.Errorf("%q has port %q, which is not within 1..65535", text, port)
	}
	if strings.ContainsAny(host, " /?#@") || looksNumeric(host) {
		return hostPort{}, fmt.Errorf("%q: host %q is neither an IP address nor a name", text, host)
	}
	return hostPort{host, uint16(p)}, nil
}

// looksNumeric reports whether host wants to be an IPv4 address and is none, like 127.0.0.256: no resolver can help.
func looksNumeric(host string) bool {
	if host == "" || strings.Trim(host, "0123456789.") != "" {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}

func (h hostPort) String() string { return net.JoinHostPort(h.host, strconv.Itoa(int(h.port))) }

// everywhere reports an address without a host: all addresses of this machine.
func (h hostPort) everywhere() bool { return h.host == "" }

// ip returns the IP address if the host is one. A name that always means loopback counts as 127.0.0.1.
func (h hostPort) ip() (netip.Addr, bool) {
	if strings.EqualFold(h.host, "localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	a, err := netip.ParseAddr(h.host)
	return a.Unmap(), err == nil
}

// reach says which networks an address belongs to.
type reach int

const (
	loopback reach = iota // this machine
	private               // this site: what else the address filter of a public network refuses
	public                // everybody; also all addresses of this machine, to listen on
)

// reachOf returns how far the address is. A name that has to be resolved is taken for a public one.
func (h hostPort) reach() reach {
	a, ok := h.ip()
	switch {
	case !ok || a.IsUnspecified() || socket.Routable(netip.AddrPortFrom(a, 1), false):
		return public
	case a.IsLoopback():
		return loopback
	}
	return private
}

// resolve returns one address of the family asked for.
func (h hostPort) resolve(ctx context.Context, v6 bool) (netip.AddrPort, error) {
	if a, ok := h.ip(); ok {
		return netip.AddrPortFrom(a, h.port), nil
	}
	network := "ip4"
	if v6 {
		network = "ip6"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, network, h.host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ips[0].Unmap(), h.port), nil
}

// parseAll reads HOST:PORT from each word.
func parseAll(all []word) ([]hostPort, error) {
	list := make([]hostPort, len(all))
	for i, w := range all {
		h, err := parseHostPort(w.text, false)
		if err != nil {
			return nil, usagef("address %v%s", err, w.where)
		}
		if h.host == "" {
			return nil, usagef("address %v has no host", w)
		}
		list[i] = h
	}
	return list, nil
}
