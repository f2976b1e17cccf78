// Package dhtrpc is a node of dht-rpc, the DHT under Hyperswarm: a network of nodes that find each other by 32-byte ids,
// and put to each other whatever commands an application defines. On the wire it is what npm dht-rpc 6 is, byte by byte, so
// that nodes of both live in one network.
//
//	node, err := dhtrpc.Listen("0.0.0.0:49737", dhtrpc.Config{Bootstrap: []string{"node1.example:49737"}})
//	if err != nil { … }
//	defer node.Close()
//
// # Commands
//
// A command is a number of the application's, put to one node (Request), or on a walk to the nodes nearest to a target
// (Query). Handlers answer; without a handler the answer is CodeUnknownCommand and the way to nearer nodes, so that nodes
// that do not know a command still help to find those that do.
//
//	node.Handle(1, func(q *dhtrpc.Request) {
//		if q.Token != nil {
//			store(*q.Target, q.Value) // a token proves that the asker is where it says it is
//		}
//		q.Reply(load(*q.Target))
//	})
//
//	q := node.Query(dhtrpc.Hash(key), 1, nil, dhtrpc.QueryOptions{})
//	for reply, err := range q.Replies(ctx) {
//		if err != nil { … } // last and final
//		… // reply.Value, reply.From; break when it is enough
//	}
//
//	stored, err := node.Query(dhtrpc.Hash(key), 1, value, dhtrpc.QueryOptions{}).Commit(ctx)
//
// Commit walks to the 20 nearest nodes and puts the command to them again, now with the token that each has given; CommitFunc
// does so with a request of the caller's for each. Query.Drive and Node.Send are the forms for programs that keep no
// goroutine waiting, handlers among them. Command gives the values types.
//
// # Ids, persistent and ephemeral nodes
//
// A node's id is the hash of its public address and port (IDOf), which everybody can check and nobody can choose. A node
// shows it, and others put it into their tables, when it is persistent; an ephemeral node only asks and answers. Config.Mode
// says how it gets there:
//
//   - Adaptive, the default on a public network: the node learns its address from what others say they see, asks some of
//     them to answer to its server port, and turns persistent after 20 minutes if that arrived.
//   - Persistent, the default on a private network: the same at once; and without asking if the address is known, because it
//     was configured (Config.Public) or the socket is bound to it on a private network.
//   - Ephemeral: never.
//
// A node begins with two sockets, asks from the client socket, and goes over to the server socket when it knows that it
// can be reached there. With Config.Open, or where it needs no asking, one is enough. Bootstrapper starts a node for others to begin at.
// One node is a network, and two are.
//
// # Private networks
//
// Config.Private says that nodes live on loopback or private addresses, which are refused otherwise. Testnet runs a
// whole network in the process, on loopback or on connections of the caller's, ready in milliseconds. Config.Network gives a
// network a name: nodes of another one, or of none, are not heard, and do not hear it. A name is no secret, and other
// implementations do not know about it: their nodes cannot join.
//
// # What a node does by itself
//
// It joins through saved and bootstrap nodes, pings nodes before they enter its table and when they have been silent, looks up
// targets that its table knows little about, notices that the machine slept (Events.Wakeup; an adaptive node is ephemeral again then), and
// tells nodes that name a dead one. Suspend closes the sockets, Resume opens them again.
//
// Requests are sent four times, those of a query six times, a second apart, or as Config.Timeouts learns for each node. Of what
// was sent in 750 ms and not answered in it at most Config.MaxWindow datagrams may be out, twice as many in three seconds; what is more
// waits. Strangers' requests are limited as Config.Socket.Inbound says. Of a query, requests count as in flight only while they can change the result, and no more are
// sent than its reader takes.
//
// # Where it differs from the original
//
// Wire and timers are the same. The table asks a node before it lists it, the lists in answers are the exact nearest, and nobody is
// dropped for a hint if he answers it. Answers to the protocol's own commands have to come from where the question went,
// those to commands of an application may come from anywhere, for relays. Messages of more than MaxMessage bytes are refused
// before they are sent. A node that turned persistent says so to its neighbours at once.
//
// There is no IPv6: addresses have six bytes on this wire.
//
// # Concurrency
//
// A Node is safe for concurrent use, a Query has one owner. Handlers, events and the functions given to Send and Drive run on
// the goroutines of the node, without any lock; they may call the node, but not Close, Suspend or Resume, and must not
// block. New without connections gives a node that runs nothing by itself: its owner moves datagrams and time through
// Node.Socket, as simulators do.
//
// # Codec
//
// Parse and Message.Append are the codec on its own; both do without allocation.
package dhtrpc
