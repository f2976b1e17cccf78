package main

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/internal/plot"
	"github.com/dhtkit/dhtkit/internal/simnet/lab"
)

// simChurnVerb lets full nodes live together.
type simChurnVerb struct {
	simVerb
	hours    float64
	boot     time.Duration
	every    time.Duration
	returned float64
	nat      float64
	probes   int
	profile  string
	calm     bool
}

type (
	// fleetPoint is the state of the network after an interval, and what happened in it.
	fleetPoint struct {
		Type      string   `json:"type"`
		Minute    float64  `json:"minute"` // virtual
		Nodes     int      `json:"nodes"`
		Table     float64  `json:"table"`     // nodes in a table, on average
		Live      float64  `json:"live"`      // share of these that are there, under that id
		Datagrams float64  `json:"datagrams"` // sent by a node in a minute, on average
		Joined    int      `json:"joined"`    // since the beginning
		Left      int      `json:"left"`      // likewise
		Lookups   int      `json:"lookups"`   // that ended in the interval; what follows is of these
		DoneP50   *millis  `json:"done_p50_ms,omitempty"`
		Recall    *float64 `json:"recall,omitempty"`
	}

	fleetRecord struct {
		Type       string  `json:"type"`
		Nodes      int     `json:"nodes"`
		Boot       seconds `json:"boot_seconds"`        // wall time of the boot
		PerMinute  seconds `json:"seconds_per_minute"`  // wall time of a virtual minute after it
		PacketCost float64 `json:"packet_microseconds"` // wall time
		Bytes      int     `json:"bytes_per_node"`      // of heap
		Hash       string  `json:"hash"`
	}
)

func (r *fleetRecord) line() string {
	return fmt.Sprintf("%d nodes: %.3f s for a virtual minute, %.1f µs for a datagram, %d bytes a node, hash %s",
		r.Nodes, time.Duration(r.PerMinute).Seconds(), r.PacketCost, r.Bytes, r.Hash)
}

