package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

func (x *examination) socket() {
	x.report(healthy, "socket", "", "open at "+x.net.addrs(), "")
}

// bootstraps looks at every name and every address to join through. It asks before anybody else does: bootstrap servers
// do not answer twice in a row.
func (x *examination) bootstraps(ctx context.Context) {
	for _, name := range x.net.bootstrap {
		h, err := parseHostPort(name, false)
		if err != nil {
			x.report(broken, "name", name, err.Error(), "")
			continue
		}
		for _, addr := range x.resolve(ctx, h) {
			x.bootstrapAt(ctx, name, addr)
		}
	}
}

// resolve returns the addresses of a name that are of a family we use.
func (x *examination) resolve(ctx context.Context, h hostPort) (addrs []netip.AddrPort) {
	if a, ok := h.ip(); ok {
		return []netip.AddrPort{netip.AddrPortFrom(a, h.port)}
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", h.host)
	if err != nil {
		x.report(broken, "name", h.host, reason(err), "is the name right, and does this machine have a resolver? An IP:PORT needs none")
		return nil
	}
	for _, a := range all {
		if a = a.Unmap(); (a.Is4() && x.net.v4) || (a.Is6() && x.net.v6) {
			addrs = append(addrs, netip.AddrPortFrom(a, h.port))
		}
	}
	if len(addrs) == 0 {
		x.report(broken, "name", h.host, fmt.Sprintf("%d addresses, none of the family in use", len(all)), "try -4 or -6")
		return nil
	}
	x.report(healthy, "name", h.host, fmt.Sprint(len(addrs), " addresses"), "")
	return addrs
}

// reason is the last part of an error, which says what happened.
func reason(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Err
	}
	return err.Error()
}

func (x *examination) bootstrapAt(ctx context.Context, name string, addr netip.AddrPort) {
	e := x.endpoint(addr)
	if e == nil {
		return
	}
	about := addr.String()
	if name != about {
		about += " (" + name + ")"
	}
	r, err := e.RPC().Query(ctx, addr, krpc.FindNodeArgs{Target: e.ID()})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		outcome := krpc.Outcome(err)
		x.report(broken, "bootstrap", about, x.lossWords(outcome, err), remedies[outcome])
		return
	}
	x.heard(r)
	named := 0
	for n := range r.Contacts {
		x.found = append(x.found, krpc.Node{ID: krpc.IDOf(n.Key), Addr: n.Addr})
		named++
	}
	result, remedy := healthy, ""
	if named == 0 {
		result, remedy = suspect, "it knows nobody else: is it the first node of its network?"
	}
	x.report(result, "bootstrap", about, fmt.Sprintf("answered in %s and named %d nodes", rttText(r.RTT), named), remedy)
}

// endpoint returns our endpoint of an address's family, nil if there is none.
func (x *examination) endpoint(addr netip.AddrPort) *mainline.Endpoint {
	for _, e := range x.net.node.Endpoints() {
		if e.IPv6() == addr.Addr().Is6() {
			return e
		}
	}
	return nil
}

// network looks itself up.
func (x *examination) network(ctx context.Context) {
	l := x.net.node.FindNode(x.net.node.ID())
	for _, n := range x.found {
		l.Add(routing.Node{Key: n.ID.Key(), Addr: n.Addr})
	}
	before := x.sum.Nodes
	for r, err := range l.Replies(ctx) {
		if err != nil {
			break
		}
		x.heard(r)
	}
	s, n := l.Stats(), x.sum.Nodes-before
	detail := fmt.Sprintf("%d of %d nodes asked answered", s.Answered, s.Asked)
	switch {
	case n == 0 && len(x.found) == 0 && before > 0:
		x.report(suspect, "network", "", "there is nobody but the bootstrap nodes", "")
	case n == 0:
		x.report(broken, "network", "", detail, "nothing can be looked up; see the failures before this one")
	case s.Answered*5 < s.Asked:
		x.report(suspect, "network", "", detail, "half of them is usual on the public network: does a limit or a firewall drop packets?")
	default:
		x.report(healthy, "network", "", detail, "")
	}
}

// address looks at what nodes say of our address: whether they agree on it, whether there is a NAT in between, and whether
// our id suits it.
func (x *examination) address() {
	for _, e := range x.net.node.Endpoints() {
		ips, ports := x.votes(e.IPv6())
		if len(ips) == 0 {
			x.report(unknown, "address", "", "no node said how it sees us", "")
			continue
		}
		ip := most(ips)
		if len(ips) > 1 {
			x.report(suspect, "address", "", fmt.Sprintf("nodes disagree: %s", counted(ips)), "some of them lie, or this machine leaves through several addresses")
		} else {
			x.report(healthy, "address", "", fmt.Sprintf("%v, say %d nodes", ip, ips[ip]), "")
		}
		x.nat(e, ip, ports)
		x.id(e, ip)
	}
}

