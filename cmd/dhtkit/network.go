package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/localnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// network is our node, and the network it was opened on.
type network struct {
	plan
	node  *mainline.Node
	store store
	local *localnet.Net // nil unless the network is embedded
}

// open starts what the plan says. Our node only asks, unless the verb serves: a run of seconds should not be in anybody's
// table (BEP 43).
func (a *app) open(ctx context.Context, net *network, n need) error {
	p := net.plan
	if p.kind == netLocal {
		if err := a.startLocal(ctx, net); err != nil {
			return err
		}
	}
	var err error
	if net.store, err = openStore(p.state); err != nil {
		return err
	}
	state, err := net.store.load()
	if err != nil {
		return err
	}
	node, err := listen(p.listen, n.wrap, mainline.Config{
		Bootstrap: net.bootstrap,
		State:     state,
		Private:   p.private,
		ReadOnly:  !n.serve || n.readOnly,
		Rate:      p.rate,
		Timeout:   p.timeout,
		NoUpkeep:  !n.upkeep,
		OnQuery:   n.onQuery,
		Logger:    a.logger(),
	})
	if err != nil {
		return errors.Join(listenError(strings.Join(p.listen, " and "), err), net.close())
	}
	net.node = node
	return nil
}

// listen starts a node on a socket at each address.
func listen(addrs []string, wrap func(socket.Conn) socket.Conn, cfg mainline.Config) (*mainline.Node, error) {
	var conns []socket.Conn
	for _, addr := range addrs {
		c, err := krpc.ListenUDP(addr)
		if err != nil {
			return nil, errors.Join(err, closeAll(conns))
		}
		if conns = append(conns, c); wrap != nil {
			conns[len(conns)-1] = wrap(c)
		}
	}
	node, err := mainline.New(cfg, conns...)
	if err != nil {
		return nil, errors.Join(err, closeAll(conns))
	}
	return node, nil
}

func closeAll(conns []socket.Conn) error {
	var errs []error
	for _, c := range conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// listenError explains why the socket could not be opened. That is a matter of configuration.
func listenError(addr string, err error) error {
	why := err.Error()
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		why = errno.Error()
	}
	return usagef("cannot listen on %s: %s (--listen HOST:PORT chooses another address; port 0 takes any free port)", addr, why)
}

// startLocal starts the embedded network.
func (a *app) startLocal(ctx context.Context, net *network) error {
	if !net.chosen {
		a.console.note("dhtkit: no network was named: working on an embedded one of %d nodes on loopback (--public: the BitTorrent DHT, --bootstrap HOST:PORT: your own, --local N: another size)", net.plan.local)
	}
	ready := new(counter)
	a.progress.show(func() string { return fmt.Sprintf("starting %d nodes: %d ready", net.plan.local, ready.Load()) })
	began := time.Now()
	local, err := localnet.Start(ctx, net.plan.local, localnet.Config{
		Progress: func(n, _ int) { ready.Store(int64(n)) },
		Node:     mainline.Config{Timeout: net.timeout, Logger: a.logger()},
	})
	if _, limit := errors.AsType[*localnet.LimitError](err); limit {
		return usagef("--local: %s", strings.TrimPrefix(err.Error(), "localnet: "))
	}
	if err != nil {
		return err
	}
	a.console.detail("dhtkit: %d nodes ready in %.1f s", net.plan.local, time.Since(began).Seconds())
	net.local, net.bootstrap = local, local.Bootstrap()
	return nil
}

// logger returns nil, or with -vv a logger of everything that the node does.
func (a *app) logger() *slog.Logger {
	if a.console.verbose < 2 {
		return nil
	}
	return slog.New(slog.NewTextHandler(a.console, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (n *network) close() error {
	var errs []error
	if n.node != nil {
		errs = append(errs, n.store.save(n.node), n.node.Close())
	}
	if n.local != nil {
		errs = append(errs, n.local.Close())
	}
	return errors.Join(errs...)
}

// addrs returns the addresses of our sockets, with blanks between.
func (n *network) addrs() string {
	var all []string
	for _, e := range n.node.Endpoints() {
		all = append(all, e.Addr().String())
	}
	return strings.Join(all, " ")
}

// counts returns the queries our node sent and how many of them were answered, of the whole run.
func (n *network) counts() (queries, answered uint64) {
	for _, e := range n.node.Endpoints() {
		s := e.RPC().Socket().Stats()
		queries, answered = queries+s.Queries, answered+s.Replies
	}
	return queries, answered
}

// losses returns what became of the rest, by reason. An answer that came late is an answer.
func (n *network) losses() map[string]uint64 {
	losses := make(map[string]uint64)
	for _, e := range n.node.Endpoints() {
		for reason, count := range e.RPC().Losses() {
			losses[reason] += count
		}
	}
	delete(losses, "late")
	return losses
}

const privateRemedy = "loopback and private addresses need --allow-private"

// silent explains that nobody answered: whom we asked, what happened to the packets, and what to do about it.
func (n *network) silent(err error) error {
	text, losses := noAnswer(n.bootstrap, n, err), n.losses()
	switch {
	case losses["filtered"] > 0 && !n.private:
		text += " (" + privateRemedy + ")"
	case losses["send-error"] > 0:
		text += " (is this machine connected to that network?)"
	default:
		text += " (is the address right, the node running, and UDP let through?)"
	}
	return &exitError{exitNoAnswer, text}
}

// noAnswer says whom we asked, and what happened to the packets.
func noAnswer(tried []string, m member, err error) string {
	queries, answered := m.counts()
	text := fmt.Sprintf("no node answered: tried %s; sent %s, lost: %s", orNone(tried), queriesText(queries, answered), lossText(m.losses()))
	if errs := resolving(err); len(errs) > 0 {
		text += "; " + errors.Join(errs...).Error()
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

// resolving returns what became of bootstrap names, if that is what err is about.
func resolving(err error) []error {
	if e, ok := errors.AsType[*krpc.BootstrapError](err); ok {
		return e.Errs
	}
	if e, ok := errors.AsType[*dhtrpc.BootstrapError](err); ok {
		return e.Errs
	}
	return nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "nobody"
	}
	return strings.Join(list, ", ")
}

// lossText is losses as text: "timeout 2, filtered 1".
func lossText(losses map[string]uint64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(losses)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, losses[name]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// unanswered reports whether err says that nobody in the network answered, or that there was nobody to ask.
func unanswered(err error) bool {
	return resolving(err) != nil || errors.Is(err, routing.ErrNoAnswer) || errors.Is(err, routing.ErrNoNodes) ||
		errors.Is(err, dhtrpc.ErrTimeout) || errors.Is(err, dhtrpc.ErrTooFewNodes)
}
