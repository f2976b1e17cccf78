package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/internal/plot"
	"github.com/dhtkit/dhtkit/internal/simnet/lab"
)

// simRPCVerb compares ways to look up in a network of full dht-rpc nodes.
type simRPCVerb struct {
	simVerb
	lookups  int
	policies []string
	rows     bool
}

type (
	policyRecord struct {
		Type       string  `json:"type"`
		Name       string  `json:"name"`
		About      string  `json:"about"`
		Nodes      int     `json:"nodes"` // living ones
		Lookups    int     `json:"lookups"`
		Exact      float64 `json:"exact"`  // share that found exactly the 20 closest living nodes
		Recall     float64 `json:"recall"` // share of these that were found
		FirstP50   millis  `json:"first_p50_ms"`
		FirstP95   millis  `json:"first_p95_ms"` // first answer of one of these
		DoneP50    millis  `json:"done_p50_ms"`
		DoneP95    millis  `json:"done_p95_ms"`
		Queries    float64 `json:"queries_mean"`
		Datagrams  float64 `json:"datagrams_mean"` // queries and those sent once more
		Unanswered float64 `json:"unanswered"`     // share of the queries
		Failed     int     `json:"failed"`         // lookups that ended with an error
	}

	rpcNetworkRecord struct {
		Type       string  `json:"type"`
		Table      float64 `json:"table"`               // nodes in a table, on average, before the deaths
		Stale      float64 `json:"stale"`               // share of the nodes in tables that were dead at the first lookup
		After      float64 `json:"stale_after"`         // and after the last
		Boot       seconds `json:"boot_seconds"`        // wall time until the deaths
		PerMinute  seconds `json:"seconds_per_minute"`  // wall time of a virtual minute of calm
		PacketCost float64 `json:"packet_microseconds"` // wall time
		Bytes      int     `json:"bytes_per_node"`      // of heap
		Hash       string  `json:"hash"`                // of all packets and their times
	}
)

func (a *app) simRPCCommand() *cobra.Command {
	v := &simRPCVerb{simVerb: simVerb{app: a}}
	cmd := &cobra.Command{
		Use:   "rpc [flags]",
		Short: "Lookups in a network of full dht-rpc nodes",
		Example: `  dhtkit sim rpc
  dhtkit sim rpc --nodes 10000 --dead 0.2 --lookups 1000 --json`,
		Long: "Lets full dht-rpc nodes join one after the other, has a share of them die at once, and looks up random ids within a\n" +
			"minute, in turns by each policy, each time from another node. Prints one line for each, the columns named on standard\n" +
			"error:\n\n" + rpcColumns + "\nPolicies:\n\n" + aboutPolicies(),
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&v.nodes, "nodes", 1000, "nodes, those that die included, `N`")
	f.Float64Var(&v.dead, "dead", 0.2, "`SHARE` of them that die")
	f.IntVar(&v.lookups, "lookups", 100, "lookups of each policy, `N`")
	f.StringSliceVar(&v.policies, "policy", []string{"all"}, "`NAMES` with commas between, or all")
	f.BoolVar(&v.rows, "rows", false, "nodes name others in the order of npm's dht-rpc, not the nearest first")
	v.commonFlags(f)
	return cmd
}

const rpcColumns = `  POLICY              its name
  EXACT RECALL        share of the lookups that found exactly the 20 closest living nodes, share of these nodes found
  FIRST-P50           ms until one of these answered: half of the lookups
  DONE-P50 DONE-P95   ms until the lookup ended: half of the lookups, 95 of 100
  QUERIES DATAGRAMS   nodes asked, and datagrams that took, on average
  UNANSWERED          share of the queries without an answer
`

const rpcHeader = "POLICY        EXACT    RECALL FIRST-P50  DONE-P50  DONE-P95   QUERIES DATAGRAMS UNANSWERED"

func (r *policyRecord) row() string {
	return fmt.Sprintf("%-10s %8.4f %9.4f %9d %9d %9d %9.1f %9.1f %10.3f",
		r.Name, r.Exact, r.Recall, wholeMillis(r.FirstP50), wholeMillis(r.DoneP50), wholeMillis(r.DoneP95), r.Queries, r.Datagrams, r.Unanswered)
}

func (r *rpcNetworkRecord) line() string {
	return fmt.Sprintf("%.1f nodes in a table, %.1f %% of them dead at first and %.1f %% in the end; %.3f s for a virtual minute, %d bytes a node, hash %s",
		r.Table, 100*r.Stale, 100*r.After, time.Duration(r.PerMinute).Seconds(), r.Bytes, r.Hash)
}

func aboutPolicies() string {
	var b strings.Builder
	for _, p := range lab.RPCPolicies {
		fmt.Fprintf(&b, "  %-10s %s\n", p.Name, p.About)
	}
	return b.String()
}

