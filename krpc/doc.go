// Package krpc speaks KRPC, the RPC protocol of the BitTorrent DHT (BEP 5): bencoded dictionaries, one to a UDP datagram.
// It has two halves. The codec turns datagrams into values and back and does no I/O. The RPC sends queries, matches
// answers, keeps a routing table and walks the network with it. What a node of the Mainline DHT does with all that (stores,
// tokens, maintenance) is not here, so that a network of your own can be built on this package alone: ids of 1 to 32
// bytes, any method, any dictionary as arguments.
//
// # RPC
//
//	rpc, err := krpc.Listen("0.0.0.0:6881", krpc.Config{Bootstrap: []string{"router.example:6881"}})
//	if err != nil { … }
//	defer rpc.Close()
//	rpc.OnQuery("echo", func(q *krpc.Query) { q.Reply(&krpc.RawResults{Fields: map[string]any{"n": 1}}) })
//
//	l := rpc.Closest(infoHash.Key(), krpc.GetPeersArgs{InfoHash: infoHash})
//	for reply, err := range l.Replies(ctx) {
//		if err != nil { … } // last and final
//		for peer := range reply.Values { … }
//	}
//
// # Codec
//
// [Parse] reads a datagram into a [Message], a view of its bytes, in one pass and without allocating. Accessors of the
// Message check what they return: [Message.FindNode] and its like give the arguments of a method or an [*Error] that can
// be sent back as it is.
//
//	m, err := krpc.Parse(datagram)
//	if err != nil || m.Kind() != krpc.KindQuery || m.TIDState() != krpc.Usable {
//		return // drop
//	}
//	args, err := m.FindNode()
//	if e, bad := errors.AsType[*krpc.Error](err); bad {
//		return krpc.AppendError(buf, m.TID(), e, krpc.Header{})
//	}
//	return krpc.AppendResponse(buf, m.TID(), ownID[:], &krpc.NodesResults{Nodes: closest(args.Target)}, krpc.Header{})
//
// What is written is canonical bencode: sorted keys, shortest numbers. What is read may deviate as running clients do:
// unsorted and repeated keys (the first counts), unknown keys, values of the wrong type (absent), bytes behind the message.
// See [Parse] for the limits.
//
// # BEPs
//
// The codec knows the messages of BEP 5 (ping, find_node, get_peers, announce_peer, errors), 32 (IPv6, want), 33 (scrape
// filters, as bytes), 42 (ip), 43 (ro), 44 (get and put; signatures are the caller's), 45 (nothing on the wire), 51
// (sample_infohashes), and the topic key of BEP 50. BEP 46 is a value inside BEP 44. [RawArgs], [RawResults] and
// [Message.Decode] carry everything else, through github.com/anacrolix/torrent/bencode.
//
// # Concurrency
//
// Functions and values of the codec have no state of their own: a Message may be read by several goroutines as long as
// nobody writes to the datagram below it. An RPC is safe for concurrent use; a [Lookup] has one owner. Handlers of
// queries run one after the other on the goroutine that reads the socket and must not block.
package krpc