// votes counts the addresses and ports under which nodes of a family see us.
func (x *examination) votes(v6 bool) (ips map[netip.Addr]int, ports map[uint16]int) {
	ips, ports = make(map[netip.Addr]int), make(map[uint16]int)
	for a, n := range x.seen {
		if a.Addr().Is6() == v6 {
			ips[a.Addr()] += n
			ports[a.Port()] += n
		}
	}
	return ips, ports
}

func most[K comparable](counts map[K]int) (best K) {
	for k, n := range counts {
		if n > counts[best] {
			best = k
		}
	}
	return best
}

func counted[K comparable](counts map[K]int) string {
	var parts []string
	for k, n := range counts {
		parts = append(parts, fmt.Sprintf("%v (%d)", k, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func (x *examination) nat(e *mainline.Endpoint, ip netip.Addr, ports map[uint16]int) {
	own, port := e.Addr().Port(), most(ports)
	switch {
	case len(ports) > 1:
		x.report(suspect, "nat", "", "every node sees another port of ours: "+counted(ports),
			fmt.Sprintf("the NAT is symmetric, strangers cannot get in: map port %d in the router, and announce with --implied", own))
	case port != own:
		x.report(healthy, "nat", "", fmt.Sprintf("port %d is %d outside, for all nodes", own, port), "")
	case mine(ip):
		x.report(healthy, "nat", "", "none: the address is this machine's own", "")
	default:
		x.report(healthy, "nat", "", fmt.Sprintf("port %d is kept", port), "")
	}
}

// mine reports whether an address is one of this machine's.
func mine(ip netip.Addr) bool {
	addrs, _ := net.InterfaceAddrs()
	return ip.IsLoopback() || slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr() == ip
	})
}

func (x *examination) id(e *mainline.Endpoint, ip netip.Addr) {
	switch {
	case !mainline.Suits(e.ID(), ip):
		x.report(suspect, "id", e.ID().String(), fmt.Sprintf("does not suit %v (BEP 42)", ip),
			"some nodes will not store with us; a node that stays takes a suitable id by itself")
	case mainline.Suits(krpc.ID{}, ip) && mainline.Suits(krpc.ID{0xff}, ip):
		x.report(healthy, "id", e.ID().String(), fmt.Sprintf("any suits %v", ip), "")
	default:
		x.report(healthy, "id", e.ID().String(), fmt.Sprintf("suits %v", ip), "")
	}
}

// reachable waits for somebody whom we have not asked first.
func (x *examination) reachable(ctx context.Context, wait time.Duration) {
	if x.net.private {
		x.report(healthy, "reachable", "", "nothing between us and the nodes of a private network needs a hole", "")
		return
	}
	x.progress.show(func() string { return "listening for a node that calls on its own" })
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case from := <-x.watch.called:
		x.report(healthy, "reachable", "", fmt.Sprintf("%v called on its own", from), "")
	case <-timer.C:
		x.report(unknown, "reachable", "", fmt.Sprintf("nobody called on its own within %v", wait),
			"nodes call those that stay: try --wait 5m with the --listen port that the router lets through")
	case <-ctx.Done():
	}
}

// remedies say what to do about a loss.
var remedies = map[string]string{
	"timeout":       "is it running, and is UDP let through, here and there?",
	"filtered":      privateRemedy,
	"send-error":    "is this machine connected to that network?",
	"read-error":    "something on the way says that the port is closed",
	"bad-reply":     "is that a node of this network?",
	"krpc-error":    "it refuses us: is that a node of this network?",
	"malformed":     "datagrams that are no KRPC: does another program use that port?",
	"unmatched":     "answers to nobody's question: late ones, or forged ones",
	"wrong-source":  "answers from another port than the one asked: a NAT in front of that node, or one here that rewrites",
	"id-mismatch":   "the node has another id than others say: it was restarted, or somebody lies",
	"limited":       "held back by --rate",
	"own-address":   "somebody gave us our own address",
	"over-rate":     "somebody asks us more than its share",
	"over-net-rate": "a network asks us more than its share",
	"silenced":      "somebody asks us without end",
	"over-budget":   "we are asked more than we answer",
	"too-long":      "datagrams of over 2048 bytes",
	"bad-source":    "datagrams from port 0",
}

// losses names what became of what came to nothing, most first.
func (x *examination) losses() {
	losses := x.net.losses()
	names := slices.SortedFunc(maps.Keys(losses), func(a, b string) int {
		if losses[a] != losses[b] {
			return int(min(losses[b], 1<<30)) - int(min(losses[a], 1<<30))
		}
		return strings.Compare(a, b)
	})
	queries, answered := x.net.counts()
	if len(names) == 0 {
		x.report(healthy, "losses", "", fmt.Sprintf("none: %s", queriesText(queries, answered)), "")
		return
	}
	for _, name := range names {
		result := suspect
		if name == "timeout" && answered >= losses[name] {
			result = healthy // dead contacts are part of every network
		}
		x.report(result, "losses", name, fmt.Sprint(losses[name]), remedies[name])
	}
}
