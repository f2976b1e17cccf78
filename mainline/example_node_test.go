package mainline_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/netip"
	"slices"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// world is a network in memory, so that the examples need no other; with mainline.Listen they run over UDP.
func world() (net *simnet.Net, start func(cfg mainline.Config, addrs ...string) *mainline.Node) {
	net = simnet.New(simnet.Config{Seed: 1})
	return net, func(cfg mainline.Config, addrs ...string) *mainline.Node {
		var conns []socket.Conn
		for _, a := range addrs {
			conns = append(conns, net.Listen(netip.MustParseAddrPort(a)))
		}
		node, err := mainline.New(cfg, conns...)
		if err != nil {
			log.Fatal(err)
		}
		return node
	}
}

// A node of both networks announces in both, and finds peers in both, as one stream.
func ExampleListen_bothNetworks() {
	ctx := context.Background()
	net, start := world()
	defer net.Close()
	first := start(mainline.Config{}, "30.0.0.1:6881", "[2a01::1]:6881")
	defer first.Close()
	cfg := mainline.Config{Bootstrap: []string{"30.0.0.1:6881", "[2a01::1]:6881"}}
	second := start(cfg, "30.0.1.1:6881", "[2a02::1]:6881") // mainline.Listen(":6881", cfg, "[2a02::1]:6881")
	defer second.Close()

	for _, err := range second.Announce(krpc.ID{0xca, 0xfe}, 51413).Stored(ctx) {
		if err != nil {
			log.Fatal(err)
		}
	}
	var peers []string
	for peer := range first.GetPeers(krpc.ID{0xca, 0xfe}).Peers(ctx) {
		peers = append(peers, peer.String())
	}
	slices.Sort(peers)
	fmt.Println(peers)
	// Output:
	// [30.0.1.1:51413 [2a02::1]:51413]
}

// A node goes, and comes back as the same node, without any bootstrap address.
func ExampleNode_Save() {
	ctx := context.Background()
	net, start := world()
	defer net.Close()
	first := start(mainline.Config{}, "30.0.0.1:6881")
	defer first.Close()
	node := start(mainline.Config{Bootstrap: []string{"30.0.0.1:6881"}}, "30.0.1.1:6881")
	if err := node.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	if err := node.Save(&file); err != nil {
		log.Fatal(err)
	}
	id := node.ID()
	node.Close()

	state, err := mainline.LoadState(&file)
	if err != nil {
		log.Fatal(err)
	}
	node = start(mainline.Config{State: state}, "30.0.1.1:6881")
	defer node.Close()
	if err := node.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(node.ID() == id, node.Nodes()[0].Addr)
	// Output:
	// true 30.0.0.1:6881
}

// Any query can be sent along a lookup.
func ExampleNode_Walk() {
	net, start := world()
	defer net.Close()
	first := start(mainline.Config{}, "30.0.0.1:6881")
	defer first.Close()
	node := start(mainline.Config{Bootstrap: []string{"30.0.0.1:6881"}}, "30.0.1.1:6881")
	defer node.Close()

	target := krpc.ID{0x42}
	lookup := node.Walk(target, krpc.RawArgs{Name: "vote", Fields: map[string]any{"target": string(target[:])}}, routing.Fast())
	for reply, err := range lookup.Replies(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(reply.From.Addr, "answered, with a token:", reply.Token() != nil)
	}
	fmt.Println(lookup.Stats().Answered)
	// Output:
	// 30.0.0.1:6881 answered, with a token: false
	// 1
}

// Others tell a node how they see it.
func ExampleEndpoint_External() {
	net, start := world()
	defer net.Close()
	first := start(mainline.Config{}, "30.0.0.1:6881")
	defer first.Close()
	node := start(mainline.Config{Bootstrap: []string{"30.0.0.1:6881"}}, "30.0.1.1:6881")
	defer node.Close()
	if err := node.Ready(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(node.Endpoints()[0].External()) // one has said so, which is no agreement
	// Output:
	// 30.0.1.1:6881 false
}
