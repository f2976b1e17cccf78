package sim_test

import (
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
)

// echo answers every datagram with a longer one, or not at all.
type echo struct {
	e     *sim.Engine
	nodes uint32
	query [96]byte
	reply [290]byte
}

func (h *echo) Receive(_ time.Duration, to, from sim.Node, b []byte) {
	if len(b) == len(h.query) {
		h.e.Send(to, from, h.reply[:])
	}
}

func (h *echo) Wake(now time.Duration, n sim.Node) {
	h.e.SetTimer(n, now+time.Second)
	h.e.Send(n, sim.Node(sim.Below(h.e.Draw(), h.nodes)), h.query[:])
}

// Every node sends one query of 96 bytes a second to a random node, which answers with 290. ns/packet is all that it costs:
// queue, buffers, trace, delay model.
func BenchmarkEngine(b *testing.B) {
	for _, bench := range []struct {
		name  string
		nodes int
		link  func() sim.Link
	}{
		{"10k", 10_000, func() sim.Link { return sim.NewLinks(sim.SwarmA(1)) }},
		{"100k", 100_000, func() sim.Link { return sim.NewLinks(sim.SwarmA(1)) }},
		{"100k/plain", 100_000, func() sim.Link { return nil }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			e := sim.New(sim.Config{Seed: 1, Link: bench.link()})
			h := &echo{e: e, nodes: uint32(bench.nodes)}
			e.Attach(0, bench.nodes, h)
			for i := range bench.nodes {
				e.SetTimer(sim.Node(i), time.Duration(sim.Below(e.Draw(), 1e9)))
			}
			e.Run(4 * time.Second)
			before := e.Stats().Sent
			b.ReportAllocs()
			for b.Loop() {
				e.Run(e.Now() + 100*time.Millisecond)
			}
			packets := float64(e.Stats().Sent - before)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/packets, "ns/packet")
			b.ReportMetric(packets/float64(b.N), "packets/op")
		})
	}
}
