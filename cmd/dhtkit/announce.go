package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// Nodes forget an announcement after a while, many after 30 minutes.
const announceEvery = 15 * time.Minute

// announceVerb tells the network that this host has a torrent.
type announceVerb struct {
	*app
	once    bool
	implied bool
	seed    bool
	every   time.Duration

	hash krpc.ID
	port uint16
}

type announceSummary struct {
	Type   string `json:"type"`
	Stored int    `json:"stored"` // announcements taken, in all rounds
	Rounds int    `json:"rounds"`
	totals
}

func (s *announceSummary) line() string {
	return fmt.Sprintf("nodes that stored it: %d, rounds: %d; %s", s.Stored, s.Rounds, s.tail())
}

func (a *app) announceCommand() *cobra.Command {
	v := &announceVerb{app: a}
	cmd := &cobra.Command{
		Use:   "announce HASH PORT [flags]",
		Short: "Announce that this host has a torrent",
		Example: `  dhtkit announce --public 2c6b6858d61da9543d4231a71db4b1c9264b0685 6881
  dhtkit announce --bootstrap 192.0.2.7:6881 --once 2c6b6858d61da9543d4231a71db4b1c9264b0685 6881`,
		Long: `Announces that this host has the torrent, its BitTorrent client listening at PORT, and prints each node that stored it,
one IP:PORT a line. It does so again every 15 minutes until interrupted, since nodes forget; --once does it once.`,
		Args: arguments(1, 2, "an info hash and a port"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	a.localFlag(cmd)
	cmd.Flags().BoolVar(&v.once, "once", false, "announce once, do not repeat")
	cmd.Flags().DurationVar(&v.every, "every", announceEvery, "time between two announcements")
	cmd.Flags().BoolVar(&v.implied, "implied", false, "the port is the one our datagrams come from, as others see it; PORT may be left out")
	cmd.Flags().BoolVar(&v.seed, "seed", false, "the torrent is complete here")
	return cmd
}

func (v *announceVerb) run(ctx context.Context, args []string) error {
	ids, err := hashes([]word{{text: args[0]}}, anInfoHash)
	if err != nil {
		return err
	}
	v.hash = ids[0]
	switch {
	case len(args) == 2:
		if v.port, err = parsePort(args[1]); err != nil {
			return usagef("%v", err)
		}
	case !v.implied:
		return usagef("announce needs an info hash and a port (or --implied for the port of our own socket)")
	}
	if v.every <= 0 {
		return usagef("--every %v is not above zero", v.every)
	}
	sum := &announceSummary{Type: "summary"}
	return v.serve(ctx, need{verb: "announce", upkeep: true}, sum, func(ctx context.Context, s *session) error {
		if err := s.join(ctx); err != nil {
			return err
		}
		return v.rounds(ctx, s, sum)
	})
}

// rounds announces until it is enough.
func (v *announceVerb) rounds(ctx context.Context, s *session, sum *announceSummary) error {
	for {
		stored, err := v.round(ctx, s)
		sum.Stored += stored
		sum.Rounds++
		if v.once || ctx.Err() != nil || (err != nil && sum.Stored == 0) {
			return cmp.Or(err, outcome(ctx, sum.Stored))
		}
		if err != nil {
			s.console.say("dhtkit: this round failed, the next one is in %v: %v", v.every, err)
		}
		s.progress.show(func() string { return fmt.Sprintf("nodes that stored it: %d, rounds: %d", sum.Stored, sum.Rounds) })
		pause := time.NewTimer(v.every)
		select {
		case <-pause.C:
		case <-ctx.Done(): // between two rounds: the normal end
			pause.Stop()
			return outcome(context.WithoutCancel(ctx), sum.Stored)
		}
	}
}

// round announces once and returns how many nodes stored it.
func (v *announceVerb) round(ctx context.Context, s *session) (stored int, err error) {
	profile := routing.Thorough()
	if v.flags.timeout > 0 {
		profile.Hard = v.flags.timeout
	}
	lookup := s.net.node.GetPeersWith(v.hash, profile)
	for _, err := range lookup.Replies(ctx) {
		if err != nil {
			return 0, err
		}
	}
	for n, err := range lookup.Announce(announcedPort(s, v.port), v.options()...).Stored(ctx) {
		if err != nil {
			return stored, refusal(err)
		}
		stored++
		s.console.result(n.Addr.String(), &storedRecord{Type: "stored", InfoHash: &v.hash, ID: n.ID, Addr: n.Addr, Time: now()})
		if stored == v.flags.max {
			break
		}
	}
	return stored, nil
}

func (v *announceVerb) options() []mainline.AnnounceOption {
	opts := announceOptions(v.implied)
	if v.seed {
		opts = append(opts, mainline.Seed())
	}
	return opts
}

// announcedPort is the port to announce: that of our own socket if none was given.
func announcedPort(s *session, port uint16) uint16 {
	if port != 0 {
		return port
	}
	return s.net.node.Addr().Port()
}

func announceOptions(implied bool) []mainline.AnnounceOption {
	if implied {
		return []mainline.AnnounceOption{mainline.ImpliedPort()}
	}
	return nil
}

// refusal turns the error of an announcement that nobody took, though nodes answered, into "nothing found".
func refusal(err error) error {
	_, refused := errors.AsType[*krpc.Error](err)
	if refused || errors.Is(err, mainline.ErrNoToken) {
		return &exitError{exitNothing, fmt.Sprintf("no node took the announcement: %v", err)}
	}
	return err
}

func parsePort(text string) (uint16, error) {
	p, err := strconv.ParseUint(text, 10, 16)
	if err != nil || p == 0 {
		return 0, fmt.Errorf("port %q is not within 1..65535", text)
	}
	return uint16(p), nil
}
