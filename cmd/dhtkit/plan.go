package main

import (
	"slices"
	"strings"
	"time"

	"github.com/dhtkit/dhtkit/internal/localnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/socket"
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
	verb     string
	targets  []hostPort // nodes that are asked directly
	alone    bool       // works without any network
	serve    bool       // answers others
	upkeep   bool       // wants a table before it begins, and kept
	single   bool       // works on one address family and one socket at a time
	readOnly bool       // answers nobody all the same
	quiet    bool       // the READY line of one that serves is not wanted

	wrap    func(socket.Conn) socket.Conn // around our sockets; nil: nothing
	onQuery func(*krpc.Query)             // see mainline.Config
}

// plan is what the flags and the verb come to. It is decided before anything is opened.
type plan struct {
	kind      string
	bootstrap []string
	held      []string // bootstrap addresses that the address filter will hold back
	local     int      // nodes of the embedded network
	chosen    bool     // the network was named, not taken by default
	private   bool
	v4, v6    bool     // the address families, at least one
	listen    []string // one socket each
	rate      float64  // queries per second, 0: no limit
	timeout   time.Duration
	state     string // directory
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
	if p.kind == netLocal && f.state != "" {
		return p, usagef("--state needs a network that is there the next time: --public or --bootstrap HOST:PORT")
	}
	p.state = f.state
	listen, err := parseListen(f.listen)
	if err != nil {
		return p, err
	}
	if err := p.decideFamily(f, boot, listen, n); err != nil {
		return p, err
	}
	if p.kind == netPublic {
		p.bootstrap = mainline.PublicBootstrap
	}
	if err := p.decideReach(f, boot, listen, n); err != nil {
		return p, err
	}
	p.decideRate(f)
	return p, nil
}

// check finds flags that contradict each other.
func (f *flags) check() error {
	switch {
	case f.public && len(f.bootstrap) > 0:
		return usagef("--public and --bootstrap exclude each other: --public brings its own addresses")
	case f.localSet && (f.public || len(f.bootstrap) > 0):
		return usagef("--local excludes --public and --bootstrap: it is a network of its own")
	case f.localSet && (f.local < 1 || f.local > localnet.MaxNodes):
		return usagef("--local %d is not within 1..%d nodes", f.local, localnet.MaxNodes)
	case f.state != "" && f.localSet:
		return usagef("--local and --state exclude each other: an embedded network is gone after the run")
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

// decideReach settles whether private addresses are fine, and where to listen.
func (p *plan) decideReach(f *flags, boot, listen []hostPort, n need) (err error) {
	named := slices.Concat(boot, n.targets)
	if len(named) == 0 && p.kind == netNone {
		named = listen
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
	p.listen, err = p.sockets(listen, farthest == loopback)
	return err
}

// decideRate settles the queries per second: an embedded or private network needs no limit, strangers do.
func (p *plan) decideRate(f *flags) {
	p.rate = f.rate
	if f.rate == 0 && !p.private {
		p.rate = politeRate
	}
}
