package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// findVerb finds the nodes closest to ids.
type findVerb struct {
	*app
	k     int
	trace bool
}

type findSummary struct {
	Type  string `json:"type"`
	Nodes int    `json:"nodes"`
	totals
}

func (s *findSummary) line() string { return fmt.Sprintf("%d nodes; %s", s.Nodes, s.tail()) }

func (a *app) findCommand() *cobra.Command {
	v := &findVerb{app: a}
	cmd := &cobra.Command{
		Use:   "find ID... [flags]",
		Short: "Find the nodes closest to an id",
		Example: `  dhtkit find --public 2c6b6858d61da9543d4231a71db4b1c9264b0685
  dhtkit find --local 200 -k 8 --trace 2c6b6858d61da9543d4231a71db4b1c9264b0685`,
		Long: `Finds the nodes closest to an id (40 hex digits; an info hash is one too) and prints them closest first, one ID IP:PORT
a line. Each of them has answered. "-" reads ids from standard input, one a line.`,
		Args: arguments(1, -1, "ids of 40 hex digits"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	a.localFlag(cmd)
	cmd.Flags().IntVarP(&v.k, "count", "k", 20, "how many nodes, `K`")
	cmd.Flags().BoolVar(&v.trace, "trace", false, "show each step on standard error; with --json as hop objects")
	return cmd
}

// Ours: more nodes than this are a crawl.
const maxClosest = 1000

func (v *findVerb) run(ctx context.Context, args []string) error {
	all, err := words(args, v.stdin)
	if err != nil {
		return err
	}
	ids, err := hashes(all, anID)
	if err != nil {
		return err
	}
	if v.flags.max > 0 {
		v.k = min(v.k, v.flags.max)
	}
	if v.k < 1 || v.k > maxClosest {
		return usagef("-k %d is not within 1..%d", v.k, maxClosest)
	}
	sum := &findSummary{Type: "summary"}
	return v.serve(ctx, need{verb: "find", upkeep: true}, sum, func(ctx context.Context, s *session) error {
		return v.work(ctx, s, ids, sum)
	})
}

func (v *findVerb) work(ctx context.Context, s *session, ids []krpc.ID, sum *findSummary) error {
	if err := s.join(ctx); err != nil {
		return err
	}
	s.progress.show(func() string {
		queries, answered := s.net.counts()
		return "looking: " + queriesText(queries, answered)
	})
	for _, id := range ids {
		n, err := v.find(ctx, s, id)
		sum.Nodes += n
		if err != nil {
			return err
		}
	}
	return outcome(ctx, sum.Nodes)
}

// find prints the nodes closest to one id and returns how many. Those of a lookup that was stopped are printed too.
func (v *findVerb) find(ctx context.Context, s *session, id krpc.ID) (int, error) {
	cfg := routing.Fast()
	cfg.K = v.k
	if v.trace {
		cfg.Trace = s.tracer(krpc.IDSize)
	}
	lookup := s.net.node.FindNodeWith(id, cfg)
	var last error
	for _, err := range lookup.Nodes(ctx) {
		last = err
	}
	replies := lookup.ClosestReplies()
	for _, r := range replies {
		n := krpc.IDOf(r.From.Key)
		s.console.result(fmt.Sprintf("%v %v", n, r.From.Addr), &nodeRecord{
			Type: "node", ID: n, Addr: r.From.Addr, Version: clientVersion(string(r.Version())), RTT: millis(r.RTT), Target: &id, Time: now(),
		})
	}
	return len(replies), last
}

// tracer returns a function that shows the steps of a lookup in a network with ids of so many bytes.
func (s *session) tracer(idLen int) func(routing.Hop) {
	began := time.Now()
	return func(h routing.Hop) {
		r := &hopRecord{Type: "hop", Event: hopEvent(h), Addr: h.Node.Addr, Bits: h.Bits, Elapsed: millis(time.Since(began))}
		if !h.Node.Key.IsZero() {
			r.ID = hex.EncodeToString(h.Node.Key[:idLen])
		}
		if h.From.Addr.IsValid() {
			r.From = h.From.Addr.String()
		}
		if s.console.json {
			s.console.result("", r)
			return
		}
		s.console.say("%7.1fms %-6s %-21v %3d bits  named by %s  %s", float64(r.Elapsed)/1e6, r.Event, r.Addr, r.Bits, orDash(r.From), orDash(r.ID))
	}
}

func hopEvent(h routing.Hop) string {
	switch {
	case h.Asked:
		return "ask"
	case h.Outcome == routing.Alive:
		return "answer"
	case h.Outcome == routing.Late:
		return "late"
	}
	return "failed"
}
