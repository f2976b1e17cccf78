package main

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// scrapeVerb counts the seeds and peers of info hashes (BEP 33).
type scrapeVerb struct{ *app }

type scrapeRecord struct {
	Type     string  `json:"type"`
	InfoHash krpc.ID `json:"info_hash"`
	Seeds    count   `json:"seeds"`
	Peers    count   `json:"peers"`
	Nodes    int     `json:"nodes"`  // that answered with filters
	Values   int     `json:"values"` // that answered with some of their peers instead
	Time     stamp   `json:"time"`
}

type scrapeSummary struct {
	Type   string `json:"type"`
	Hashes int    `json:"hashes"`
	Known  int    `json:"known"` // of the hashes: some node has peers
	totals
}

func (s *scrapeSummary) line() string {
	return fmt.Sprintf("hashes: %d, of which %d have peers; %s", s.Hashes, s.Known, s.tail())
}

func (a *app) scrapeCommand() *cobra.Command {
	v := &scrapeVerb{a}
	cmd := &cobra.Command{
		Use:   "scrape HASH... [flags]",
		Short: "Estimate how many seeds and peers info hashes have",
		Example: `  dhtkit scrape --public 2c6b6858d61da9543d4231a71db4b1c9264b0685
  dhtkit scrape --public - < hashes.txt`,
		Long: `Asks the nodes that store the peers of an info hash or magnet link for what BEP 33 calls a scrape, puts their answers
together so that a host known to several counts once, and prints a line for each hash that anybody has peers of:

  HASH SEEDS PEERS NODES

SEEDS are hosts that have all of the torrent, PEERS those that have not, NODES how many nodes answered with filters to count
by. With no such node (0), PEERS counts the peers that were named, of which some may be seeds. Above some 6000 hosts the
estimate gets coarse, and beyond 8000 it is "many". "-" reads hashes from standard input, one a line.`,
		Args: arguments(1, -1, "info hashes or magnet links"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	a.localFlag(cmd)
	return cmd
}

func (v *scrapeVerb) run(ctx context.Context, args []string) error {
	all, err := words(args, v.stdin)
	if err != nil {
		return err
	}
	ids, err := hashes(all, anInfoHash)
	if err != nil {
		return err
	}
	sum := &scrapeSummary{Type: "summary", Hashes: len(ids)}
	return v.serve(ctx, need{verb: "scrape", upkeep: true}, sum, func(ctx context.Context, s *session) error {
		return v.work(ctx, s, ids, sum)
	})
}

func (v *scrapeVerb) work(ctx context.Context, s *session, ids []krpc.ID, sum *scrapeSummary) error {
	if err := s.join(ctx); err != nil {
		return err
	}
	var done, known counter
	s.progress.show(func() string {
		queries, answered := s.net.counts()
		return fmt.Sprintf("%d of %d hashes; %s", done.Load(), len(ids), queriesText(queries, answered))
	})
	var tally failures
	eachHash(ctx, ids, scrapesAtOnce, func(id krpc.ID) {
		est, err := v.one(ctx, s, id)
		tally.note(err)
		done.Add(1)
		if err == nil && est != (mainline.SwarmEstimate{}) {
			known.Add(1)
		}
	})
	sum.Known = int(known.Load())
	return tally.end(ctx, sum.Known)
}

// scrapesAtOnce is what BEP 33 asks for: four at start, one in a steady state.
const scrapesAtOnce = 4

// one scrapes one hash and prints what came of it.
func (v *scrapeVerb) one(ctx context.Context, s *session, hash krpc.ID) (mainline.SwarmEstimate, error) {
	l := s.net.node.Scrape(hash)
	for _, err := range l.Estimates(ctx) {
		if err != nil {
			return mainline.SwarmEstimate{}, err
		}
	}
	est := l.Estimate()
	if est == (mainline.SwarmEstimate{}) {
		s.console.detail("dhtkit: nobody knows a peer of %v", hash)
		return est, nil
	}
	rec := &scrapeRecord{"scrape", hash, count(est.Seeds), count(est.Peers), est.Filters, est.Values, now()}
	s.console.result(fmt.Sprintf("%v %v %v %d", hash, rec.Seeds, rec.Peers, est.Filters), rec)
	return est, nil
}

// count is an estimated number of hosts; infinite if there are more than a filter can count.
type count float64

func (c count) String() string {
	if math.IsInf(float64(c), 1) {
		return "many"
	}
	return fmt.Sprintf("%.0f", float64(c))
}

// MarshalJSON writes null for a number that is too large to be known.
func (c count) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(c), 1) {
		return []byte("null"), nil
	}
	return fmt.Appendf(nil, "%.1f", float64(c)), nil
}
