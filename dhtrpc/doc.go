// Package dhtrpc is a node of dht-rpc, the DHT under Hyperswarm: a network of nodes that find each other by 32-byte ids, and
// put to each other whatever commands an application defines. On the wire it is what npm dht-rpc 6 is, byte by byte, so that
// nodes of both live in one network.
//
//	node, err := dhtrpc.Listen("0.0.0.0:49737", dhtrpc.Config{Bootstrap: []string{"node1.example:49737"}})
//	if err != nil { … }
//	defer node.Close()
//
// # What a node is
//
// A node has an address, an id made of it, and a table of some hundred other nodes, of which it knows many near to its own id
// and few of those far away. Thus it can name to anybody 20 nodes that are nearer to a target than itself, and a walk from node
// to node (Query) ends at the 20 that are nearest of all. Those are the place where a network of nodes that come and go keeps
// what belongs to a target. What they keep, and for how long, is the application's: package kv is such a one.
//
// # Commands
//
// A command is a number of the application's, put to one node (Request), or on a walk to the nodes nearest to a target
// (Query). Handlers answer; without a handler the answer is CodeUnknownCommand and the way to nearer nodes, so that nodes that
// do not know a command still help to find those that do.
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
// Values are bytes; Command gives them types. Query.Drive and Node.Send are the forms for programs that keep no goroutine
// waiting, handlers among them. The context ends whatever it was given to, and its cause is the error then: a group of requests
// that is to be given up together shares one (context.WithCancelCause).
//
// # Tokens and commits
//
// The source address of a datagram can be forged. So a node answers with a token, and who gives it back from the same host,
// within 7.5 to 15 seconds, has shown that answers reach it there. A handler sees a token only if it is valid; it should store
// nothing without one.
//
//	stored, err := node.Query(dhtrpc.Hash(key), 1, value, dhtrpc.QueryOptions{}).Commit(ctx)
//
// Commit walks to the 20 nearest nodes and puts the command to them again, now with the token that each has given; CommitFunc
// does so with a request of the caller's for each, which may hold a signature over what the node said, for instance.
//
// # Modes
//
// A node's id is the hash of its public address and port (IDOf), which everybody can check and nobody can choose. A node shows
// it, and others put it into their tables, when it is persistent; an ephemeral node only asks and answers. Config.Mode says how
// it gets there:
//
//   - Adaptive, the default on a public network: the node learns its address from what others say they see, asks some of them to
//     answer to its server port, and turns persistent after 20 minutes if that arrived.
//   - Persistent, the default on a private network: the same at once; and without asking if the address is known, because it was
//     configured (Config.Public) or the socket is bound to it on a private network.
//   - Ephemeral: never. That is the mode for programs that ask something and end.
//
// A node begins with two sockets, asks from the client socket, and goes over to the server socket when it knows that it can be
// reached there. With Config.Open, or where it needs no asking, one is enough. Bootstrapper starts a node for others to begin
// at. One node is a network, and two are. SaveNodes and Config.Nodes let a node begin without bootstrap nodes the next time.
//
// # Private networks
//
// Config.Private says that nodes live on loopback or private addresses, which are refused otherwise. Testnet runs a whole network
// in the process, on loopback or on connections of the caller's, ready in milliseconds. Config.Network gives a network a name:
// nodes of another one, or of none, are not heard, and do not hear it. A name is no secret, and other implementations do not know
// about it: their nodes cannot join.
//
// # Relays
//
// A node that cannot be reached may be asked through one that it talks to anyway. The handler there hands the request on with
// Request.Relay, and says in the value who asked; the third node answers straight to the asker with Response.To, which opens a
// way through both firewalls. Nobody vouches for the address that a relay names: answer short, or only to relays that are known.
//
// # Sharing the port
//
// Streams and hole punches of an application can use the node's port, so that the ways its packets have opened are theirs too.
// Datagrams that are no message of the node's network go to Config.Foreign, and Node.Socket().SendRaw sends. An application that
// reads the socket itself gives New a connection that only writes, and hands over what it reads with Node.Receive; two
// networks share a port in that way. More than two connections given to New are sockets to send from (CallOptions.Conn,
// Response.Conn), all of which are read; the last is the client socket.
//
// # Limits
//
// Of what was sent in 750 ms and not answered in it at most Config.MaxWindow datagrams may be out, twice as many in three
// seconds; requests beyond wait, as they do for the limits that Config.Socket sets for packets a second and for new
// destinations. Of a query ten are in flight, counting only those that can change the result, and no more are sent than its
// reader takes. On a public network a source gets answers to five requests a second and 25 at once, and silence after many more;
// Config.Socket.Inbound says otherwise. Hints about dead nodes, checks that they cause, delayed pings, and what is remembered of
// others are bounded too. Messages of more than MaxMessage bytes are refused before they are sent.
//
// # What a node does by itself
//
// It joins through saved and bootstrap nodes, pings nodes before they enter its table and when they have been silent, looks up
// targets that its table knows little about, notices that the machine slept (Events.Wakeup; an adaptive node is ephemeral again
// then), and tells nodes that name a dead one. Suspend closes the sockets, Resume opens them again. Requests are sent four times,
// those of a query six times, a second apart, or as Config.Timeouts learns for each node.
//
// # Where it differs from the original
//
// Wire and timers are the same. The table asks a node before it lists it, the lists in answers are the exact nearest, and nobody
// is dropped for a hint if he answers it. Answers to the protocol's own commands have to come from where the question went,
// those to commands of an application may come from anywhere, for relays. A node that turned persistent says so to its neighbours
// at once. Requests of strangers are limited, and messages too long for the receiver are not sent.
//
// There is no time to live for single packets: a connection of package socket cannot set one. There is no IPv6: addresses have six
// bytes on this wire.
//
// # Concurrency
//
// A Node is safe for concurrent use, a Query has one owner. Handlers, events and the functions given to Send and Drive run on the
// goroutines of the node, without any lock; they may call the node, but not Close, Suspend or Resume, and must not block. New
// without connections gives a node that runs nothing by itself: its owner moves datagrams and time through Node.Socket, as
// simulators do.
//
// Parse and Message.Append are the codec on its own; both do without allocation.
//
// # From npm dht-rpc
//
// What its programs use, and what it is here:
//
//	new DHT(opts)                        Listen; New for connections of one's own (opts.udx)
//	opts.bootstrap, nodes                Config.Bootstrap, Nodes
//	opts.port, host, anyPort: false      address given to Listen; Config.ExactPort
//	opts.ephemeral, adaptive             Config.Mode
//	opts.firewalled: false               Config.Open
//	opts.quickFirewall: false            Config.NoQuickProbe
//	opts.concurrency, maxWindow          Config.Concurrency, MaxWindow; their defaults (DHT.DEFAULTS) are 10 and 80
//	opts.adaptiveTimeout                 Config.Timeouts
//	opts.filterNode (old: addNode)       Config.Filter
//	opts.sendDownHints, downHintsRateLimit   Config.DownHints
//	opts.maxPingDelay                    Config.MaxPingDelay
//	DHT.bootstrapper(port, host)         Bootstrapper
//	DHT.OK, ERROR_UNKNOWN_COMMAND, ERROR_INVALID_TOKEN   CodeOK, CodeUnknownCommand, CodeInvalidToken
//	id                                   Node.ID
//	host, port, randomized               State.Host, Port, Randomized
//	ephemeral, firewalled, bootstrapped  State.Ephemeral, Firewalled, Ready
//	online, degraded, suspended          State.Online, Degraded, Suspended; destroyed: ErrClosed
//	address(), localAddress()            Node.Addr, LocalAddr
//	remoteAddress()                      State.Remote
//	socket                               Node.Socket; Socket().Addr(i) of its sockets
//	config, stats, health.stats          Node.Stats, State
//	bind(), event listening              Listen has returned
//	ready(), fullyBootstrapped()         Node.Ready
//	request(msg, to)                     Node.Request, Send; retry: false is Retries: -1
//	opts.socket                          CallOptions.Conn, Response.Conn
//	opts.ttl                             none
//	ping(to, {size}), delayedPing        Node.Ping with PingOptions.Size, Delay
//	query, findNode                      Node.Query, FindNode; to ask one node: Ask
//	query as a stream, destroy()         Query.Replies, break; Drive, stop
//	finished()                           Query.Replies read to its end
//	closestNodes, closestReplies         Query.ClosestNodes, ClosestReplies
//	successes, errors                    Query.Stats
//	opts.commit                          Query.Commit, CommitFunc
//	opts.map                             QueryOptions.Map
//	opts.nodes, replies, onlyClosestNodes    QueryOptions.Nodes, Replies, Only
//	opts.concurrency, retries            QueryOptions.Concurrency, Retries
//	session(), opts.session              a context; its cause is what destroy(err) says
//	addNode, toArray({limit})            Node.AddNode, Contacts; SaveNodes, LoadNodes
//	refresh()                            Node.Refresh
//	rttStats()                           Reply.RTT of a FindNode; RequestStats.RTT
//	suspend, resume, destroy             Node.Suspend, Resume, Close
//	onmessage(socket, bytes, source)     Node.Receive
//	onrequest(req), event request        Node.Handle, HandleRest
//	req.from, to, token, target, value   fields of Request
//	req.tid                              none: Clone keeps a request for later
//	req.reply, error, relay, sendReply   Request.Reply, Error, Relay, Respond
//	reply.from, to, token, closerNodes   Reply.From, To, Token, Closer
//	reply.error, value, rtt              Reply.Code, Value, RTT
//	events ready … nat-update            Config.On
//	events add-node, remove-node         Events.AddNode, RemoveNode
//	REQUEST_TIMEOUT, REQUEST_DESTROYED, IO_SUSPENDED   ErrTimeout, ErrClosed, ErrSuspended
package dhtrpc
