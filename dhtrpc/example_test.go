package dhtrpc_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// The id of a node is the hash of its address: whoever moves is another node.
func ExampleIDOf() {
	fmt.Println(dhtrpc.IDOf(netip.MustParseAddrPort("127.0.0.1:43101")))
	// Output: fb0c9b4918805a3ad4aad6f5376e97f451aa2d5fcf143e89b1000c3abf596d84
}

func ExampleParse() {
	ask := dhtrpc.Message{Internal: true, Command: dhtrpc.CommandPing, TID: 258, To: netip.MustParseAddrPort("127.0.0.1:43111")}
	datagram := ask.Append(nil)
	fmt.Printf("%x\n", datagram)
	m, err := dhtrpc.Parse(datagram)
	fmt.Println(m.Kind, m.Command, m.To, err)
	// Output:
	// 030402017f00000167a800
	// request 0 127.0.0.1:43111 <nil>
}

// A network of one's own, ready in milliseconds: everybody knows a command, and whoever is nearest to a target answers.
func ExampleTestnet() {
	ctx := context.Background()
	net, err := dhtrpc.Testnet(ctx, 20, dhtrpc.TestnetConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer net.Close()
	for _, node := range net.Nodes {
		node.Handle(1, func(q *dhtrpc.Request) { q.Reply([]byte("hello")) })
	}
	q := net.Nodes[3].Query(dhtrpc.Hash([]byte("a key")), 1, nil, dhtrpc.QueryOptions{})
	for reply, err := range q.Replies(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", reply.Value)
		break // that is enough
	}
	stored, err := net.Nodes[3].Query(dhtrpc.Hash([]byte("a key")), 1, []byte("value"), dhtrpc.QueryOptions{}).Commit(ctx)
	fmt.Println(len(stored), err)
	// Output:
	// hello
	// 19 <nil>
}

// Values with types: a command that adds.
func ExampleCommand() {
	ctx := context.Background()
	type numbers struct{ A, B int }
	add := dhtrpc.Command[numbers, int]{Number: 1, In: dhtrpc.JSON[numbers](), Out: dhtrpc.JSON[int]()}

	server, err := dhtrpc.Listen("127.0.0.1:0", dhtrpc.Config{Private: true})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := dhtrpc.Listen("127.0.0.1:0", dhtrpc.Config{Private: true})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	add.Handle(server, func(_ *dhtrpc.Request, n numbers) (int, error) { return n.A + n.B, nil })
	sum, err := add.Request(ctx, client, server.Addr(), numbers{2, 3})
	fmt.Println(sum.Out, err)
	// Output: 5 <nil>
}

// A client that asks and ends: nobody puts it into a table, so nobody misses it.
func ExampleConfig_ephemeral() {
	ctx := context.Background()
	net, err := dhtrpc.Testnet(ctx, 5, dhtrpc.TestnetConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer net.Close()

	client, err := dhtrpc.Listen("127.0.0.1:0", dhtrpc.Config{Mode: dhtrpc.Ephemeral, Private: true, Bootstrap: net.Bootstrap()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	q := client.FindNode(dhtrpc.Hash([]byte("a key")), dhtrpc.QueryOptions{})
	for _, err := range q.Replies(ctx) {
		if err != nil {
			log.Fatal(err)
		}
	}
	_, shown := client.ID()
	fmt.Println(len(q.ClosestNodes()), shown)
	// Output: 5 false
}

// Nodes of a network with a name hear nobody else.
func ExampleConfig_network() {
	ctx := context.Background()
	start := func(name string) *dhtrpc.Node {
		node, err := dhtrpc.Listen("127.0.0.1:0", dhtrpc.Config{Private: true, Network: name})
		if err != nil {
			log.Fatal(err)
		}
		return node
	}
	one, other, stranger := start("staging"), start("staging"), start("production")
	defer one.Close()
	defer other.Close()
	defer stranger.Close()

	once := dhtrpc.PingOptions{CallOptions: dhtrpc.CallOptions{Retries: -1, Timeout: 200 * time.Millisecond}}
	_, err := one.Ping(ctx, other.Addr(), once)
	fmt.Println(err)
	_, err = one.Ping(ctx, stranger.Addr(), once)
	fmt.Println(err)
	// Output:
	// <nil>
	// dhtrpc: request timed out
}

// A node that starts with what it knew the last time needs no bootstrap node.
func ExampleSaveNodes() {
	ctx := context.Background()
	net, err := dhtrpc.Testnet(ctx, 10, dhtrpc.TestnetConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer net.Close()
	var file bytes.Buffer
	if err := dhtrpc.SaveNodes(&file, net.Nodes[4].Contacts(0)); err != nil {
		log.Fatal(err)
	}

	nodes, err := dhtrpc.LoadNodes(&file)
	if err != nil {
		log.Fatal(err)
	}
	node, err := dhtrpc.Listen("127.0.0.1:0", dhtrpc.Config{Private: true, Nodes: nodes})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	fmt.Println(node.Ready(ctx), node.Len())
	// Output: <nil> 10
}

// A question to a node that only the relay can reach: the relay says who asks, the answer takes the straight way.
func ExampleRequest_Relay() {
	net, err := dhtrpc.Testnet(context.Background(), 3, dhtrpc.TestnetConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer net.Close()
	asker, relay, hidden := net.Nodes[0], net.Nodes[1], net.Nodes[2]

	relay.Handle(1, func(q *dhtrpc.Request) {
		q.Relay([]byte(q.From.Addr.String()), hidden.Addr())
	})
	hidden.Handle(1, func(q *dhtrpc.Request) {
		to, err := netip.ParseAddrPort(string(q.Value))
		if err != nil || q.From.Addr != relay.Addr() {
			q.Error(16)
			return
		}
		q.Respond(dhtrpc.Response{Value: []byte("hello"), To: to})
	})

	reply, err := asker.Request(context.Background(), relay.Addr(), dhtrpc.Call{Command: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %t\n", reply.Value, reply.From.Addr == hidden.Addr())
	// Output: hello true
}
