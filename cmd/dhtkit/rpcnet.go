package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/dhtrpc/kv"
)

// rpcDefaultLocal is the size of the test network that a verb works on when none was named. Ours: as many as a query ends with.
const rpcDefaultLocal = 20

// rpcPlan is what the flags and a verb of rpc come to.
type rpcPlan struct {
	verb      string
	kind      string
	bootstrap []string
	local     int // nodes of a test network in this process
	listen    string
	cfg       dhtrpc.Config
	serve     bool // prints READY
	first     bool // a node for others to begin at
}

// rpcPlan decides which network it is. alone: the verb works without one.
func (f *flags) rpcPlan(p rpcPlan, alone bool) (rpcPlan, error) {
	if err := f.check(); err != nil {
		return p, err
	}
	switch {
	case f.public:
		return p, usagef("--public is the BitTorrent DHT: name a dht-rpc network with --bootstrap HOST:PORT")
	case f.v6:
		return p, usagef("-6: there is no dht-rpc over IPv6")
	case f.state != "":
		return p, usagef("--state is for the BitTorrent DHT only")
	case len(f.listen) > 1:
		return p, usagef("--listen: a dht-rpc node has one address")
	}
	listen, err := parseListen(f.listen)
	if err != nil {
		return p, err
	}
	reaches, err := p.parseBootstrap(f.bootstrap)
	if err != nil {
		return p, err
	}
	switch {
	case len(p.bootstrap) > 0:
		p.kind = netBootstrap
	case alone:
		p.kind = netNone
	default:
		p.kind, p.local = netLocal, f.local
		if p.local == 0 {
			p.local = rpcDefaultLocal
		}
		reaches = []reach{loopback}
	}
	p.decideListen(listen, reaches, f.allowPrivate)
	p.cfg.Bootstrap = p.bootstrap
	return p, nil
}

// retries is what --timeout comes to: an attempt has a second. 0: as many as the protocol says.
func (f *flags) retries() int {
	if f.timeout == 0 {
		return 0
	}
	if n := int((f.timeout+time.Second-1)/time.Second) - 1; n > 0 {
		return n
	}
	return -1
}

// parseBootstrap reads HOST:PORT and IP@HOST:PORT, and returns how far each is.
func (p *rpcPlan) parseBootstrap(list []string) (reaches []reach, err error) {
	for _, text := range list {
		text = strings.TrimSpace(text)
		name := text
		if ip, rest, found := strings.Cut(text, "@"); found {
			if a, err := netip.ParseAddr(ip); err != nil || !a.Is4() {
				return nil, usagef("--bootstrap: %q has no IPv4 address before the @", text)
			}
			name = rest
		}
		h, err := parseHostPort(name, false)
		if err != nil {
			return nil, usagef("--bootstrap: %v", err)
		}
		if a, ok := h.ip(); ok && !a.Is4() {
			return nil, usagef("--bootstrap: %q: there is no dht-rpc over IPv6", text)
		}
		reaches = append(reaches, h.reach())
		p.bootstrap = append(p.bootstrap, text)
	}
	return reaches, nil
}

// decideListen settles where to listen, and whether the network is a private one.
func (p *rpcPlan) decideListen(listen []hostPort, reaches []reach, allow bool) {
	farthest := loopback
	for _, r := range reaches {
		farthest = max(farthest, r)
	}
	host, port := anyHost(false, farthest == loopback && len(listen) == 0), uint16(0)
	if len(listen) > 0 {
		port = listen[0].port
		if a, ok := listen[0].ip(); ok {
			host = a
		}
		if len(reaches) == 0 {
			farthest = listen[0].reach()
		}
	}
	p.listen = netip.AddrPortFrom(host, port).String()
	p.cfg.Private = allow || farthest < public
}

// rpcNet is our node in a dht-rpc network, or a network of such nodes.
type rpcNet struct {
	rpcPlan
	node  *dhtrpc.Node
	local *dhtrpc.Network // nil unless it is embedded

	stores []*kv.Store // of those nodes that keep values
}

// openRPC starts what the plan says.
func (a *app) openRPC(ctx context.Context, net *rpcNet) (err error) {
	net.cfg.Logger = a.logger()
	if net.kind == netLocal {
		if err := a.startTestnet(ctx, net); err != nil {
			return err
		}
		net.bootstrap = net.local.Bootstrap()
		net.cfg.Bootstrap = net.bootstrap
	}
	if addr := netip.MustParseAddrPort(net.listen); net.first && addr.Port() != 0 {
		net.node, err = dhtrpc.Bootstrapper(addr.Port(), addr.Addr().String(), net.cfg)
	} else {
		net.node, err = dhtrpc.Listen(net.listen, net.cfg)
	}
	if err != nil {
		return errors.Join(listenError(net.listen, err), net.close())
	}
	if net.serve {
		_, err = net.openStore(net.node, kv.Config{})
	}
	return err
}

