package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/internal/plot"
	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
)

// simLookupVerb compares ways to look up.
type simLookupVerb struct {
	simVerb
	lookups  int
	profiles []string
	warm     bool
}

type profileRecord struct {
	Type       string  `json:"type"`
	Name       string  `json:"name"`
	About      string  `json:"about"`
	Nodes      int     `json:"nodes"` // reachable ones in this network
	Lookups    int     `json:"lookups"`
	FirstP50   millis  `json:"first_p50_ms"` // first answer of one of the 8 closest reachable nodes
	FirstP95   millis  `json:"first_p95_ms"`
	DoneP50    millis  `json:"done_p50_ms"`
	DoneP95    millis  `json:"done_p95_ms"`
	QueriesP50 int     `json:"queries_p50"`
	QueriesP95 int     `json:"queries_p95"`
	Queries    float64 `json:"queries_mean"`
	Datagrams  float64 `json:"datagrams_mean"` // queries and those sent once more
	Unanswered float64 `json:"unanswered"`     // share of the queries
	Recall     float64 `json:"recall"`         // share of the 8 closest reachable nodes found
	Missed     int     `json:"missed"`         // lookups that found none of these
	Failed     int     `json:"failed"`         // lookups that ended with an error
	Hash       string  `json:"hash"`           // of all packets and their times
}

func (a *app) simLookupCommand() *cobra.Command {
	v := &simLookupVerb{simVerb: simVerb{app: a}}
	cmd := &cobra.Command{
		Use:   "lookup [flags]",
		Short: "Compare ways to look up",
		Example: `  dhtkit sim lookup --profile all --svg lookups.svg
  dhtkit sim lookup --nodes 10000000 --dead 0.6 --profile fast,thorough
  dhtkit sim lookup --profile all --json | jq -c 'select(.type == "profile")'`,
		Long: "Looks up random ids, each from a node of its own that knows the network as one does that has been there before, and\n" +
			"prints one line for each profile, the columns named on standard error:\n\n" + lookupColumns + "\n" +
			"Profiles are ways to look up, ours and the shapes of others, all over the same routing table:\n\n" + aboutProfiles(),
		Args: v.swarmArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd) },
	}
	f := cmd.Flags()
	v.swarmFlags(f, 1_000_000)
	f.IntVar(&v.lookups, "lookups", 1000, "lookups of each profile, `N`")
	f.StringSliceVar(&v.profiles, "profile", []string{"fast", "thorough"}, "`NAMES` with commas between, or all")
	f.BoolVar(&v.warm, "warm", false, "the nodes know round trips of lookups before")
	v.commonFlags(f)
	return cmd
}

const lookupColumns = `  PROFILE                its name
  FIRST-P50 FIRST-P95    ms until one of the 8 closest reachable nodes answered: half of the lookups, 95 of 100
  DONE-P50 DONE-P95      ms until the lookup ended
  QUERIES                nodes asked, half of the lookups
  UNANSWERED             share of the queries without an answer
  RECALL                 share of the 8 closest reachable nodes that were found
  HASH                   of all packets and their times: equal for equal flags
`

func aboutProfiles() string {
	var b strings.Builder
	for _, p := range lab.Profiles {
		fmt.Fprintf(&b, "  %-12s %s\n", p.Name, p.About)
	}
	return b.String()
}

