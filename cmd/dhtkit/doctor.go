package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
)

// doctorVerb says why nothing arrives: it does what every run does, a step at a time, and looks at what becomes of it.
type doctorVerb struct {
	*app
	wait time.Duration
}

// verdict is what a check comes to.
type verdict string

const (
	healthy verdict = "ok"
	suspect verdict = "warning" // works, though not as it should
	broken  verdict = "fail"
	unknown verdict = "unknown"
)

type checkRecord struct {
	Type   string  `json:"type"`
	Check  string  `json:"check"` // socket, name, bootstrap, network, address, nat, reachable, id, losses
	About  string  `json:"about,omitempty"`
	Result verdict `json:"result"`
	Detail string  `json:"detail"`
	Remedy string  `json:"remedy,omitempty"`
	Time   stamp   `json:"time"`
}

type doctorSummary struct {
	Type     string `json:"type"`
	OK       int    `json:"ok"`
	Warnings int    `json:"warnings"`
	Failed   int    `json:"failed"`
	Unknown  int    `json:"unknown"`
	Nodes    int    `json:"nodes"`           // that answered
	Worst    string `json:"worst,omitempty"` // what is wrong, in a sentence
	totals
}

func (s *doctorSummary) line() string {
	text := fmt.Sprintf("checks: %d ok, %d warnings, %d failed, %d unknown", s.OK, s.Warnings, s.Failed, s.Unknown)
	if s.Worst != "" {
		text += "; " + s.Worst
	}
	return text + "; " + s.tail()
}

func (a *app) doctorCommand() *cobra.Command {
	v := &doctorVerb{app: a}
	cmd := &cobra.Command{
		Use:   "doctor [flags]",
		Short: "Say why nothing arrives",
		Example: `  dhtkit doctor --public
  dhtkit doctor --public --listen :6881 --wait 5m     # is the port open to strangers?
  dhtkit doctor --bootstrap 192.0.2.7:6881 --json`,
		Long: `Goes the way of every lookup one step at a time and prints a line for each: its result (ok, warning, fail, unknown), the check,
and what was seen. A remedy follows where there is one.

  socket      the UDP socket is open
  name        each bootstrap name has an address
  bootstrap   each of these addresses answers
  network     a lookup finds nodes beyond them
  address     nodes agree on the address we have in their eyes
  nat         our port is the same for all of them
  id          our id suits that address (BEP 42)
  reachable   a node that we have not asked first gets through to us (--wait says how long to listen for one)
  losses      what became of the packets that came to nothing

Exit code: 0 nothing failed, 1 something did, 3 no node answered.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd.Context()) },
	}
	a.localFlag(cmd)
	cmd.Flags().DurationVar(&v.wait, "wait", 20*time.Second, "listen so long for a node that calls on its own")
	return cmd
}

func (v *doctorVerb) run(ctx context.Context) error {
	if v.wait < 0 {
		return usagef("--wait %v is negative", v.wait)
	}
	sum := &doctorSummary{Type: "summary"}
	watch := &strangers{sent: make(map[netip.AddrPort]struct{}), called: make(chan netip.AddrPort, 1)}
	n := need{verb: "doctor", serve: true, quiet: true, wrap: watch.conn, onQuery: watch.heard}
	return v.serve(ctx, n, sum, func(ctx context.Context, s *session) error {
		x := &examination{session: s, sum: sum, watch: watch, seen: make(map[netip.AddrPort]int)}
		return x.run(ctx, v.wait)
	})
}

// examination is one run of the checks.
type examination struct {
	*session
	sum   *doctorSummary
	watch *strangers
	seen  map[netip.AddrPort]int // our address as nodes see it, and how many do
	found []krpc.Node            // through bootstrap addresses
}

func (x *examination) run(ctx context.Context, wait time.Duration) error {
	x.socket()
	x.bootstraps(ctx)
	x.network(ctx)
	if x.sum.Nodes > 0 {
		x.address()
		x.reachable(ctx, wait)
	}
	x.losses()
	switch {
	case ctx.Err() != nil:
		return ended(exitStopped)
	case x.sum.Nodes == 0:
		return &exitError{exitNoAnswer, "no node answered: " + x.sum.Worst}
	case x.sum.Failed > 0:
		return ended(exitNothing)
	}
	return nil
}

// report prints what a check came to. The first failure is the worst: those after it follow from it.
func (x *examination) report(v verdict, check, about, detail, remedy string) {
	count := map[verdict]*int{healthy: &x.sum.OK, suspect: &x.sum.Warnings, broken: &x.sum.Failed, unknown: &x.sum.Unknown}[v]
	*count++
	text := fmt.Sprintf("%-8s %-9s", v, check)
	if about != "" {
		text += " " + about + ":"
	}
	text += " " + detail
	if v == broken && x.sum.Worst == "" {
		x.sum.Worst = check + " " + detail
		if about != "" {
			x.sum.Worst = check + " " + about + ": " + detail
		}
	}
	x.console.result(text, &checkRecord{"check", check, about, v, detail, remedy, now()})
	if remedy != "" && !x.console.json {
		x.console.result("         "+remedy, nil)
	}
}

// heard takes note of what an answer says of our own address.
func (x *examination) heard(r *krpc.Reply) {
	x.sum.Nodes++
	if own, ok := r.IP(); ok {
		x.seen[own]++
	}
}
