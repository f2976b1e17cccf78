package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
)

// queryVerb asks one node anything.
type queryVerb struct {
	*app
	hex     bool
	bencode bool

	addr hostPort
	args krpc.RawArgs
}

type querySummary struct {
	Type    string `json:"type"`
	Outcome string `json:"outcome"`
	totals
}

func (s *querySummary) line() string { return s.Outcome + "; " + s.tail() }

func (a *app) queryCommand() *cobra.Command {
	v := &queryVerb{app: a}
	cmd := &cobra.Command{
		Use:   "query ADDR METHOD [KEY=VALUE]... [flags]",
		Short: "Ask one node anything, print its raw reply",
		Example: `  dhtkit query 127.0.0.1:6881 ping
  dhtkit query 127.0.0.1:6881 find_node target=hex:2c6b6858d61da9543d4231a71db4b1c9264b0685
  dhtkit query 127.0.0.1:6881 custom n=5 flag=text:1 'list=json:["a",2]' --bencode | xxd`,
		Long: `Sends one KRPC query of any method with any arguments and prints the reply. An argument is KEY=VALUE:

  k=abc         the text abc
  k=12          the integer 12; int:12 is the same
  k=text:12     the text 12
  k=hex:00ff    bytes
  k=json:[1,2]  a list or a dictionary; strings in it may begin with hex: too

Our id is added unless there is an argument id. The reply is printed as JSON, bytes that are no text as "hex:…".`,
		Args: arguments(2, -1, "an address, a method and KEY=VALUE arguments"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	cmd.Flags().BoolVar(&v.hex, "hex", false, "print the reply's datagram in hex")
	cmd.Flags().BoolVar(&v.bencode, "bencode", false, "print the reply's datagram as it came, without a line end")
	return cmd
}

func (v *queryVerb) run(ctx context.Context, args []string) error {
	targets, err := parseAll([]word{{text: args[0]}})
	if err != nil {
		return err
	}
	if v.hex && v.bencode || v.console.json && (v.hex || v.bencode) {
		return usagef("--json, --hex and --bencode exclude each other")
	}
	if args[1] == "" {
		return usagef("the method is empty")
	}
	fields, err := parseFields(args[2:])
	if err != nil {
		return err
	}
	v.addr, v.args = targets[0], krpc.RawArgs{Name: args[1], Fields: fields}
	if err := v.args.Check(); err != nil {
		return usagef("%v", err)
	}
	return v.serve(ctx, need{verb: "query", targets: targets, alone: true}, v.work)
}

func (v *queryVerb) work(ctx context.Context, s *session) (summarizer, error) {
	addr, err := v.addr.resolve(ctx, s.net.v6)
	var reply *krpc.Reply
	if err == nil {
		reply, err = s.net.node.RPC().Query(ctx, addr, v.args)
	}
	sum := &querySummary{Type: "summary", Outcome: outcomeOf(err), totals: s.totals(ctx)}
	switch {
	case err == nil:
		v.print(addr, reply)
		return sum, outcome(ctx, 1)
	case ctx.Err() != nil:
		return sum, err
	}
	s.lost(v.addr.String(), err)
	if sum.Outcome == "krpc-error" || sum.Outcome == "bad-reply" {
		return sum, ended(exitNothing)
	}
	s.net.bootstrap = []string{v.addr.String()}
	return sum, s.net.silent(err)
}

// print prints a reply in the form asked for.
func (v *queryVerb) print(addr netip.AddrPort, r *krpc.Reply) {
	raw := r.Raw()
	switch {
	case v.hex:
		v.console.result(hex.EncodeToString(raw), nil)
	case v.bencode:
		v.console.raw(raw)
	default:
		message := textual(raw)
		var pretty bytes.Buffer
		_ = json.Indent(&pretty, message, "", "  ") // it is JSON: we made it
		v.console.result(pretty.String(), &replyRecord{
			Type: "reply", Addr: addr, Method: v.args.Name, Outcome: "ok", RTT: millis(r.RTT),
			Message: message, Raw: hex.EncodeToString(raw), Time: now(),
		})
	}
}
