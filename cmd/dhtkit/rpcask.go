package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// rpcCallVerb puts a command to the nodes nearest to a target.
type rpcCallVerb struct {
	*app
	target   string
	command  uint64
	value    string
	valueHex string
	commit   bool

	hasCommand, hasValue bool
}

type rpcCallSummary struct {
	Type    string   `json:"type"`
	Replies int      `json:"replies"`
	Commits int      `json:"commits"` // nodes that took it, with --commit
	Closest []string `json:"closest"` // addresses, nearest first
	totals
}

func (s *rpcCallSummary) line() string {
	return fmt.Sprintf("replies: %d, commits: %d, closest: %d; %s", s.Replies, s.Commits, len(s.Closest), s.tail())
}

func (a *app) rpcCallCommand() *cobra.Command {
	v := &rpcCallVerb{app: a}
	cmd := &cobra.Command{
		Use:   "call --target HEX --command N [flags]",
		Short: "Put a command to the nodes nearest to a target",
		Example: `  dhtkit rpc call --bootstrap 127.0.0.1:49737 --target HEX --command 1 --value hello
  dhtkit rpc call --bootstrap 127.0.0.1:49737 --target HEX --command 1 --value hello --commit --json`,
		Long: `Walks towards a target of 64 hex digits, puts a command of the application with a value to every node on the way, and prints a
line for each good reply: IP:PORT, error code, value in hex. With --commit the command is sent once more to the 20 nearest nodes,
with the token that each of them gave.`,
		Args: arguments(0, 0, "no arguments besides flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v.hasCommand, v.hasValue = cmd.Flags().Changed("command"), cmd.Flags().Changed("value")
			return v.run(cmd.Context())
		},
	}
	a.localFlag(cmd)
	cmd.Flags().StringVar(&v.target, "target", "", "what to walk towards, 64 `HEX` digits")
	cmd.Flags().Uint64Var(&v.command, "command", 0, "`N`umber of the application's command")
	cmd.Flags().StringVar(&v.value, "value", "", "sent along, as `TEXT`")
	cmd.Flags().StringVar(&v.valueHex, "value-hex", "", "sent along, as `HEX`")
	cmd.Flags().BoolVar(&v.commit, "commit", false, "then send it to the nearest nodes with their tokens")
	return cmd
}

func (v *rpcCallVerb) run(ctx context.Context) error {
	if v.target == "" || !v.hasCommand {
		return usagef("rpc call needs --target HEX and --command N")
	}
	target, err := parseTarget(v.target)
	if err != nil {
		return err
	}
	value, err := v.bytes()
	if err != nil {
		return err
	}
	p, err := v.flags.rpcPlan(rpcPlan{verb: "call", cfg: dhtrpc.Config{Mode: dhtrpc.Ephemeral}}, false)
	if err != nil {
		return err
	}
	sum := &rpcCallSummary{Type: "summary", Closest: []string{}}
	return v.rpc(ctx, p, sum, func(ctx context.Context, s *session, n *rpcNet) error {
		return v.work(ctx, s, n.node.Query(target, v.command, value, dhtrpc.QueryOptions{Thorough: v.commit, Retries: v.flags.retries()}), sum)
	})
}

// bytes returns the value to send, nil for none.
func (v *rpcCallVerb) bytes() ([]byte, error) {
	switch {
	case v.hasValue && v.valueHex != "":
		return nil, usagef("--value and --value-hex exclude each other")
	case v.hasValue:
		return []byte(v.value), nil
	case v.valueHex == "":
		return nil, nil
	}
	b, err := hex.DecodeString(v.valueHex)
	if err != nil {
		return nil, usagef("--value-hex %q: %v", v.valueHex, err)
	}
	return b, nil
}

