package swarm

import (
	"testing"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
)

func BenchmarkNew(b *testing.B) {
	for _, size := range []struct {
		name  string
		nodes int
	}{{"1M", 1_000_000}, {"10M", 10_000_000}} {
		b.Run(size.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				New(Config{Seed: 1, Nodes: size.nodes})
			}
		})
	}
}

// One answer of a node of the swarm, without codec and engine.
func BenchmarkNearest(b *testing.B) {
	for _, bench := range []struct {
		name string
		cfg  Config
	}{
		{"1M", Config{Seed: 1, Nodes: 1_000_000}},
		{"10M", Config{Seed: 1, Nodes: 10_000_000}},
		{"1M/skew", Config{Seed: 1, Nodes: 1_000_000, Skew: 4}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := New(bench.cfg)
			var l list
			i := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				i++
				s.nearest(&l, sim.Node(sim.Below(sim.Mix(3, i), uint32(s.Len()))), sim.Mix(4, i))
			}
		})
	}
}
