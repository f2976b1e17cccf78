package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/socket"
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
	Outcome string `json:"outcome,omitempty"`
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

Our id is added unless there is an argument id. The reply is printed as JSON, bytes that are no text as "hex:…". One that
is an error of the node is printed too, and the exit code is 1.`,
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
	sum := &querySummary{Type: "summary"}
	return v.serve(ctx, need{verb: "query", targets: targets, alone: true, single: true}, sum, func(ctx context.Context, s *session) error {
		return v.work(ctx, s, sum)
	})
}

func (v *queryVerb) work(ctx context.Context, s *session, sum *querySummary) error {
	addr, err := v.addr.resolve(ctx, s.net.v6)
	var ev socket.Event
	if err == nil {
		ev, err = v.ask(ctx, s, addr)
	}
	if err != nil && ctx.Err() != nil {
		return err
	}
	sum.Outcome = krpc.Outcome(err)
	if ev.Payload == nil {
		s.lost(v.addr.String(), err)
		s.net.bootstrap = []string{v.addr.String()}
		return s.net.silent(err)
	}
	v.print(ev, sum.Outcome)
	if err != nil {
		return ended(exitNothing)
	}
	return outcome(ctx, 1)
}

// rawQuery is the query as the socket sends it.
type rawQuery struct {
	args krpc.Args
	id   krpc.ID
}

// AppendPacket implements socket.Packet.
func (q rawQuery) AppendPacket(dst, tid []byte) []byte {
	return krpc.AppendQuery(dst, tid, q.id[:], q.args, krpc.Header{ReadOnly: true})
}

// Ours: how long a silent node is waited for.
const queryTimeout = 4 * time.Second

// ask sends the query beside the RPC, which would keep answers to itself that are errors or lack an id. The event has a
// payload if the node answered, also if err says that the answer is no good one.
func (v *queryVerb) ask(ctx context.Context, s *session, addr netip.AddrPort) (socket.Event, error) {
	group := s.net.node.RPC().Socket().Group(socket.GroupConfig{})
	defer group.Close()
	err := group.Send(socket.Query{
		To: addr, Packet: rawQuery{v.args, s.net.node.ID()}, Soft: -1, Hard: cmp.Or(v.flags.timeout, queryTimeout),
	})
	if err != nil {
		return socket.Event{}, err
	}
	ev, err := group.Wait(ctx)
	switch {
	case err != nil:
		return ev, err
	case ev.Kind == socket.Timeout:
		return ev, krpc.ErrTimeout
	case ev.Kind != socket.Reply:
		return ev, ev.Err
	}
	return ev, replyError(ev.Payload)
}

// replyError says why a datagram is no good reply.
func replyError(b []byte) error {
	m, err := krpc.Parse(b)
	if err != nil {
		return krpc.ErrBadReply
	}
	if e := m.Err(); e != nil {
		return e
	}
	if len(m.IDBytes()) == 0 {
		return krpc.ErrBadReply
	}
	return nil
}

// print prints a reply in the form asked for.
func (v *queryVerb) print(ev socket.Event, outcome string) {
	switch {
	case v.hex:
		v.console.result(hex.EncodeToString(ev.Payload), nil)
	case v.bencode:
		v.console.raw(ev.Payload)
	default:
		message := textual(ev.Payload)
		var pretty bytes.Buffer
		_ = json.Indent(&pretty, message, "", "  ") // it is JSON: we made it
		v.console.result(pretty.String(), &replyRecord{
			Type: "reply", Addr: ev.From, Method: v.args.Name, Outcome: outcome, RTT: millis(ev.RTT),
			Message: message, Raw: hex.EncodeToString(ev.Payload), Time: now(),
		})
	}
}
