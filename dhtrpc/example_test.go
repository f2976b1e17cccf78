package dhtrpc_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

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
