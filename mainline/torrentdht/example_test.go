package torrentdht_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	theirs "github.com/anacrolix/dht/v2/krpc"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/torrentdht"
)

// What a torrent client does with a Server, here on two nodes in memory. With a real client it is
//
//	client.AddDhtServer(torrentdht.As[torrent.DhtAnnounce](server))
func Example() {
	net := simnet.New(simnet.Config{Seed: 1})
	defer net.Close()
	start := func(addr string, bootstrap ...string) *mainline.Node {
		node, err := mainline.New(mainline.Config{Bootstrap: bootstrap}, net.Listen(netip.MustParseAddrPort(addr)))
		if err != nil {
			log.Fatal(err)
		}
		return node
	}
	node := start("30.0.0.1:6881")
	defer node.Close()
	other := start("30.0.1.1:6881", "30.0.0.1:6881")
	defer other.Close()

	infoHash := krpc.ID{0: 0xca, 1: 0xfe}
	for range other.Announce(infoHash, 51413).Stored(context.Background()) {
	}

	server := torrentdht.New(node, torrentdht.Config{})
	defer server.Close()
	announce, err := server.Announce(infoHash, 7000, true)
	if err != nil {
		log.Fatal(err)
	}
	for values := range announce.Peers() { // as the client does, until the channel is closed
		for _, peer := range values.Peers {
			fmt.Println("peer", peer)
		}
		announce.Close()
	}
	// Output:
	// peer 30.0.1.1:51413
}

// A message of one side as that of the other, and back.
func ExampleToMsg() {
	m, err := krpc.Parse([]byte("d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe"))
	if err != nil {
		log.Fatal(err)
	}
	msg, err := torrentdht.ToMsg(&m)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(msg.Q, msg.A.InfoHash)

	answer := theirs.Msg{T: msg.T, Y: theirs.YResponse, R: &theirs.Return{
		ID:     theirs.IdFromString("0123456789abcdefghij"),
		Values: []theirs.NodeAddr{torrentdht.ToAddr(netip.MustParseAddrPort("97.120.106.101:11893"))},
	}}
	back, err := torrentdht.FromMsg(&answer)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", back.Raw())
	for peer := range back.Values {
		fmt.Println(peer)
	}
	// Output:
	// get_peers 6d6e6f707172737475767778797a313233343536
	// d1:rd2:id20:0123456789abcdefghij6:valuesl6:axje.uee1:t2:aa1:y1:re
	// 97.120.106.101:11893
}