// openStore has a node keep values.
func (n *rpcNet) openStore(node *dhtrpc.Node, cfg kv.Config) (*kv.Store, error) {
	store, err := kv.Open(node, cfg)
	if err == nil {
		n.stores = append(n.stores, store)
	}
	return store, err
}

// startTestnet starts a network in this process.
func (a *app) startTestnet(ctx context.Context, net *rpcNet) (err error) {
	ready := new(counter)
	a.progress.show(func() string { return fmt.Sprintf("starting %d nodes: %d ready", net.rpcPlan.local, ready.Load()) })
	began := time.Now()
	net.local, err = dhtrpc.Testnet(ctx, net.rpcPlan.local, dhtrpc.TestnetConfig{
		Node:     dhtrpc.Config{Logger: net.cfg.Logger},
		Progress: func(n, _ int) { ready.Store(int64(n)) },
	})
	if err != nil {
		return err
	}
	for _, node := range net.local.Nodes {
		if _, err := net.openStore(node, kv.Config{}); err != nil {
			return errors.Join(err, net.close())
		}
	}
	a.console.note("dhtkit: %d nodes ready in %.2f s", net.rpcPlan.local, time.Since(began).Seconds())
	return nil
}

func (n *rpcNet) close() error {
	var errs []error
	for _, store := range n.stores {
		errs = append(errs, store.Close())
	}
	if n.node != nil {
		errs = append(errs, n.node.Close())
	}
	if n.local != nil {
		errs = append(errs, n.local.Close())
	}
	return errors.Join(errs...)
}

// nodes are those whose work is the run's: ours, or all of a test network that is run for its own sake.
func (n *rpcNet) nodes() []*dhtrpc.Node {
	if n.node == nil && n.local != nil {
		return n.local.Nodes
	}
	return []*dhtrpc.Node{n.node}
}

func (n *rpcNet) addrs() string { return n.nodes()[0].Addr().String() }

func (n *rpcNet) counts() (queries, answered uint64) {
	for _, node := range n.nodes() {
		s := node.Stats().Requests
		queries, answered = queries+s.Total, answered+s.Responses
	}
	return queries, answered
}

func (n *rpcNet) losses() map[string]uint64 {
	losses := make(map[string]uint64)
	for _, node := range n.nodes() {
		s := node.Stats()
		for reason, count := range s.Socket.Losses() {
			losses[reason] += count
		}
		losses["timeout"] = s.Requests.Timeouts
		losses["bad-token"] += s.BadTokens
	}
	for reason, count := range losses {
		if count == 0 || reason == "late" {
			delete(losses, reason)
		}
	}
	return losses
}

func (n *rpcNet) silent(err error) error {
	text := noAnswer(n.bootstrap, n, err)
	if n.losses()["filtered"] > 0 && !n.cfg.Private {
		text += " (" + privateRemedy + ")"
	} else {
		text += " (is the address right, the node running, and UDP let through?)"
	}
	return &exitError{exitNoAnswer, text}
}

// rpc runs a verb of rpc, from the plan to the exit code.
func (a *app) rpc(ctx context.Context, p rpcPlan, sum summary, do func(ctx context.Context, s *session, n *rpcNet) error) error {
	net := &rpcNet{rpcPlan: p}
	return a.frame(ctx, frame{
		ready: p.serve,
		explain: func() {
			a.console.detail("dhtkit: network %s, bootstrap %s, listening on %s, private addresses %v", p.kind, orNone(p.bootstrap), p.listen, p.cfg.Private)
		},
		open:  func(ctx context.Context) (member, error) { return net, a.openRPC(ctx, net) },
		start: func() *startRecord { return rpcStart(net) },
	}, sum, func(ctx context.Context, s *session) error { return do(ctx, s, net) })
}

func rpcStart(net *rpcNet) *startRecord {
	r := &startRecord{
		Type: "start", Schema: schema, Version: version(), Verb: "rpc " + net.verb, Time: now(),
		Network: net.kind, Local: net.rpcPlan.local, Bootstrap: append([]string{}, net.bootstrap...), Private: net.cfg.Private,
	}
	if net.node != nil || net.local != nil {
		node := net.nodes()[0]
		r.Addr = node.Addr().String()
		if id, ok := node.ID(); ok {
			r.ID = id.String()
		}
	}
	return r
}