func (v *rpcCallVerb) work(ctx context.Context, s *session, q *dhtrpc.Query, sum *rpcCallSummary) error {
	s.progress.show(func() string { return fmt.Sprintf("%d replies, %d commits", sum.Replies, sum.Commits) })
	var last error
	for r, err := range q.Replies(ctx) {
		if last = err; err != nil {
			break
		}
		sum.Replies++
		s.console.result(fmt.Sprintf("%v %d %s", r.From.Addr, r.Code, orDash(hex.EncodeToString(r.Value))), rpcReply(r))
	}
	for _, c := range q.ClosestNodes() {
		sum.Closest = append(sum.Closest, c.Addr.String())
	}
	if last == nil && v.commit {
		taken, err := q.Commit(ctx)
		sum.Commits, last = len(taken), err
	}
	return rpcOutcome(ctx, sum.Replies, q, last)
}

func rpcReply(r *dhtrpc.Reply) *rpcReplyRecord {
	rec := &rpcReplyRecord{Type: "reply", From: r.From.Addr.String(), Value: hex.EncodeToString(r.Value), Error: r.Code, RTT: millis(r.RTT), Time: now()}
	if r.From.ID != (dhtrpc.ID{}) {
		rec.ID = r.From.ID.String()
	}
	return rec
}

// rpcOutcome is how a query ends the run. Nodes that answer with errors are there, but it is nothing that was found.
func rpcOutcome(ctx context.Context, found int, q *dhtrpc.Query, err error) error {
	if e, refused := errors.AsType[*dhtrpc.Error](err); refused {
		return &exitError{exitNothing, fmt.Sprintf("no node took it: the last one answered with error %d", e.Code)}
	}
	switch {
	case err != nil && q.Stats().Errors > 0:
		return &exitError{exitNothing, fmt.Sprintf("%d nodes answered with errors, none well", q.Stats().Errors)}
	case err != nil:
		return err
	}
	return outcome(ctx, found)
}

// rpcLookupVerb finds the nodes nearest to a target.
type rpcLookupVerb struct {
	*app
	trace bool
}

func (a *app) rpcLookupCommand() *cobra.Command {
	v := &rpcLookupVerb{app: a}
	cmd := &cobra.Command{
		Use:   "lookup HEX [flags]",
		Short: "Find the nodes nearest to a target",
		Example: `  dhtkit rpc lookup --bootstrap 127.0.0.1:49737 HEX
  dhtkit rpc lookup --local 200 --trace HEX`,
		Long: `Finds the 20 nodes nearest to a target of 64 hex digits and prints them nearest first, one ID IP:PORT a line. Each has answered.`,
		Args: arguments(1, 1, "a target of 64 hex digits"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args[0]) },
	}
	a.localFlag(cmd)
	cmd.Flags().BoolVar(&v.trace, "trace", false, "show each step on standard error; with --json as hop objects")
	return cmd
}

func (v *rpcLookupVerb) run(ctx context.Context, text string) error {
	target, err := parseTarget(text)
	if err != nil {
		return err
	}
	p, err := v.flags.rpcPlan(rpcPlan{verb: "lookup", cfg: dhtrpc.Config{Mode: dhtrpc.Ephemeral}}, false)
	if err != nil {
		return err
	}
	sum := &findSummary{Type: "summary"}
	return v.rpc(ctx, p, sum, func(ctx context.Context, s *session, n *rpcNet) error {
		return v.work(ctx, s, n, target, sum)
	})
}

func (v *rpcLookupVerb) work(ctx context.Context, s *session, n *rpcNet, target dhtrpc.ID, sum *findSummary) error {
	o := dhtrpc.QueryOptions{Thorough: true, Retries: v.flags.retries()}
	if v.trace {
		o.Trace = s.tracer(dhtrpc.IDSize)
	}
	q := n.node.FindNode(target, o)
	var last error
	for _, err := range q.Replies(ctx) {
		last = err
	}
	for _, r := range q.ClosestReplies() {
		sum.Nodes++
		s.console.result(fmt.Sprintf("%v %v", r.From.ID, r.From.Addr), &rpcNodeRecord{"node", r.From.ID, r.From.Addr.String(), millis(r.RTT), now()})
	}
	return rpcOutcome(ctx, sum.Nodes, q, last)
}
