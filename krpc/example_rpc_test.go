package krpc_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
)

// A command of one's own between two nodes in memory; with krpc.Listen the same runs over UDP.
func ExampleRPC() {
	ctx := context.Background()
	net := simnet.New(simnet.Config{Seed: 1})
	defer net.Close()
	start := func(addr string) *krpc.RPC {
		rpc, err := krpc.New(krpc.Config{}, net.Listen(netip.MustParseAddrPort(addr)))
		if err != nil {
			log.Fatal(err)
		}
		return rpc
	}
	server, client := start("30.0.0.1:6881"), start("30.0.1.1:6881")
	defer server.Close()
	defer client.Close()

	server.OnQuery("double", func(q *krpc.Query) {
		var args struct {
			N int `bencode:"n"`
		}
		if err := q.Decode(&args); err != nil {
			q.Fail(krpc.ErrProtocol)
			return
		}
		q.Reply(&krpc.RawResults{Fields: map[string]any{"twice": 2 * args.N}})
	})

	reply, err := client.Query(ctx, server.Addr(), krpc.RawArgs{Name: "double", Fields: map[string]any{"n": 21}})
	if err != nil {
		log.Fatal(err)
	}
	var results struct {
		Twice int `bencode:"twice"`
	}
	fmt.Println(reply.Decode(&results), results.Twice)
	// Output: <nil> 42
}

// A lookup is ranged over; leaving the loop stops it. What it found is there afterwards.
func ExampleRPC_Closest() {
	ctx := context.Background()
	near := func(from, to netip.AddrPort) time.Duration { return time.Millisecond }
	net := simnet.New(simnet.Config{Seed: 1, Latency: near})
	defer net.Close()
	for i := range 20 {
		id := krpc.ID{byte(13 * i)}
		cfg := krpc.Config{ID: id[:], Bootstrap: []string{addr(0).String()}, Private: true, Upkeep: true}
		node, err := krpc.New(cfg, net.Listen(addr(i)))
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		node.OnQuery("ping", func(q *krpc.Query) { q.Reply(&krpc.PingResults{}) })
		node.OnQuery("find_node", func(q *krpc.Query) {
			args, err := q.FindNode()
			if err != nil {
				q.Fail(err)
				return
			}
			q.Reply(&krpc.NodesResults{Nodes: q.Closest(args.Target.Key(), 8)})
		})
		node.Ready(ctx)
	}
	client, err := krpc.New(krpc.Config{Bootstrap: []string{addr(0).String()}}, net.Listen(addr(99)))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	target := krpc.ID{0x42}
	lookup := client.Closest(target.Key(), krpc.FindNodeArgs{Target: target})
	for reply, err := range lookup.Replies(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		_ = reply // as it arrives: reply.From, reply.RTT, reply.Token(), reply.Nodes …
	}
	fmt.Println(len(lookup.ClosestNodes()), "nodes, the closest is", lookup.ClosestNodes()[0].Addr)
	// Output: 8 nodes, the closest is 30.0.5.1:6881
}
