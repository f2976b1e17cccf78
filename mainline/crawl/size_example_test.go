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

// Twelve nodes in memory are so few that all are counted. Of a network of millions there is an interval.
func ExampleNewSize() {
	ctx := context.Background()
	latency := func(from, to netip.AddrPort) time.Duration { return time.Millisecond }
	net := simnet.New(simnet.Config{Seed: 1, Latency: latency})
	defer net.Close()
	var node *mainline.Node
	for i := range 13 {
		var err error
		node, err = mainline.New(mainline.Config{
			ID: krpc.ID{byte(19 * i), 1}, Bootstrap: []string{addr(0).String()}, Private: true, ReadOnly: i == 12,
		}, net.Listen(addr(i)))
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		node.Ready(ctx)
	}
	var last crawl.Estimate
	for e, err := range crawl.NewSize(node, crawl.SizeConfig{}).Estimates(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if last = e; e.High-e.Low < 0.03*e.Nodes {
			break // good enough
		}
	}
	fmt.Println(last.Counted, "nodes by", last.Method)
	// Output: 12 nodes by count
}
