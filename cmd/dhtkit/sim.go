package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dhtkit/dhtkit/internal/plot"
	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
)

// simVerb is what the verbs under sim share: the network they simulate, and the frame of a run.
type simVerb struct {
	*app
	nodes int
	dead  float64
	skew  int
	seed  uint64
	svg   svgFile
}

type (
	simStartRecord struct {
		Type    string         `json:"type"`
		Schema  int            `json:"schema"`
		Version string         `json:"version"`
		Verb    string         `json:"verb"`
		Time    stamp          `json:"time"`
		Network string         `json:"network"` // simulated
		Seed    uint64         `json:"seed"`
		Options map[string]any `json:"options"` // as they take effect, by the names of the flags
	}

	simSummary struct {
		Type    string `json:"type"`
		Results int    `json:"results"` // objects before this one, start aside
		totals
		Datagrams uint64  `json:"datagrams"`       // sent by all nodes
		Virtual   seconds `json:"virtual_seconds"` // simulated, of all runs
		SVG       string  `json:"svg,omitempty"`
	}
)

func (s *simSummary) line() string {
	text := fmt.Sprintf("%s, %d datagrams, %v virtual in %.1f s", queriesText(s.Queries, s.Answered), s.Datagrams,
		time.Duration(s.Virtual).Round(time.Second), float64(s.Seconds)/1e9)
	if s.SVG != "" {
		text += ", plot in " + s.SVG
	}
	if s.Stopped != "" {
		text += ", stopped early: " + s.Stopped
	}
	return text
}

// count adds what a simulated network did.
func (s *simSummary) count(queries, answered uint64, virtual time.Duration, net sim.Stats) {
	s.Queries, s.Answered, s.Datagrams = s.Queries+queries, s.Answered+answered, s.Datagrams+net.Sent
	s.Virtual += seconds(virtual)
	if s.Losses == nil {
		s.Losses = map[string]uint64{}
	}
	for _, loss := range []struct {
		name  string
		count uint64
	}{{"lost", net.Lost}, {"refused", net.Refused}, {"nobody", net.Nobody}, {"too-long", net.TooLong}} {
		if loss.count > 0 {
			s.Losses[loss.name] += loss.count
		}
	}
}

