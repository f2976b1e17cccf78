// Package legacy is a node of dht-rpc 4, the protocol of npm dht-rpc@4 and its forks: protocol buffers in UDP datagrams, random
// 32-byte ids, commands with names, queries and updates, hole punching inside the DHT. Version 6, in package dhtrpc, is another
// protocol; the two cannot talk to each other. IPv4 only.
//
//	node, err := legacy.Listen("0.0.0.0:0", legacy.Config{Bootstrap: []string{"bootstrap.example:10001"}})
//	if err != nil { … }
//	defer node.Close()
//	node.OnQuery("values", func(r *legacy.Request) { r.Reply(values[string(r.Target)]) })
//	node.OnUpdate("values", func(r *legacy.Request) { …; r.Reply(nil) })
//
//	for reply, err := range node.Query("values", target, nil).Replies(ctx) {
//		if err != nil { … } // last and final
//		use(reply.Value)
//	}
//
// # Queries and updates
//
// A query asks nodes ever nearer to its target, until the 20 closest have answered, and streams their answers. An update looks
// for the 20 closest and asks them to do something; they do so only for whoever has a token that they gave to the same host
// within ten minutes. [Only], [IncludeQuery], [NoHolepunch] and [OnRefused] change one of them. Handlers of requests are set by
// [Node.OnQuery] and [Node.OnUpdate].
//
// # Hole punching
//
// Whoever names a node can help to reach it through a NAT: queries ask for that by themselves when a node is silent for half a
// second, and [Node.Holepunch] does it alone. Every node helps others. It works where a NAT gives a node the same address
// towards everybody, see [Node.Holepunchable].
//
// # Ephemeral nodes
//
// An ephemeral node tells nobody its id, so nobody lists it. The usual bootstrap node is one, and so is a client that soon goes
// away. [Node.Persistent] turns it into an ordinary one.
//
// # Codec
//
// [Parse] reads a datagram into a [Message], a view of its bytes, without allocating; [Message.Append] writes one byte for byte
// as npm dht-rpc does.
//
// # Where it differs
//
// Nothing that npm dht-rpc 4.9.6 sends or expects is different. What it leaves to each node is, in places: the rid of a
// request has 32 random bits in place of a 16-bit counter, so that nobody can answer for another; fields that are cut off are
// refused; a node that has only asked us enters the table when it has answered a ping, and is named to others before that only
// while fewer than 20 better ones are known; what hole punching makes us send to third parties is limited; a node that was
// told of us gets the request again at once; nodes are pinged after 90 silent seconds, so that the NATs between us stay open.
//
// # Concurrency
//
// A Node is safe for concurrent use, a [Query] has one owner. Handlers run one after the other on the goroutine that reads and
// must not block; [Request.Clone] is for answers that come later. The stepped form (New without a connection, moved through
// [Node.Socket], queries by [Query.Drive]) is for simulators and has one owner.
package legacy
