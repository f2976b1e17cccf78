package main

import (
	"context"
	"fmt"
	"iter"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// sampleVerb asks nodes which info hashes they store (BEP 51).
type sampleVerb struct {
	*app
	walk  bool
	again bool

	addr   hostPort // of one node
	target krpc.ID  // or of a lookup
}

type (
	sampleRecord struct {
		Type      string         `json:"type"`
		ID        krpc.ID        `json:"id"`
		Addr      netip.AddrPort `json:"addr"`
		Hashes    []krpc.ID      `json:"hashes"`
		Num       int64          `json:"num"`        // that the node says it stores
		Interval  float64        `json:"interval_s"` // sooner it has nothing new
		Supported bool           `json:"supported"`
		Contacts  []contact      `json:"contacts"` // nodes that it named
		RTT       millis         `json:"rtt_ms"`
		Time      stamp          `json:"time"`
	}

	contact struct {
		ID   krpc.ID        `json:"id"`
		Addr netip.AddrPort `json:"addr"`
	}

	sampleSummary struct {
		Type      string `json:"type"`
		Hashes    int    `json:"hashes"`    // each counted once
		Nodes     int    `json:"nodes"`     // that answered
		Supported int    `json:"supported"` // of these, that know the method
		totals
	}
)

func (s *sampleSummary) line() string {
	return fmt.Sprintf("%d info hashes from %d of %d nodes; %s", s.Hashes, s.Supported, s.Nodes, s.tail())
}

func (a *app) sampleCommand() *cobra.Command {
	v := &sampleVerb{app: a}
	cmd := &cobra.Command{
		Use:   "sample [ADDR|ID] [flags]",
		Short: "Ask nodes which info hashes they store",
		Example: `  dhtkit sample 127.0.0.1:6881                       # one node
  dhtkit sample --public 2c6b6858d61da9543d4231a71db4b1c9264b0685   # the nodes on the way to an id
  dhtkit sample --public --walk --max 100000 > hashes.txt
  dhtkit sample --public --walk --again              # all day, as often as each node allows`,
		Long: `Asks one node, the nodes on the way to an id (40 hex digits), or with --walk all nodes, for a sample of the info hashes they store
(BEP 51), and prints each hash once. Any of them may be made up: "dhtkit peers" tells. No node is asked again before the interval
it names is over; with --again a walk goes on and asks it then.`,
		Args: arguments(0, 1, "an address or an id"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	a.localFlag(cmd)
	cmd.Flags().BoolVar(&v.walk, "walk", false, "go through all nodes")
	cmd.Flags().BoolVar(&v.again, "again", false, "do not end: ask each node again when its interval is over")
	return cmd
}

func (v *sampleVerb) run(ctx context.Context, args []string) error {
	n := need{verb: "sample", upkeep: true}
	var ok bool
	switch {
	case v.walk && len(args) > 0:
		return usagef("--walk goes through all nodes: leave %q out", args[0])
	case v.again && !v.walk:
		return usagef("--again is for --walk")
	case v.walk:
	case len(args) == 0:
		return usagef("sample needs an address (HOST:PORT), an id (40 hex digits), or --walk for all nodes")
	default:
		if v.target, ok = parseDigits(args[0]); ok {
			break
		}
		targets, err := parseAll([]word{{text: args[0]}})
		if err != nil {
			return usagef("%q is neither an address (HOST:PORT) nor an id (40 hex digits)", args[0])
		}
		v.addr = targets[0]
		n = need{verb: "sample", targets: targets, alone: true, single: true}
	}
	sum := &sampleSummary{Type: "summary"}
	return v.serve(ctx, n, sum, func(ctx context.Context, s *session) error { return v.work(ctx, s, sum) })
}

func (v *sampleVerb) work(ctx context.Context, s *session, sum *sampleSummary) error {
	seen := make(map[krpc.ID]struct{})
	var hashes, nodes counter
	s.progress.show(func() string {
		queries, answered := s.net.counts()
		return fmt.Sprintf("%d info hashes of %d nodes; %s", hashes.Load(), nodes.Load(), queriesText(queries, answered))
	})
	defer func() { sum.Hashes, sum.Nodes = len(seen), int(nodes.Load()) }()
	for one, err := range v.samples(ctx, s) {
		if err != nil {
			return err
		}
		nodes.Add(1)
		if one.Supported {
			sum.Supported++
		}
		s.console.result("", newSampleRecord(one))
		for _, h := range one.Hashes {
			if _, known := seen[h]; known {
				continue
			}
			seen[h] = struct{}{}
			hashes.Store(int64(len(seen)))
			s.console.result(h.String(), nil)
			if len(seen) == v.flags.max {
				return nil
			}
		}
	}
	return outcome(ctx, len(seen))
}

// samples is what was asked for: one node's, those of a lookup or of a walk.
func (v *sampleVerb) samples(ctx context.Context, s *session) iter.Seq2[mainline.Sampled, error] {
	switch {
	case v.walk:
		return s.net.node.SampleWalk(mainline.SampleConfig{Again: v.again}).Samples(ctx)
	case v.addr == hostPort{}:
		return s.net.node.Sample(v.target).Samples(ctx)
	}
	return func(yield func(mainline.Sampled, error) bool) {
		addr, err := v.addr.resolve(ctx, s.net.v6)
		var one mainline.Sampled
		if err == nil {
			one, err = s.net.node.SampleAt(ctx, addr, krpc.RandomID())
		}
		if err != nil && ctx.Err() == nil {
			s.lost(v.addr.String(), err)
			s.net.bootstrap = []string{v.addr.String()}
			if krpc.Outcome(err) == "krpc-error" || krpc.Outcome(err) == "bad-reply" {
				err = ended(exitNothing)
			} else {
				err = s.net.silent(err)
			}
		}
		yield(one, err)
	}
}

func newSampleRecord(one mainline.Sampled) *sampleRecord {
	r := &sampleRecord{
		Type: "sample", ID: one.Node.ID, Addr: one.Node.Addr, Hashes: append([]krpc.ID{}, one.Hashes...), Num: one.Num,
		Interval: one.Interval.Seconds(), Supported: one.Supported, Contacts: make([]contact, len(one.Contacts)), RTT: millis(one.RTT), Time: now(),
	}
	for i, c := range one.Contacts {
		r.Contacts[i] = contact(c)
	}
	return r
}
