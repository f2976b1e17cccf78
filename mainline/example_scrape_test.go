package mainline_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// How many seeds and other peers a torrent has, without a list of them.
func ExampleNode_Scrape() {
	ctx := context.Background()
	_, second, stop := startTwo()
	defer stop()
	infoHash := krpc.ID{0: 0xca, 1: 0xfe}
	for range second.Announce(infoHash, 51413, mainline.Seed()).Stored(ctx) {
	}

	scrape := second.Scrape(infoHash)
	for e, err := range scrape.Estimates(ctx) {
		fmt.Printf("%.0f seeds, %.0f other peers, say %d nodes (%v)\n", e.Seeds, e.Peers, e.Filters, err)
	}
	// Output:
	// 1 seeds, 0 other peers, say 1 nodes (<nil>)
}

// Filters can be merged: an address that is in several counts once.
func ExampleFilter() {
	var one, other mainline.Filter
	for i := range byte(100) {
		one.Insert(netip.AddrFrom4([4]byte{192, 0, 2, i}))
		other.Insert(netip.AddrFrom4([4]byte{192, 0, 2, i + 50}))
	}
	one.Union(&other)
	fmt.Printf("about %.0f\n", one.Estimate())
	// Output: about 148
}