func (a *app) simChurnCommand() *cobra.Command {
	v := &simChurnVerb{simVerb: simVerb{app: a}}
	cmd := &cobra.Command{
		Use:   "churn [flags]",
		Short: "Let full nodes live together for virtual hours",
		Example: `  dhtkit sim churn --nodes 1000 --hours 6 --svg churn.svg
  dhtkit sim churn --nodes 10000 --hours 1 --calm`,
		Long: `Runs full nodes, of the code that "dhtkit node" runs. They join one after the other, keep their tables, answer each other,
leave without a word after sessions as long as those measured in the BitTorrent DHT, and others come in their place.
Some of them look up random ids. Prints one line for each interval, the columns named on standard error:

` + churnColumns,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	v.nodesFlag(f, 1000)
	f.Float64Var(&v.hours, "hours", 2, "virtual `HOURS` after the boot")
	f.DurationVar(&v.boot, "boot", 10*time.Minute, "virtual time in which the nodes join")
	f.DurationVar(&v.every, "every", 10*time.Minute, "virtual time between two lines, in minutes")
	f.Float64Var(&v.returned, "return", 0.3, "`SHARE` of the nodes that come back half an hour later, under their old id")
	f.Float64Var(&v.nat, "nat", 0, "`SHARE` of the nodes behind a NAT that lets only answers in")
	f.BoolVar(&v.calm, "calm", false, "nobody leaves")
	f.IntVar(&v.probes, "probes", 10, "lookups in a virtual minute, `N`")
	f.StringVar(&v.profile, "profile", "fast", "of these, `NAME` (see sim lookup --help)")
	v.commonFlags(f)
	return cmd
}

const churnColumns = `  MINUTE     virtual
  NODES      that are there
  TABLE      nodes in a table, on average
  LIVE       share of these that are there
  DATAGRAMS  sent by a node in a minute
  JOINED     nodes that came since the beginning
  LEFT       nodes that went
  DONE-P50   ms until a lookup ended: half of those of the interval; - if there was none
  RECALL     share of the 8 closest open nodes that were found
`

const churnHeader = "MINUTE    NODES     TABLE   LIVE DATAGRAMS   JOINED     LEFT  DONE-P50    RECALL"

func (p *fleetPoint) row() string {
	done, recall := "-", "-"
	if p.Lookups > 0 {
		done, recall = fmt.Sprint(wholeMillis(*p.DoneP50)), fmt.Sprintf("%.3f", *p.Recall)
	}
	return fmt.Sprintf("%6.0f %8d %9.1f %6.3f %9.1f %8d %8d %9s %9s",
		p.Minute, p.Nodes, p.Table, p.Live, p.Datagrams, p.Joined, p.Left, done, recall)
}

// Ours: full nodes take tens of kilobytes each, and time.
const (
	mostFullNodes = 1_000_000
	mostHours     = 24 * 365
	mostProbes    = 100_000
)

func (v *simChurnVerb) run(cmd *cobra.Command) error {
	profiles, unknown := profilesNamed([]string{v.profile})
	if unknown == nil && len(profiles) > 1 {
		unknown = usagef("--profile all: churn has one at a time, name it")
	}
	if err := cmp.Or(checkNodes(v.nodes, mostFullNodes), unknown, v.checkTimes(), v.checkShares(), v.check(cmd)); err != nil {
		return err
	}
	return v.simulate(cmd, func(s *simulation) (*plot.Chart, error) { return v.work(s, profiles[0]) })
}

func (v *simChurnVerb) checkTimes() error {
	switch {
	case math.IsNaN(v.hours) || v.hours < 0 || v.hours > mostHours:
		return usagef("--hours %v is not within 0..%d", v.hours, mostHours)
	case v.boot < time.Minute || v.boot > 24*time.Hour:
		return usagef("--boot %v is not within 1m..24h", v.boot)
	case v.every < time.Minute || v.every%time.Minute != 0:
		return usagef("--every %v is no number of whole minutes: 10m for instance", v.every)
	case v.probes < 0 || v.probes > mostProbes:
		return usagef("--probes %d is not within 0..%d lookups a minute", v.probes, mostProbes)
	}
	return nil
}

func (v *simChurnVerb) checkShares() error {
	switch {
	case math.IsNaN(v.returned) || v.returned < 0 || v.returned > 1:
		return usagef("--return %v is not a share from 0 to 1", v.returned)
	case math.IsNaN(v.nat) || v.nat < 0 || v.nat >= 1:
		return usagef("--nat %v is not a share from 0 to below 1: somebody has to be open to all", v.nat)
	}
	return nil
}

func (v *simChurnVerb) work(s *simulation, profile lab.Profile) (*plot.Chart, error) {
	var minute counter
	lasts := v.boot + time.Duration(v.hours*float64(time.Hour))
	s.progress.show(func() string {
		return fmt.Sprintf("minute %d of %.0f, %.2f s for each", minute.Load(), lasts.Minutes(), time.Since(s.began).Seconds()/max(float64(minute.Load()), 1))
	})
	s.header(churnHeader)
	chart := v.chart()
	interval := new(interval)
	res, err := lab.RunFleet(lab.FleetRun{
		Nodes: v.nodes, Seed: v.seed, Boot: v.boot, For: lasts - v.boot, Churn: !v.calm, Return: v.returned,
		Restricted: v.nat, Probes: v.probes, Profile: profile.Config, Stop: s.stop,
		Minute: func(p lab.FleetPoint) {
			minute.Add(1)
			interval.add(p)
			if p.At%v.every == 0 || p.At == lasts {
				point := interval.end()
				s.result(point.row(), point)
				addPoint(chart, point)
			}
		},
	})
	if err != nil {
		return chart, err
	}
	v.report(s, res)
	return chart, nil
}

// report prints what the run cost.
func (v *simChurnVerb) report(s *simulation, res lab.FleetResult) {
	s.countLookups(res.Lookups().Lookups)
	var virtual time.Duration
	if n := len(res.Points); n > 0 {
		virtual = res.Points[n-1].At
	}
	s.sum.count(0, 0, virtual, res.Net)
	r := &fleetRecord{
		Type: "fleet", Nodes: v.nodes, Boot: seconds(res.Boot), PerMinute: seconds(res.PerMinute),
		PacketCost: rounded(float64(res.PacketCost)/1e3, 3), Bytes: int(res.BytesPerNode), Hash: hashText(res.Hash),
	}
	s.result("", r)
	s.header(r.line())
}

// interval adds up the minutes between two lines.
type interval struct {
	last    lab.FleetPoint
	sent    float64 // by a node, sum over the minutes
	minutes float64
	lookups []lab.Lookup
}

func (i *interval) add(p lab.FleetPoint) {
	i.minutes += (p.At - i.last.At).Minutes()
	i.last, i.sent = p, i.sent+p.Sent
	i.lookups = append(i.lookups, p.Lookups...)
}

// end returns the point of the interval, and begins the next one.
func (i *interval) end() *fleetPoint {
	p := &fleetPoint{
		Type: "point", Minute: rounded(i.last.At.Minutes(), 3), Nodes: i.last.Nodes, Table: rounded(i.last.Table, 2),
		Live: rounded(1-i.last.Gone, 4), Datagrams: rounded(i.sent/max(i.minutes, 1e-9), 2),
		Joined: i.last.Joined, Left: i.last.Left, Lookups: len(i.lookups),
	}
	if len(i.lookups) > 0 {
		sum := (&lab.LookupResult{Lookups: i.lookups}).Summary()
		p.DoneP50, p.Recall = new(millis(sum.DoneP50)), new(rounded(sum.Recall, 4))
	}
	*i = interval{last: i.last}
	return p
}

// chart is the plot without points.
func (v *simChurnVerb) chart() *plot.Chart {
	x := plot.Axis{Label: "virtual hours", Zero: true}
	churn := fmt.Sprintf("others come for those that leave, %.0f %% of these return", 100*v.returned)
	if v.calm {
		churn = "nobody leaves"
	}
	return &plot.Chart{
		Title:    fmt.Sprintf("%s full nodes", grouped(v.nodes)),
		Subtitle: fmt.Sprintf("They join within %.0f minutes; %s", v.boot.Minutes(), churn),
		Panels: []plot.Panel{
			{Title: "Nodes in a table", X: x, Y: plot.Axis{Label: "nodes, on average", Zero: true}, Lines: make([]plot.Line, 1)},
			{Title: "Contacts that are there", X: x, Y: plot.Axis{Label: "% of those in tables", Ticks: []float64{0, 20, 40, 60, 80, 100}}, Lines: make([]plot.Line, 1)},
			{Title: "Traffic", X: x, Y: plot.Axis{Label: "datagrams of a node in a minute", Zero: true}, Lines: make([]plot.Line, 1)},
		},
	}
}

func addPoint(c *plot.Chart, p *fleetPoint) {
	for i, y := range []float64{p.Table, 100 * p.Live, p.Datagrams} {
		line := &c.Panels[i].Lines[0]
		line.Points = append(line.Points, plot.Point{X: p.Minute / 60, Y: y})
	}
}