// policiesNamed returns the policies of these names, in the order given.
func policiesNamed(names []string) (all []lab.RPCPolicy, err error) {
	if slices.Contains(names, "all") {
		return lab.RPCPolicies, nil
	}
	for _, name := range names {
		p, ok := lab.RPCPolicyNamed(name)
		if !ok {
			return nil, usagef("--policy %q is unknown: fast, thorough, original, or all", name)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, usagef("--policy names nothing: fast, thorough, original, or all")
	}
	return all, nil
}

// Bounds of a network of full dht-rpc nodes: the 20 closest have to be there, and a node takes some 40 kB.
const (
	leastRPCNodes = 50
	mostRPCNodes  = 1_000_000
)

func (v *simRPCVerb) bounds() error {
	switch {
	case v.nodes < leastRPCNodes || v.nodes > mostRPCNodes:
		return usagef("--nodes %d is not within %d..%d", v.nodes, leastRPCNodes, mostRPCNodes)
	case math.IsNaN(v.dead) || v.dead < 0 || v.dead > 0.9:
		return usagef("--dead %v is not a share from 0 to 0.9", v.dead)
	}
	return checkLookups(v.lookups)
}

func (v *simRPCVerb) run(cmd *cobra.Command) error {
	policies, unknown := policiesNamed(v.policies)
	if err := cmp.Or(unknown, v.bounds(), v.check(cmd)); err != nil {
		return err
	}
	return v.simulate(cmd, func(s *simulation) (*plot.Chart, error) { return v.work(s, policies) })
}

func (v *simRPCVerb) work(s *simulation, policies []lab.RPCPolicy) (*plot.Chart, error) {
	var done, of counter
	s.progress.show(func() string { return fmt.Sprintf("%d of %d nodes and lookups", done.Load(), of.Load()) })
	run := lab.RPCRun{
		Nodes: v.nodes, Dead: v.dead, Seed: v.seed, Lookups: v.lookups, Policies: policies, Stop: s.stop,
		Progress: func(joined, looked int) {
			done.Store(int64(joined + looked))
			of.Store(int64(v.nodes + v.lookups*len(policies)))
		},
	}
	run.Node.RowOrder = v.rows
	s.header(rpcHeader)
	res, err := lab.RunRPC(run)
	if err != nil {
		return nil, err
	}
	chart := v.chart()
	for i, p := range policies {
		if i < len(res.Lookups) && len(res.Lookups[i]) > 0 {
			r := newPolicyRecord(p, &res, i)
			s.result(r.row(), r)
			s.countRPC(chart, p.Name, res.Lookups[i])
		}
	}
	s.sum.count(0, 0, res.Virtual, res.Net)
	if s.sum.Results > 0 {
		v.network(s, &res)
	}
	return chart, nil
}

// network prints what is to be said of the network as such: for people beside the results, as one more object with --json.
func (v *simRPCVerb) network(s *simulation, res *lab.RPCResult) {
	r := &rpcNetworkRecord{
		Type: "network", Table: rounded(res.Table, 1), Stale: rounded(res.Stale, 4), After: rounded(res.After, 4),
		Boot: seconds(res.Boot), PerMinute: seconds(res.PerMinute), PacketCost: float64(res.PacketCost.Nanoseconds()) / 1000,
		Bytes: int(res.BytesPerNode), Hash: hashText(res.Hash),
	}
	if s.console.json {
		s.result("", r)
		return
	}
	s.console.note("%s", r.line())
}

func (s *simulation) countRPC(c *plot.Chart, name string, lookups []lab.RPCLookup) {
	var times []float64
	for _, l := range lookups {
		s.sum.Queries, s.sum.Answered = s.sum.Queries+uint64(l.Asked), s.sum.Answered+uint64(l.Answered)
		times = append(times, float64(l.Done)/1e6)
	}
	c.Panels[0].Lines = append(c.Panels[0].Lines, plot.Line{Name: name, Points: plot.CDF(times)})
}

func (v *simRPCVerb) chart() *plot.Chart {
	return &plot.Chart{
		Title:    fmt.Sprintf("Lookups in a network of %s dht-rpc nodes", grouped(v.nodes)),
		Subtitle: fmt.Sprintf("%s lookups of each policy; %.0f %% of the nodes have died", grouped(v.lookups), 100*v.dead),
		Panels: []plot.Panel{{
			Title: "End of the lookup", X: plot.Axis{Label: "time, ms", Log: true},
			Y: plot.Axis{Label: "lookups, %", Ticks: []float64{0, 25, 50, 75, 95, 100}},
		}},
	}
}

func newPolicyRecord(p lab.RPCPolicy, res *lab.RPCResult, i int) *policyRecord {
	s := res.Summary(i)
	return &policyRecord{
		Type: "policy", Name: p.Name, About: p.About, Nodes: res.Living, Lookups: len(res.Lookups[i]),
		Exact: rounded(s.Exact, 4), Recall: rounded(s.Recall, 4), FirstP50: millis(s.FirstP50), FirstP95: millis(s.FirstP95),
		DoneP50: millis(s.DoneP50), DoneP95: millis(s.DoneP95), Queries: rounded(s.Asked, 2), Datagrams: rounded(s.Sent, 2),
		Unanswered: rounded(s.Unanswered, 4), Failed: s.Failed,
	}
}
