package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// nodeVerb runs a node that answers.
type nodeVerb struct {
	*app
	readOnly bool
}

type nodeSummary struct {
	Type   string `json:"type"`
	Table  int    `json:"table"`  // nodes in our table at the end
	Served uint64 `json:"served"` // queries that were answered
	totals
}

func (s *nodeSummary) line() string {
	return fmt.Sprintf("%d queries served, %d nodes in the table; %s", s.Served, s.Table, s.tail())
}

func (a *app) nodeCommand() *cobra.Command {
	v := &nodeVerb{app: a}
	cmd := &cobra.Command{
		Use:   "node [flags]",
		Short: "Run a node that answers",
		Example: `  dhtkit node --listen 127.0.0.1:6881                # the first node of a private network
  dhtkit node --bootstrap 127.0.0.1:6881             # another one
  dhtkit node --public --listen :6881 --state ~/.dht # a node of the public DHT, and again after a restart`,
		Long: `Runs a node: it joins, keeps its table alive and answers ping, find_node, get_peers and announce_peer. The first line of
output is READY IP:PORT, as soon as the socket is open (with --json the start object, which has addr and id). It runs until
it is interrupted; that is its normal end, with exit code 0.

With --state it keeps its ids, its table and what others stored with it, saved every five minutes and at the end; a node that
starts with a saved table sends nothing to bootstrap nodes. With --read-only it answers nothing and asks to be left out of
tables (BEP 43): for machines that strangers cannot reach.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sum := &nodeSummary{Type: "summary"}
			n := need{verb: "node", alone: true, serve: true, upkeep: true, readOnly: v.readOnly}
			return v.serve(cmd.Context(), n, sum, func(ctx context.Context, s *session) error {
				return v.work(ctx, s, sum)
			})
		},
	}
	a.localFlag(cmd)
	cmd.Flags().BoolVar(&v.readOnly, "read-only", false, "ask, and answer nothing (BEP 43)")
	return cmd
}

func (v *nodeVerb) work(ctx context.Context, s *session, sum *nodeSummary) error {
	node := s.net.node
	served := func() (n uint64) {
		for _, e := range node.Endpoints() {
			n += e.RPC().Socket().Stats().Responses
		}
		return n
	}
	s.progress.show(func() string { return fmt.Sprintf("%d nodes in the table, %d queries served", node.Len(), served()) })
	if len(s.net.bootstrap) == 0 {
		s.console.note("dhtkit: nobody to join through: waiting for others to join through %v", s.net.addrs())
	} else if node.Ready(ctx) == nil {
		v.joined(s)
	}
	s.keep(ctx)
	sum.Table, sum.Served, sum.totals = node.Len(), served(), s.totals(context.WithoutCancel(ctx))
	return nil
}

// joined says how joining went. A node that reached nobody goes on trying.
func (v *nodeVerb) joined(s *session) {
	if n := s.net.node.Len(); n > 0 {
		s.console.note("dhtkit: joined, %d nodes in the table", n)
		return
	}
	s.console.say("dhtkit: %v; trying again", s.net.silent(nil))
}
