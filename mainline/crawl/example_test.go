package crawl_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/crawl"
)

// Ten nodes in memory; with mainline.Listen and a bootstrap address the same runs over UDP.
func Example() {
	ctx := context.Background()
	latency := func(from, to netip.AddrPort) time.Duration { return time.Millisecond }
	net := simnet.New(simnet.Config{Seed: 1, Latency: latency})
	defer net.Close()
	start := func(i int, cfg mainline.Config) *mainline.Node {
		cfg.Bootstrap, cfg.Private = []string{addr(0).String()}, true
		node, err := mainline.New(cfg, net.Listen(addr(i)))
		if err != nil {
			log.Fatal(err)
		}
		return node
	}
	for i := range 10 {
		node := start(i, mainline.Config{ID: krpc.ID{byte(20 * i)}})
		defer node.Close()
		node.Ready(ctx)
	}
	crawler := start(10, mainline.Config{ReadOnly: true, NoUpkeep: true})
	defer crawler.Close()

	c := crawl.New(crawler, crawl.Config{})
	for found, err := range c.Nodes(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		_ = found // found.ID, found.Addr, found.Version, found.RTT
	}
	fmt.Println(c.Stats().Nodes, "nodes")
	// Output: 10 nodes
}
