package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// help prints everything about a verb: examples first, then what it does, then the flags in groups.
func (a *app) help(w io.Writer, cmd *cobra.Command) {
	if cmd.IsAdditionalHelpTopicCommand() {
		fmt.Fprintln(w, strings.TrimSpace(cmd.Long))
		return
	}
	cmd.InitDefaultHelpFlag()
	if cmd.Example != "" {
		fmt.Fprintf(w, "Examples:\n%s\n\n", cmd.Example)
	}
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(w, "%s\n\nUsage:\n  %s\n", strings.TrimSpace(text), cmd.UseLine())
	listVerbs(w, cmd)
	if own := cmd.LocalNonPersistentFlags(); own.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", own.FlagUsages())
	}
	for _, g := range a.groups {
		if text := g.usages(cmd); text != "" {
			fmt.Fprintf(w, "\n%s:\n%s", g.title, text)
		}
	}
}

// usages describes the flags of a group that mean something to a verb.
func (g group) usages(cmd *cobra.Command) string {
	if !simulates(cmd) {
		return g.set.FlagUsages()
	}
	some := pflag.NewFlagSet(g.title, pflag.ContinueOnError)
	some.SortFlags = false
	g.set.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(ofNetworks, f.Name) {
			some.AddFlag(f)
		}
	})
	return some.FlagUsages()
}

// shortHelp names the verbs, and where to read on.
func (a *app) shortHelp(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "%s.\n\nUsage:\n  %s\n", cmd.Short, cmd.UseLine())
	listVerbs(w, cmd)
	first, _, _ := strings.Cut(cmd.Example, "#")
	fmt.Fprintf(w, "\nTry this first:\n  %s\n", strings.TrimSpace(first))
}

func listVerbs(w io.Writer, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	fmt.Fprint(w, "\nVerbs (dhtkit VERB --help says more):\n")
	list(w, cmd, func(c *cobra.Command) bool { return c.IsAvailableCommand() || c.Name() == "help" })
	if cmd.HasHelpSubCommands() {
		fmt.Fprint(w, "\nTopics (dhtkit help TOPIC):\n")
		list(w, cmd, (*cobra.Command).IsAdditionalHelpTopicCommand)
	}
}

func list(w io.Writer, cmd *cobra.Command, which func(*cobra.Command) bool) {
	for _, c := range cmd.Commands() {
		if which(c) {
			fmt.Fprintf(w, "  %-12s %s\n", c.Name(), c.Short)
		}
	}
}

// helpCommand is "dhtkit help [VERB|TOPIC]". An unknown one is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB|TOPIC]",
		Short: "Explain a verb or a topic",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("no verb or topic %q (dhtkit --help lists them)", strings.Join(args, " "))
			}
			return about.Help()
		},
	}
}

// topics are helps about what concerns several verbs.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "How a run may end", Long: exitCodesHelp},
		{Use: "environment", Short: "Flags from environment variables", Long: environmentHelp},
		{Use: "records", Short: "The objects of --json", Long: recordsHelp},
		{Use: "politeness", Short: "How to use the public network", Long: politenessHelp},
	}
}

const exitCodesHelp = `
   0  found: there is at least one result
   1  the network answered, and has nothing of the kind
   2  the command line or the configuration cannot work: the message names what and the remedy
   3  no node answered: the message names the addresses that were tried and what became of the packets
   4  stopped early by an interrupt, --deadline, --max-nodes or --max-time: what was printed is valid
  70  an error of dhtkit itself, or results could not be written
 130  the second interrupt (143: termination) quits at once

The first interrupt or termination stops the asking, waits for answers in flight and prints the summary. Two verbs go on
until they are interrupted, and an interrupt is their normal end: node ends with 0, announce between two rounds with 0
or 1. Having reached --max or --first is what was asked for: 0.
`

const environmentHelp = `
Every flag can be given as an environment variable: DHTKIT_ and the flag's long name in capitals, with _ for -. The
command line wins.

  DHTKIT_BOOTSTRAP=192.0.2.7:6881,192.0.2.8:6881
  DHTKIT_ALLOW_PRIVATE=true
  DHTKIT_TIMEOUT=2s

TERM=dumb: progress is not redrawn.
`

const recordsHelp = `
With --json standard output has one object a line. "type" is the first field of each. Fields are added as time goes by,
never renamed within a schema number.

  start    first: schema, version, verb, our addr and id, network (local, bootstrap, public, none), limits; of sim the
           network is simulated, with seed and options
  peer     info_hash, addr
  scrape   info_hash, seeds and peers (estimated; null: too many to count), nodes that answered with filters, values: nodes that
           named peers instead
  stored   info_hash or target, and id and addr of a node that stored the announcement or the value
  item     what put stores: target; key, salt, seq if it is signed
  value    what get found: target, value (text as it is, other bytes as "hex:…"), bencode (in hex); key, salt, seq, sig if signed.
           Of rpc get: kind, target, value, name, owner, seq, ttl_s
  sample   of one node: id, addr, hashes, num (that it stores), interval_s, supported, contacts (id, addr)
  node     id, addr, version of its client, rtt_ms; target if it was looked for
  pong     addr, id, version, rtt_ms, own (our address as the node sees it)
  reply    addr, method, message (text as it is, other bytes as "hex:…"), raw (the datagram in hex)
  hop      a step of find --trace: event (ask, answer, late, failed), addr, id, from, bits in common with the target
  set      what rpc set stored: kind (hash, owned, name), target, name, owner, nodes that hold it
  status   of rpc status: addr, id, persistent, rtt_ms, own, names
  check    of doctor: check, about, result (ok, warning, fail, unknown), detail, remedy
  loss     a node that was asked directly and gave no good answer: addr, outcome
  profile  a way to look up and what it costs (sim lookup): times, queries, recall; hash of all packets
  growth   likewise in a network of one size (sim growth), queries_per_doubling since the size before
  point    of a curve: coverage over queries (sim crawl), state of the network after an interval (sim churn)
  policy   figures of a way to look up (sim rpc)
  network  what the nodes of a simulated network cost, and how stale their tables are (sim rpc)
  crawl    what a simulated crawl came to: coverage, queries_per_node
  estimate how many nodes there are, after each lookup (size, sim size): nodes, low, high (95 %), method
  size     what a simulated estimate came to: reachable (the truth), error, covered
  fleet    what simulated full nodes cost: seconds_per_minute (virtual), bytes_per_node
  summary  last, also after an interrupt: results, queries, answered, seconds, losses by reason; stopped says why it
           ended early (signal, deadline, limit)

outcome is one of ok, timeout, krpc-error, bad-reply, id-mismatch, filtered, send-error. Ids are hex, addresses
HOST:PORT, times UTC with milliseconds, durations milliseconds.
`

const politenessHelp = `
The public DHT is run by the people who use it.

  * Nothing leaves this machine until --public or --bootstrap says so.
  * --rate bounds the queries per second; 100 is the default where strangers answer. Home routers often suffer from the
    number of addresses rather than from bytes: lower it if yours does.
  * Verbs other than node call themselves read-only (BEP 43), so that nobody keeps them in a table.
  * Packets never go to loopback, private, link-local, multicast or broadcast addresses that strangers name.
  * A silent node is asked once by a lookup and twice by a crawl.
  * If you look things up all day keep a node running instead of starting dhtkit each time: bootstrap servers are few.
`
