package lab_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
)

// The figures of the standard experiment: a thousand lookups in a swarm of a million, 40 % dead. One run each:
//
//	go test ./internal/simnet/lab -run '^$' -bench Lookups -benchtime 1x
func BenchmarkLookups(b *testing.B) {
	net := swarm.New(swarm.Config{Seed: 1, Nodes: 1_000_000})
	for _, p := range lab.Profiles {
		b.Run(p.Name, func(b *testing.B) {
			var s lab.LookupSummary
			for b.Loop() {
				res, err := lab.RunLookups(lab.LookupRun{Net: net, Seed: 1, Profile: p.Config})
				require.NoError(b, err)
				s = res.Summary()
			}
			ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
			b.ReportMetric(ms(s.FirstP50), "first-p50-ms")
			b.ReportMetric(ms(s.FirstP95), "first-p95-ms")
			b.ReportMetric(ms(s.DoneP50), "done-p50-ms")
			b.ReportMetric(ms(s.DoneP95), "done-p95-ms")
			b.ReportMetric(float64(s.QueriesP50), "queries-p50")
			b.ReportMetric(100*s.Unanswered, "unanswered-%")
			b.ReportMetric(s.Recall, "recall")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(1000*b.N), "us/lookup")
		})
	}
}

// A crawl of an age-skewed swarm. Ten million take some minutes and gigabytes:
//
//	go test ./internal/simnet/lab -run '^$' -bench Crawl/1M -benchtime 1x -timeout 1h
func BenchmarkCrawl(b *testing.B) {
	for _, size := range []struct {
		name  string
		nodes int
	}{{"100k", 100_000}, {"1M", 1_000_000}, {"10M", 10_000_000}} {
		for _, decoys := range []float64{0, 0.5} {
			b.Run(fmt.Sprintf("%s/decoys=%v", size.name, decoys), func(b *testing.B) {
				var r lab.CrawlResult
				for b.Loop() {
					var err error
					r, err = lab.RunCrawl(lab.CrawlRun{Swarm: swarm.Config{Seed: 1, Nodes: size.nodes, Skew: 4, Decoys: decoys}})
					require.NoError(b, err)
				}
				b.ReportMetric(100*r.Coverage, "coverage-%")
				b.ReportMetric(r.PerNode, "queries/node")
				b.ReportMetric(float64(r.Wall.Microseconds())/float64(r.Stats.Queries), "us/query")
			})
		}
	}
}

// Full nodes: what a virtual minute costs, and what a node takes of memory.
//
//	go test ./internal/simnet/lab -run '^$' -bench Fleet/100k -benchtime 1x -timeout 1h
func BenchmarkFleet(b *testing.B) {
	for _, size := range []struct {
		name  string
		nodes int
	}{{"1k", 1000}, {"10k", 10_000}, {"100k", 100_000}} {
		b.Run(size.name, func(b *testing.B) {
			var r lab.FleetResult
			for b.Loop() {
				var err error
				r, err = lab.RunFleet(lab.FleetRun{Nodes: size.nodes, Seed: 1, Boot: 10 * time.Minute, For: 10 * time.Minute, Churn: true, Probes: 10})
				require.NoError(b, err)
			}
			b.ReportMetric(r.Boot.Seconds(), "s/boot")
			b.ReportMetric(r.PerMinute.Seconds(), "s/virtual-min")
			b.ReportMetric(r.BytesPerNode, "bytes/node")
			b.ReportMetric(float64(r.PacketCost.Nanoseconds()), "ns/packet")
		})
	}
}
