package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// Ours: addresses that are pinged at the same time.
const parallelPings = 64

// pingVerb asks nodes whether they are there.
type pingVerb struct {
	*app
	count    int
	interval time.Duration
}

type pingSummary struct {
	Type   string `json:"type"`
	Pings  int    `json:"pings"`
	Pongs  int    `json:"pongs"`
	MinRTT millis `json:"min_rtt_ms"`
	MedRTT millis `json:"median_rtt_ms"`
	MaxRTT millis `json:"max_rtt_ms"`
	totals
}

func (s *pingSummary) line() string {
	text := fmt.Sprintf("%d of %d pings answered", s.Pongs, s.Pings)
	if s.Pongs > 0 {
		text += fmt.Sprintf(", round trip min %s, median %s, max %s", rttText(time.Duration(s.MinRTT)), rttText(time.Duration(s.MedRTT)), rttText(time.Duration(s.MaxRTT)))
	}
	return text + "; lost: " + lossText(s.Losses)
}

func (a *app) pingCommand() *cobra.Command {
	v := &pingVerb{app: a}
	cmd := &cobra.Command{
		Use:   "ping ADDR... [flags]",
		Short: "Ask nodes whether they are there",
		Example: `  dhtkit ping 127.0.0.1:6881
  dhtkit ping -c 5 -i 500ms 192.0.2.7:6881 192.0.2.8:6881
  dhtkit ping --local 10`,
		Long: `Asks nodes whether they are there (BEP 5 ping) and prints a line for each answer: address, id, client version, round trip,
and our own address as the node sees it ("-" for what it does not say). "-" reads addresses from standard input, one a
line. With --local the addresses may be left out: the nodes of the embedded network are asked.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("local") {
				return nil
			}
			return arguments(1, -1, "addresses, HOST:PORT")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	a.localFlag(cmd)
	cmd.Flags().IntVarP(&v.count, "count", "c", 1, "pings to each address, `N`; 0: until interrupted")
	cmd.Flags().DurationVarP(&v.interval, "interval", "i", time.Second, "time between two pings to an address")
	return cmd
}

func (v *pingVerb) run(ctx context.Context, args []string) error {
	var targets []hostPort
	if len(args) > 0 {
		all, err := words(args, v.stdin)
		if err != nil {
			return err
		}
		if targets, err = parseAll(all); err != nil {
			return err
		}
	}
	if v.count < 0 {
		return usagef("-c %d is negative", v.count)
	}
	if v.interval <= 0 {
		return usagef("-i %v is not above zero", v.interval)
	}
	sum := &pingSummary{Type: "summary"}
	return v.serve(ctx, need{verb: "ping", targets: targets, alone: true, single: true}, sum, func(ctx context.Context, s *session) error {
		return v.work(ctx, s, targets, sum)
	})
}

// pingTally adds up the pings of all addresses. Safe for concurrent use.
type pingTally struct {
	mu    sync.Mutex // guards what follows
	sent  int
	bad   int             // answers that are no pong
	rtts  []time.Duration // of the pongs
	tried []string        // addresses without any answer
}

func (v *pingVerb) work(ctx context.Context, s *session, targets []hostPort, sum *pingSummary) error {
	if len(targets) == 0 {
		for _, n := range s.net.local.Nodes {
			targets = append(targets, hostPort{n.Addr().Addr().String(), n.Addr().Port()})
		}
	}
	tally := new(pingTally)
	queue := make(chan hostPort, len(targets))
	for _, h := range targets {
		queue <- h
	}
	close(queue)
	workers := min(parallelPings, len(targets))
	if v.count == 0 {
		workers = len(targets) // none of them ends
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { // a worker: ends with the queue or ctx
			for h := range queue {
				v.pingOne(ctx, s, h, tally)
			}
		})
	}
	wg.Wait()
	return tally.end(ctx, s, sum)
}

func (t *pingTally) end(ctx context.Context, s *session, sum *pingSummary) error {
	slices.Sort(t.rtts)
	n := len(t.rtts)
	sum.Pings, sum.Pongs = t.sent, n
	if n > 0 {
		sum.MinRTT, sum.MedRTT, sum.MaxRTT = millis(t.rtts[0]), millis(t.rtts[n/2]), millis(t.rtts[n-1])
	}
	if n == 0 && t.bad == 0 && ctx.Err() == nil {
		s.net.bootstrap = t.tried
		return s.net.silent(nil)
	}
	return outcome(ctx, n)
}

// pingOne pings one address as often as asked for.
func (v *pingVerb) pingOne(ctx context.Context, s *session, h hostPort, tally *pingTally) {
	for i := 0; (v.count == 0 || i < v.count) && ctx.Err() == nil; i++ {
		if i > 0 && !pause(ctx, v.interval) {
			return
		}
		addr, err := h.resolve(ctx, s.net.v6)
		var pong mainline.Pong
		if err == nil {
			pong, err = s.net.node.Ping(ctx, addr)
		}
		if err != nil && ctx.Err() != nil {
			return
		}
		tally.add(h, pong, err)
		s.pong(h, addr, pong, err)
	}
}

// pause waits and reports whether ctx let it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t *pingTally) add(h hostPort, pong mainline.Pong, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	switch krpc.Outcome(err) {
	case "ok":
		t.rtts = append(t.rtts, pong.RTT)
	case "krpc-error", "bad-reply":
		t.bad++
	default:
		if name := h.String(); !slices.Contains(t.tried, name) {
			t.tried = append(t.tried, name)
		}
	}
}

func (s *session) pong(h hostPort, addr netip.AddrPort, p mainline.Pong, err error) {
	if err != nil {
		s.lost(h.String(), err)
		return
	}
	r := &pongRecord{Type: "pong", Addr: addr, ID: p.ID, Version: clientVersion(p.Version), RTT: millis(p.RTT), Outcome: "ok", Time: now()}
	own := ""
	if p.External.IsValid() {
		r.Own, own = &p.External, p.External.String()
	}
	s.console.result(fmt.Sprintf("%v %v %s %s %s", addr, p.ID, orDash(r.Version), rttText(p.RTT), orDash(own)), r)
}

// lost says that a node which was asked directly gave no good answer.
func (s *session) lost(addr string, err error) {
	r := &lossRecord{Type: "loss", Addr: addr, Outcome: krpc.Outcome(err), Error: err.Error(), Time: now()}
	if e, ok := errors.AsType[*krpc.Error](err); ok {
		r.Code = e.Code
	}
	if s.console.json {
		s.console.result("", r)
		return
	}
	s.console.note("%s: %s", addr, s.lossWords(r.Outcome, err))
}

// lossWords says for people what became of a query.
func (s *session) lossWords(outcome string, err error) string {
	switch outcome {
	case "timeout":
		return "no answer"
	case "filtered":
		if s.net.private {
			return "not asked: no node can have this address"
		}
		return "not asked: " + privateRemedy
	case "bad-reply":
		return "it answered with something that is no reply to a query"
	}
	return err.Error()
}
