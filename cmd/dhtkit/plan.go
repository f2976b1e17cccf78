package main

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dhtkit/dhtkit/internal/localnet"
	"github.com/dhtkit/dhtkit/mainline"
)

// Ours: the size of the embedded network that a verb works on when no network was named, and the queries per second to a
// public one, where others have to live with us.
const (
	defaultLocal = 100
	politeRate   = 100
)

// The networks a run may work on.
const (
	netLocal     = "local"     // embedded, on loopback
	netBootstrap = "bootstrap" // that of the --bootstrap addresses
	netPublic    = "public"    // the public BitTorrent DHT
	netNone      = "none"      // only the nodes that are named, or that come to us
)

// need says what a verb wants of the network.
type need struct {
	verb    string
	targets []hostPort // nodes that are asked directly
	alone   bool       // works without any network
	serve   bool       // answers others
	upkeep  bool       // wants a table before it begins, and kept
}

// plan is what the flags and the verb come to. It is decided before anything is opened.
type plan struct {
	kind      string
	bootstrap []string
	held      []string // bootstrap addresses that the address filter will hold back
	local     int      // nodes of the embedded network
	chosen    bool     // the network was named, not taken by default
	private   bool
	v6        bool
	listen    string
	rate      float64 // queries per second, 0: no limit
	timeout   time.Duration
}

// plan decides which network it is.
func (f *flags) plan(n need) (plan, error) {
	p := plan{kind: netNone, chosen: true, timeout: f.timeout}
	if err := f.check(); err != nil {
		return p, err
	}
	boot, err := parseBootstrap(f.bootstrap)
	if err != nil {
		return p, err
	}
	switch {
	case len(boot) > 0:
		p.kind = netBootstrap
	case f.public:
		p.kind = netPublic
	case f.local > 0:
		p.kind, p.local = netLocal, f.local
	case !n.alone:
		p.kind, p.local, p.chosen = netLocal, defaultLocal, false
	}
	if err := p.decideFamily(f, boot, n); err != nil {
		return p, err
	}
	if p.kind == netPublic {
		p.bootstrap = mainline.PublicBootstrap
	}
	p.decideReach(f, boot, n)
	p.decideRate(f)
	return p, nil
}

// check finds flags that contradict each other.
func (f *flags) check() error {
	switch {
	case f.v4 && f.v6:
		return usagef("-4 and -6 exclude each other: a run uses one address family")
	case f.public && len(f.bootstrap) > 0:
		return usagef("--public and --bootstrap exclude each other: --public brings its own addresses")
	case f.localSet && (f.public || len(f.bootstrap) > 0):
		return usagef("--local excludes --public and --bootstrap: it is a network of its own")
	case f.localSet && (f.local < 1 || f.local > localnet.MaxNodes):
		return usagef("--local %d is not within 1..%d nodes", f.local, localnet.MaxNodes)
	case f.rate < 0:
		return usagef("--rate %v is negative: queries per second, 0 for the network's default", f.rate)
	case f.timeout < 0:
		return usagef("--timeout %v is negative", f.timeout)
	case f.deadline < 0:
		return usagef("--deadline %v is negative", f.deadline)
	case f.max < 0:
		return usagef("--max %d is negative: 0 means no limit", f.max)
	case f.progress != "auto" && f.progress != "always" && f.progress != "never":
		return usagef("--progress %q: auto, always or never", f.progress)
	}
	return nil
}

func parseBootstrap(list []string) ([]hostPort, error) {
	var all []hostPort
	for _, text := range list {
		h, err := parseHostPort(strings.TrimSpace(text), false)
		if err != nil {
			return nil, usagef("--bootstrap: %v", err)
		}
		if h.host == "" {
			return nil, usagef("--bootstrap: %q has no host", text)
		}
		all = append(all, h)
	}
	return all, nil
}

// decideFamily settles IPv4 or IPv6: as asked for, else as the addresses say, else IPv4.
func (p *plan) decideFamily(f *flags, boot []hostPort, n need) error {
	listen, err := parseListen(f.listen)
	if err != nil {
		return err
	}
	var v4, v6 string // an address of that family that has to be reached
	sort := func(h hostPort) {
		if a, ok := h.ip(); ok && !a.Is4() {
			v6 = h.String()
		} else if ok {
			v4 = h.String()
		}
	}
	for _, h := range n.targets {
		sort(h)
	}
	if listen.host != "" {
		sort(listen)
	}
	if v4 == "" && v6 == "" && !f.v4 {
		for _, h := range boot {
			sort(h)
		}
		if v4 != "" {
			v6 = ""
		}
	}
	p.v6 = f.v6 || (v4 == "" && v6 != "")
	switch {
	case v4 != "" && v6 != "":
		return usagef("%s is IPv4 and %s is IPv6: a run uses one address family, make it two runs", v4, v6)
	case p.v6 && (v4 != "" || p.kind == netLocal):
		return usagef("-6 cannot be used with %s, which is IPv4", cmp.Or(v4, "an embedded network"))
	case !p.v6 && v6 != "":
		return usagef("-4 cannot be used with %s, which is IPv6", v6)
	}
	return p.keepFamily(boot)
}

// keepFamily drops the bootstrap addresses of the other family.
func (p *plan) keepFamily(boot []hostPort) error {
	for _, h := range boot {
		if a, ok := h.ip(); !ok || a.Is4() != p.v6 || strings.EqualFold(h.host, "localhost") {
			p.bootstrap = append(p.bootstrap, h.String())
		}
	}
	if len(boot) > 0 && len(p.bootstrap) == 0 {
		return usagef("no --bootstrap address is of the family asked for (-4 or -6): %v", boot)
	}
	return nil
}

// parseListen reads --listen: HOST:PORT, :PORT, or nothing.
func parseListen(text string) (hostPort, error) {
	if text == "" {
		return hostPort{}, nil
	}
	h, err := parseHostPort(text, true)
	if err != nil {
		return h, usagef("--listen: %v", err)
	}
	if _, ok := h.ip(); !ok && h.host != "" {
		return h, usagef("--listen: host %q is not an IP address of this machine; leave it out for all addresses", h.host)
	}
	return h, nil
}

// decideReach settles whether private addresses are fine, and where to listen.
func (p *plan) decideReach(f *flags, boot []hostPort, n need) {
	listen, _ := parseListen(f.listen)
	named := slices.Concat(boot, n.targets)
	if len(named) == 0 && f.listen != "" && p.kind == netNone {
		named = []hostPort{listen}
	}
	nearest, farthest := public, loopback
	for _, h := range named {
		nearest, farthest = min(nearest, h.reach()), max(farthest, h.reach())
	}
	if p.kind == netPublic {
		farthest = public
	}
	p.private = f.allowPrivate || farthest < public
	if !p.private {
		for _, h := range boot {
			if h.reach() < public {
				p.held = append(p.held, h.String())
			}
		}
	}
	if p.listen = f.listen; listen.host == "" {
		p.listen = netip.AddrPortFrom(anyHost(p.v6, farthest == loopback && f.listen == ""), listen.port).String()
	}
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

// decideRate settles the queries per second: an embedded or private network needs no limit, strangers do.
func (p *plan) decideRate(f *flags) {
	p.rate = f.rate
	if f.rate == 0 && !p.private {
		p.rate = politeRate
	}
}
