package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is what all verbs share.
type app struct {
	stdin    io.Reader
	console  *console
	progress *progress // of the run
	flags    *flags
	groups   []group // of the flags, for the help
}

// flags are the global ones, and those that several verbs share.
type flags struct {
	bootstrap    []string
	public       bool
	listen       []string
	allowPrivate bool
	state        string
	v4, v6       bool

	timeout  time.Duration
	deadline time.Duration
	rate     float64
	max      int

	progress string

	local    int
	localSet bool
}

// group is a set of flags under one heading of the help.
type group struct {
	title string
	set   *pflag.FlagSet
}

// run is the whole command: it returns the exit code. The end of ctx is what the first interrupt is.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer recovered(stderr, &code)
	a := &app{stdin: stdin, console: newConsole(stdout, stderr), flags: new(flags)}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return report(stderr, root.ExecuteContext(ctx))
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "dhtkit VERB [flags] [arguments]",
		Short: "Work with the BitTorrent DHT and networks like it",
		Example: `  dhtkit crawl --local 1000                  # every node of a network started for it, on loopback
  dhtkit peers --public HASH                 # who has this torrent, on the real network
  dhtkit ping 127.0.0.1:6881                 # is this node there, and who is it`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.prepare,
		RunE:              a.noVerb,
	}
	a.addGroups(root)
	root.AddCommand(
		a.peersCommand(), a.announceCommand(), a.scrapeCommand(), a.getCommand(), a.putCommand(), a.sampleCommand(), a.findCommand(), a.pingCommand(),
		a.queryCommand(), a.crawlCommand(), a.sizeCommand(), a.nodeCommand(), a.doctorCommand(), a.rpcCommand(), a.simCommand(), a.versionCommand(),
	)
	root.AddCommand(topics()...)
	root.SetHelpCommand(helpCommand())
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.help(cmd.OutOrStdout(), cmd) })
	root.SetUsageFunc(func(cmd *cobra.Command) error { a.help(cmd.OutOrStderr(), cmd); return nil })
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v (see %s --help)", err, cmd.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = false
	return root
}

// addGroups declares the global flags.
func (a *app) addGroups(root *cobra.Command) {
	f, c := a.flags, a.console
	network := a.group("Network")
	network.StringSliceVar(&f.bootstrap, "bootstrap", nil, "work on the network of these nodes, `HOST:PORT`s with commas between")
	network.BoolVar(&f.public, "public", false, "work on the public BitTorrent DHT")
	network.StringSliceVar(&f.listen, "listen", nil, "own UDP socket, `HOST:PORT` (default any free port); several with commas between")
	network.BoolVar(&f.allowPrivate, "allow-private", false, "talk to loopback and private addresses; implied if all named ones are")
	network.StringVar(&f.state, "state", "", "keep ids and contacts in `DIR`: the next run needs no bootstrap node")
	network.BoolVarP(&f.v4, "ipv4", "4", false, "use IPv4; with -6 both networks side by side")
	network.BoolVarP(&f.v6, "ipv6", "6", false, "use IPv6")

	limits := a.group("Limits")
	limits.DurationVar(&f.timeout, "timeout", 0, "a silent node has failed after this (default 4s)")
	limits.DurationVar(&f.deadline, "deadline", 0, "end the run after this, with what there is")
	limits.Float64Var(&f.rate, "rate", 0, "queries per second, `PPS` (default 100 on a public network, else no limit)")
	limits.IntVar(&f.max, "max", 0, "results wanted, `N` (for each hash or id); 0: all")

	out := a.group("Output")
	out.BoolVar(&c.json, "json", false, "one JSON object a line, a summary last (see help records)")
	out.BoolVarP(&c.quiet, "quiet", "q", false, "nothing on standard error but errors")
	out.CountVarP(&c.verbose, "verbose", "v", "say more on standard error; twice: log everything")
	out.StringVar(&f.progress, "progress", "auto", "show progress on standard error, `WHEN`: auto, always or never")
	for _, g := range a.groups {
		root.PersistentFlags().AddFlagSet(g.set)
	}
}

func (a *app) group(title string) *pflag.FlagSet {
	set := pflag.NewFlagSet(title, pflag.ContinueOnError)
	set.SortFlags = false
	a.groups = append(a.groups, group{title, set})
	return set
}

// localFlag declares --local for a verb that can work on an embedded network.
func (a *app) localFlag(cmd *cobra.Command) {
	cmd.Flags().IntVar(&a.flags.local, "local", 0, "start a network of `N` real nodes on loopback and work on that")
}

// prepare runs before every verb: what was not given on the command line may be in the environment.
func (a *app) prepare(cmd *cobra.Command, _ []string) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := envName(f.Name)
		value, set := os.LookupEnv(name)
		if !set || value == "" || f.Changed || err != nil || f.Name == "help" {
			return
		}
		if e := cmd.Flags().Set(f.Name, value); e != nil {
			err = usagef("environment variable %s: %v", name, e)
		}
	})
	a.flags.localSet = cmd.Flags().Changed("local")
	return err
}

// envName is the environment variable of a flag.
func envName(flag string) string {
	return "DHTKIT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// noVerb is what happens without a verb: a short help, and it is an error.
func (a *app) noVerb(cmd *cobra.Command, _ []string) error {
	a.shortHelp(cmd.ErrOrStderr(), cmd)
	return ended(exitUsage)
}

// arguments checks how many arguments there are; what names them for the message.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s needs %s (see %s --help)", cmd.Name(), what, cmd.CommandPath())
		case most >= 0 && len(args) > most:
			return usagef("%s takes only %s: %q is too much", cmd.Name(), what, args[most])
		}
		return nil
	}
}

// versionCommand prints the version.
func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  dhtkit version",
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			a.console.result(fmt.Sprintf("dhtkit %s %s", version(), platform()), struct {
				Type     string `json:"type"`
				Version  string `json:"version"`
				Schema   int    `json:"schema"`
				Platform string `json:"platform"`
			}{"version", version(), schema, platform()})
			return nil
		},
	}
}
