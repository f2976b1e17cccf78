package main

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

type rpcServeSummary struct {
	Type   string `json:"type"`
	Nodes  int    `json:"nodes"`  // in the table at the end; of testnet, how many ran
	Served uint64 `json:"served"` // requests that were answered
	totals
}

func (s *rpcServeSummary) line() string {
	return fmt.Sprintf("%d requests served, %d nodes; %s", s.Served, s.Nodes, s.tail())
}

func (a *app) rpcBootstrapCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "bootstrap --listen HOST:PORT [flags]",
		Short: "Run the first node of a network",
		Example: `  dhtkit rpc bootstrap --listen 127.0.0.1:49737
  dhtkit rpc bootstrap --listen 192.0.2.7:49737             # the address that others reach it at`,
		Long: `Runs a node for others to begin at. HOST is the IPv4 address under which they reach it, from which its id follows; it is
persistent from the start and needs no other node. The first line of output is READY IP:PORT. It runs until it is interrupted.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.rpcBootstrap(cmd.Context()) },
	}
}

func (a *app) rpcBootstrap(ctx context.Context) error {
	p, err := a.flags.rpcPlan(rpcPlan{verb: "bootstrap", serve: true, first: true}, true)
	if err != nil {
		return err
	}
	if addr := netip.MustParseAddrPort(p.listen); len(a.flags.listen) == 0 || addr.Addr().IsUnspecified() {
		return usagef("rpc bootstrap needs --listen HOST:PORT with the IPv4 address that others reach it at, not %v", addr.Addr())
	}
	if addr := netip.MustParseAddrPort(p.listen); addr.Port() == 0 && !p.cfg.Private {
		return usagef("rpc bootstrap needs a port that others can be told: --listen %v:49737", addr.Addr())
	}
	p.cfg.Mode = dhtrpc.Persistent
	return a.rpcServe(ctx, p)
}

func (a *app) rpcNodeCommand() *cobra.Command {
	ephemeral := false
	cmd := &cobra.Command{
		Use:   "node --bootstrap HOST:PORT[,...] [flags]",
		Short: "Run a node that stays",
		Example: `  dhtkit rpc node --listen 127.0.0.1:0 --bootstrap 127.0.0.1:49737
  dhtkit rpc node --bootstrap 192.0.2.7:49737 --ephemeral`,
		Long: `Runs a node: it joins through the bootstrap nodes, answers, keeps its part of what rpc set stores, and becomes persistent, so that
others have it in their tables, as soon as it can be reached (on a public network that takes 20 minutes). --ephemeral keeps it out
of tables for good. The first line of output is READY IP:PORT, as soon as the socket is open. It runs until it is interrupted.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := rpcPlan{verb: "node", serve: true}
			if ephemeral {
				p.cfg.Mode = dhtrpc.Ephemeral
			}
			p, err := a.flags.rpcPlan(p, true)
			if err != nil {
				return err
			}
			if len(p.bootstrap) == 0 {
				return usagef("rpc node needs --bootstrap HOST:PORT, a node of the network to join (rpc bootstrap runs the first one)")
			}
			return a.rpcServe(cmd.Context(), p)
		},
	}
	cmd.Flags().BoolVar(&ephemeral, "ephemeral", false, "stay out of others' tables")
	return cmd
}

// rpcServe runs one node until an interrupt, which is its normal end.
func (a *app) rpcServe(ctx context.Context, p rpcPlan) error {
	p.cfg.On.Persistent = func() { a.console.note("dhtkit: persistent: others have this node in their tables from now on") }
	sum := &rpcServeSummary{Type: "summary"}
	return a.rpc(ctx, p, sum, func(ctx context.Context, s *session, n *rpcNet) error {
		s.progress.show(func() string {
			return fmt.Sprintf("%d nodes in the table, %d requests served", n.node.Len(), rpcServed(n))
		})
		if n.node.Ready(ctx) == nil && len(n.bootstrap) > 0 {
			if known := n.node.Len(); known > 0 {
				s.console.note("dhtkit: joined, %d nodes in the table", known)
			} else {
				s.console.say("dhtkit: %v; trying again", n.silent(nil))
			}
		}
		<-ctx.Done()
		sum.Nodes, sum.Served, sum.totals = n.node.Len(), rpcServed(n), s.totals(context.WithoutCancel(ctx))
		return nil
	})
}

func rpcServed(n *rpcNet) (served uint64) {
	for _, node := range n.nodes() {
		served += node.Stats().Socket.Responses
	}
	return served
}

// Ours: sockets are files, of which a process has so many.
const maxTestnet = 10_000

func (a *app) rpcTestnetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "testnet N [flags]",
		Short: "Run a whole network in one process",
		Example: `  dhtkit rpc testnet 20
  dhtkit rpc lookup --bootstrap 127.0.0.1:PORT HEX          # with the port that testnet printed`,
		Long: `Runs N nodes on loopback. The first line of output is READY IP:PORT, the address that others join through, when all of them
are persistent and can be found. It runs until it is interrupted.`,
		Args: arguments(1, 1, "a number of nodes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			count, err := strconv.Atoi(args[0])
			if err != nil || count < 1 || count > maxTestnet {
				return usagef("%q is not a number of nodes from 1 to %d", args[0], maxTestnet)
			}
			if len(a.flags.bootstrap)+len(a.flags.listen) > 0 {
				return usagef("rpc testnet takes no --bootstrap and no --listen: it is a network of its own, at ports of its choice")
			}
			return a.rpcTestnet(cmd.Context(), count)
		},
	}
}

// testnet is a network that is run for its own sake, with no node of ours beside it.
type testnet struct{ *rpcNet }

func (a *app) rpcTestnet(ctx context.Context, count int) error {
	net := testnet{&rpcNet{rpcPlan: rpcPlan{verb: "testnet", kind: netLocal, local: count, cfg: dhtrpc.Config{Private: true}}}}
	sum := &rpcServeSummary{Type: "summary", Nodes: count}
	return a.frame(ctx, frame{
		ready:   true,
		explain: func() {},
		open:    func(ctx context.Context) (member, error) { return net, a.startTestnet(ctx, net.rpcNet) },
		start:   func() *startRecord { return rpcStart(net.rpcNet) },
	}, sum, func(ctx context.Context, s *session) error {
		s.progress.show(func() string { return fmt.Sprintf("%d nodes, %d requests served", count, rpcServed(net.rpcNet)) })
		<-ctx.Done()
		sum.Served, sum.totals = rpcServed(net.rpcNet), s.totals(context.WithoutCancel(ctx))
		return nil
	})
}
