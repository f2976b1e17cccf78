// Package dhtrpc is a node of dht-rpc, the DHT under Hyperswarm: a network of nodes that find each other by 32-byte ids,
// and put to each other whatever commands an application defines. On the wire it is what npm dht-rpc 6 is, byte by byte, so
// that nodes of both live in one network.
//
//	node, err := dhtrpc.Listen("0.0.0.0:49737", dhtrpc.Config{Bootstrap: []string{"node1.example:49737"}})
//	if err != nil { … }
//	defer node.Close()
//	node.Handle(1, func(q *dhtrpc.Request) { q.Reply([]byte("hello")) })
//
//	q := node.Query(dhtrpc.Hash(key), 1, nil, dhtrpc.QueryOptions{})
//	for reply, err := range q.Replies(ctx) {
//		if err != nil { … } // last and final
//		… // reply.Value, reply.From; break when it is enough
//	}
//	stored, err := node.Query(dhtrpc.Hash(key), 1, value, dhtrpc.QueryOptions{}).Commit(ctx)
//
// Parse and Message.Append are the codec on its own; both do without allocation.
package dhtrpc
