package mainline_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// Two nodes in memory; with mainline.Listen the same runs over UDP.
func Example() {
	ctx := context.Background()
	net := simnet.New(simnet.Config{Seed: 1})
	defer net.Close()
	start := func(addr string, bootstrap ...string) *mainline.Node {
		node, err := mainline.New(mainline.Config{Bootstrap: bootstrap}, net.Listen(netip.MustParseAddrPort(addr)))
		if err != nil {
			log.Fatal(err)
		}
		return node
	}
	first := start("30.0.0.1:6881")
	defer first.Close()
	second := start("30.0.1.1:6881", "30.0.0.1:6881")
	defer second.Close()

	infoHash := krpc.ID{0: 0xca, 1: 0xfe}
	for node, err := range second.Announce(infoHash, 51413).Stored(ctx) {
		fmt.Println("stored at", node.Addr, err)
	}
	for peer, err := range first.GetPeers(infoHash).Peers(ctx) {
		fmt.Println("peer", peer, err)
	}
	// Output:
	// stored at 30.0.0.1:6881 <nil>
	// peer 30.0.1.1:51413 <nil>
}
