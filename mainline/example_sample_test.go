package mainline_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// What one node stores.
func ExampleNode_SampleAt() {
	ctx := context.Background()
	_, second, stop := startTwo()
	defer stop()
	for i := range byte(3) {
		for range second.Announce(krpc.ID{0xca, 0xfe, i}, 51413).Stored(ctx) {
		}
	}
	s, err := second.SampleAt(ctx, netip.MustParseAddrPort("30.0.0.1:6881"), krpc.ID{})
	fmt.Println(len(s.Hashes), "of", s.Num, "info hashes, new ones after", s.Interval, err)
	// Output: 3 of 3 info hashes, new ones after 0s <nil>
}

// What all nodes store that can be reached, each asked once.
func ExampleNode_SampleWalk() {
	ctx := context.Background()
	_, second, stop := startTwo()
	defer stop()
	for range second.Announce(krpc.ID{0xca, 0xfe}, 51413).Stored(ctx) {
	}
	for s, err := range second.SampleWalk(mainline.SampleConfig{}).Samples(ctx) {
		if err != nil {
			break
		}
		for _, infoHash := range s.Hashes {
			fmt.Println(infoHash, "from", s.Node.Addr)
		}
	}
	// Output: cafe000000000000000000000000000000000000 from 30.0.0.1:6881
}

// An id that suits its address, and how to tell.
func ExampleSecureID() {
	ip := netip.MustParseAddr("124.31.75.21")
	id := mainline.SecureID(ip, krpc.ID{19: 1}) // give it a random id
	fmt.Println(id)
	fmt.Println(mainline.Suits(id, ip), mainline.Suits(id, ip.Next()))
	// Output:
	// 5fbfb80000000000000000000000000000000001
	// true false
}