func (a *app) simCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim VERB [flags]",
		Short: "Simulate a network of any size",
		Example: `  dhtkit sim lookup --profile all                 # ways to look up compared, in a network of a million nodes
  dhtkit sim crawl --nodes 1000000 --svg crawl.svg
  dhtkit sim size --dead 0.6
  dhtkit sim growth
  dhtkit sim churn --nodes 1000 --hours 6
  dhtkit sim rpc --dead 0.2                       # lookups in a network of dht-rpc`,
		Long: `Runs this program's lookups, crawls and nodes in a simulated network: no packet leaves the process, time is virtual, and
equal seeds give equal results, down to the hash of all packets.

The network is made of five regions of the world with the round trips between them, 1 % loss each way, 5 % slow nodes, and
routing tables of which a share (--dead) answers no more.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("sim %q is unknown: %s (see dhtkit sim --help)", args[0], strings.Join(verbsOf(cmd), ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.shortHelp(cmd.ErrOrStderr(), cmd)
			return ended(exitUsage)
		},
	}
	cmd.AddCommand(a.simLookupCommand(), a.simCrawlCommand(), a.simSizeCommand(), a.simGrowthCommand(), a.simChurnCommand(), a.simRPCCommand())
	return cmd
}

func verbsOf(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			names = append(names, c.Name())
		}
	}
	return names
}

// swarmFlags declares the flags of a procedural network.
func (v *simVerb) swarmFlags(f *pflag.FlagSet, nodes int) {
	f.SortFlags = false
	v.nodesFlag(f, nodes)
	f.Float64Var(&v.dead, "dead", 0.4, "share of the contacts in tables that are gone, `SHARE`")
	f.IntVar(&v.skew, "skew", 1, "age skew: full buckets keep the oldest of `N` nodes, so that young ones are little known; alone: 4")
	f.Lookup("skew").NoOptDefVal = "4"
}

func (v *simVerb) nodesFlag(f *pflag.FlagSet, nodes int) {
	f.IntVar(&v.nodes, "nodes", nodes, "reachable nodes, `N`")
}

// commonFlags declares what every verb under sim has.
func (v *simVerb) commonFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.Uint64Var(&v.seed, "seed", 1, "of all that is random, `S`")
	f.StringVar(&v.svg.name, "svg", "", "draw the result into `FILE`")
	f.BoolVar(&v.svg.force, "force", false, "overwrite that file")
}

// Bounds of a simulated network: lookups need a closest set, and ids of 8 bytes a node need memory.
const (
	leastNodes = 8
	mostNodes  = 50_000_000
	mostSkew   = 64
)

// swarm checks the flags of a procedural network and returns it.
func (v *simVerb) swarm() (swarm.Config, error) {
	switch {
	case math.IsNaN(v.dead) || v.dead < 0 || v.dead >= 1:
		return swarm.Config{}, usagef("--dead %v is not a share: from 0 to below 1, 0.4 is usual", v.dead)
	case v.dead > 0.95:
		return swarm.Config{}, usagef("--dead %v leaves no network: at most 0.95", v.dead)
	case v.skew < 1 || v.skew > mostSkew:
		return swarm.Config{}, usagef("--skew %d is not within 1..%d: 1 means no age skew", v.skew, mostSkew)
	}
	cfg := swarm.Config{Seed: v.seed, Nodes: v.nodes, Dead: v.dead, Skew: v.skew}
	if v.dead == 0 {
		cfg.Dead = -1
	}
	return cfg, checkNodes(v.nodes, mostNodes)
}

func checkNodes(n, most int) error {
	if n < leastNodes || n > most {
		return usagef("--nodes %d is not within %d..%d: a lookup is for the %d closest", n, leastNodes, most, leastNodes)
	}
	return nil
}

// swarmArgs takes no arguments, but for the N of "--skew N": a flag that may stand alone takes only --skew=N.
func (v *simVerb) swarmArgs(cmd *cobra.Command, args []string) error {
	if skew := cmd.Flags().Lookup("skew"); len(args) == 1 && skew.Changed && skew.Value.String() == skew.NoOptDefVal {
		if n, err := strconv.Atoi(args[0]); err == nil {
			v.skew = n
			return nil
		}
	}
	return arguments(0, 0, "no arguments")(cmd, args)
}

// ofNetworks are the global flags that mean nothing where no packet leaves the process.
var ofNetworks = []string{"bootstrap", "public", "listen", "allow-private", "ipv4", "ipv6", "timeout", "rate", "max"}

// simulates reports whether a verb is one of sim, or sim itself.
func simulates(cmd *cobra.Command) bool {
	for ; cmd != nil; cmd = cmd.Parent() {
		if cmd.Name() == "sim" {
			return true
		}
	}
	return false
}

// check finds what cannot work, whatever is simulated.
func (v *simVerb) check(cmd *cobra.Command) error {
	for _, name := range ofNetworks {
		if _, env := os.LookupEnv(envName(name)); cmd.Flags().Changed(name) && !env {
			return usagef("--%s is for real networks: sim sends nothing, leave it out (see %s --help)", name, cmd.CommandPath())
		}
	}
	return v.flags.check()
}

// simulation is the frame of one run: the start record is out, and a summary will be the last thing printed.
type simulation struct {
	*simVerb
	began time.Time
	stop  func() bool // whether the run shall end early
	sum   simSummary
}

// result prints one result.
func (s *simulation) result(text string, record any) {
	s.sum.Results++
	s.console.result(text, record)
}

// header names the columns of what follows, where results are for people.
func (s *simulation) header(text string) {
	if !s.console.json {
		s.console.note("%s", text)
	}
}

// simulate runs a verb from its checked flags to the exit code. work stops early when stop says so.
func (v *simVerb) simulate(cmd *cobra.Command, work func(*simulation) (*plot.Chart, error)) (err error) {
	if err := v.svg.open(); err != nil {
		return err
	}
	ctx, cancel := v.limited(cmd.Context())
	defer cancel(nil)
	v.progress = newProgress(v.console, v.flags.progress)
	defer v.progress.stop()
	name := strings.TrimPrefix(cmd.CommandPath(), "dhtkit ")
	v.console.result("", &simStartRecord{
		Type: "start", Schema: schema, Version: version(), Verb: name, Time: now(), Network: "simulated", Seed: v.seed,
		Options: optionValues(cmd),
	})
	defer context.AfterFunc(ctx, func() { v.console.note("dhtkit: %v: finishing, once more to quit at once", context.Cause(ctx)) })()

	s := &simulation{simVerb: v, began: time.Now(), stop: func() bool { return ctx.Err() != nil }, sum: simSummary{Type: "summary"}}
	chart, err := work(s)
	err = cmp.Or(err, s.draw(chart, cmd))
	s.summarise(ctx)
	return s.verdict(ctx, err)
}

// optionValues returns the flags with the values they have.
func optionValues(cmd *cobra.Command) map[string]any {
	options := make(map[string]any)
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if slices.Contains([]string{"help", "seed", "svg", "force"}, f.Name) {
			return
		}
		switch value := f.Value.(type) {
		case pflag.SliceValue:
			options[f.Name] = value.GetSlice()
		default:
			options[f.Name] = typed(f)
		}
	})
	return options
}

// typed returns a flag's value as JSON has it: numbers and truths as such.
func typed(f *pflag.Flag) any {
	switch text := f.Value.String(); f.Value.Type() {
	case "int", "uint64", "float64", "bool":
		return json.RawMessage(text)
	default:
		return text
	}
}

// draw writes the plot, if one was asked for and there is something to draw.
func (s *simulation) draw(c *plot.Chart, cmd *cobra.Command) error {
	if c == nil {
		c = new(plot.Chart)
	}
	c.Footer = commandLine(cmd)
	written, err := s.svg.write(c)
	if written {
		s.sum.SVG = s.svg.name
	}
	if err != nil {
		return fmt.Errorf("--svg %s: %w", s.svg.name, err)
	}
	return nil
}

// commandLine is the command that gives the same result again.
func commandLine(cmd *cobra.Command) string {
	line := cmd.CommandPath()
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if slices.Contains([]string{"svg", "force"}, f.Name) || !f.Changed {
			return
		}
		line += " --" + f.Name + "=" + strings.Trim(f.Value.String(), "[]")
	})
	return line
}

func (s *simulation) summarise(ctx context.Context) {
	s.sum.Seconds, s.sum.Stopped = seconds(time.Since(s.began)), stopReason(ctx)
	if s.sum.Losses == nil {
		s.sum.Losses = map[string]uint64{}
	}
	s.console.result("", &s.sum)
	if !s.console.json {
		s.console.note("%s", s.sum.line())
	}
}

func (s *simulation) verdict(ctx context.Context, err error) error {
	_, decided := errors.AsType[*exitError](err)
	switch broken := s.console.failed(); {
	case broken != nil:
		return &exitError{exitInternal, "results cannot be written: " + broken.Error()}
	case decided:
		return err
	case err != nil:
		return &exitError{exitInternal, err.Error()}
	case ctx.Err() != nil:
		return ended(exitStopped)
	}
	return nil
}