// profilesNamed returns the profiles of these names, in the order given.
func profilesNamed(names []string) (all []lab.Profile, err error) {
	if slices.Contains(names, "all") {
		return lab.Profiles, nil
	}
	for _, name := range names {
		p, ok := lab.ProfileNamed(name)
		if !ok {
			return nil, usagef("--profile %q is unknown: %s, or all", name, strings.Join(profileNames(), ", "))
		}
		if !slices.ContainsFunc(all, func(q lab.Profile) bool { return q.Name == name }) {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil, usagef("--profile names nothing: %s, or all", strings.Join(profileNames(), ", "))
	}
	return all, nil
}

func profileNames() (names []string) {
	for _, p := range lab.Profiles {
		names = append(names, p.Name)
	}
	return names
}

// Ours: more lookups than this say nothing new.
const mostLookups = 1_000_000

func checkLookups(n int) error {
	if n < 1 || n > mostLookups {
		return usagef("--lookups %d is not within 1..%d", n, mostLookups)
	}
	return nil
}

func (v *simLookupVerb) run(cmd *cobra.Command) error {
	cfg, err := v.swarm()
	profiles, unknown := profilesNamed(v.profiles)
	if err := cmp.Or(err, unknown, checkLookups(v.lookups), v.check(cmd)); err != nil {
		return err
	}
	return v.simulate(cmd, func(s *simulation) (*plot.Chart, error) { return v.work(s, cfg, profiles) })
}

func (v *simLookupVerb) work(s *simulation, cfg swarm.Config, profiles []lab.Profile) (*plot.Chart, error) {
	var at, done counter // of the profiles, and lookups of this one
	s.progress.show(func() string {
		return fmt.Sprintf("%s: %d of %d lookups", profiles[at.Load()].Name, done.Load(), v.lookups)
	})
	s.header(lookupHeader)
	net := swarm.New(cfg)
	chart := v.chart()
	for i, p := range profiles {
		at.Store(int64(i))
		done.Store(0)
		res, err := lab.RunLookups(lab.LookupRun{
			Net: net, Seed: v.seed, Lookups: v.lookups, Profile: p.Config, WarmRTTs: v.warm,
			Progress: func(n int) { done.Store(int64(n)) }, Stop: s.stop,
		})
		if err != nil {
			return chart, err
		}
		if len(res.Lookups) == 0 {
			break
		}
		s.count(res)
		r := newProfileRecord(p, &res)
		s.result(r.row(), r)
		addTimes(chart, p.Name, res.Lookups)
	}
	return chart, nil
}

// chart is the plot without lines: distributions of the times, one panel for the first close answer and one for the end.
func (v *simLookupVerb) chart() *plot.Chart {
	y := plot.Axis{Label: "lookups, %", Ticks: []float64{0, 25, 50, 75, 95, 100}}
	x := plot.Axis{Label: "time, ms", Log: true}
	return &plot.Chart{
		Title: fmt.Sprintf("Lookups in a network of %s nodes", grouped(v.nodes)),
		Subtitle: fmt.Sprintf("%s lookups of each profile; %.0f %% of the contacts in tables are gone; %s",
			grouped(v.lookups), 100*v.dead, skewText(v.skew)),
		Panels: []plot.Panel{
			{Title: "First answer of one of the 8 closest", X: x, Y: y},
			{Title: "End of the lookup", X: x, Y: y},
		},
	}
}

func skewText(skew int) string {
	if skew == 1 {
		return "no age skew"
	}
	return fmt.Sprintf("full buckets keep the oldest of %d", skew)
}

// addTimes adds the lines of a profile. Lookups that found none of the 8 have no first answer: their line ends below 100 %.
func addTimes(c *plot.Chart, name string, lookups []lab.Lookup) {
	var first, done []float64
	for _, l := range lookups {
		at := math.Inf(1)
		if l.First >= 0 {
			at = float64(l.First) / 1e6
		}
		first, done = append(first, at), append(done, float64(l.Done)/1e6)
	}
	for i, times := range [][]float64{first, done} {
		c.Panels[i].Lines = append(c.Panels[i].Lines, plot.Line{Name: name, Points: plot.CDF(times)})
	}
}

// grouped writes a number with commas: 1,000,000.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// count counts a run of lookups for the summary.
func (s *simulation) count(res lab.LookupResult) {
	s.countLookups(res.Lookups)
	s.sum.count(0, 0, res.Virtual, res.Net)
}

func (s *simulation) countLookups(lookups []lab.Lookup) {
	for _, l := range lookups {
		s.sum.Queries, s.sum.Answered = s.sum.Queries+uint64(l.Queries), s.sum.Answered+uint64(l.Answered)
	}
}

func newProfileRecord(p lab.Profile, res *lab.LookupResult) *profileRecord {
	s := res.Summary()
	return &profileRecord{
		Type: "profile", Name: p.Name, About: p.About, Nodes: res.Reachable, Lookups: len(res.Lookups),
		FirstP50: millis(s.FirstP50), FirstP95: millis(s.FirstP95), DoneP50: millis(s.DoneP50), DoneP95: millis(s.DoneP95),
		QueriesP50: s.QueriesP50, QueriesP95: s.QueriesP95, Queries: rounded(s.QueriesMean, 2), Datagrams: rounded(s.Sent, 2),
		Unanswered: rounded(s.Unanswered, 4), Recall: rounded(s.Recall, 4), Missed: s.Missed, Failed: s.Failed, Hash: hashText(res.Hash),
	}
}

// rounded keeps some decimals of a number.
func rounded(x float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(x*scale) / scale
}

func hashText(hash uint64) string { return fmt.Sprintf("%016x", hash) }

const lookupHeader = "PROFILE      FIRST-P50 FIRST-P95  DONE-P50  DONE-P95   QUERIES UNANSWERED    RECALL HASH"

func (r *profileRecord) row() string {
	return fmt.Sprintf("%-12s %9d %9d %9d %9d %9d %10.3f %9.3f %s",
		r.Name, wholeMillis(r.FirstP50), wholeMillis(r.FirstP95), wholeMillis(r.DoneP50), wholeMillis(r.DoneP95), r.QueriesP50, r.Unanswered, r.Recall, r.Hash)
}

func wholeMillis(m millis) int64 { return time.Duration(m).Round(time.Millisecond).Milliseconds() }
