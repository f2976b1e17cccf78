// Package torrentdht lets github.com/anacrolix/torrent use a mainline.Node as its DHT, and converts ids, contacts and messages
// to and from the types of github.com/anacrolix/dht/v2/krpc. It is the only package of this module that knows them. It does
// not import the client itself, which is large.
//
// # A client with our node
//
// Tell the client to have no DHT of its own, and give it the Server before the first torrent: the client asks the servers
// that are there when a torrent is added, and takes no lock when one comes later.
//
//	cfg := torrent.NewDefaultClientConfig()
//	cfg.NoDHT = true
//	client, err := torrent.NewClient(cfg)
//	…
//	node, err := mainline.Listen(":0", mainline.Config{Bootstrap: mainline.PublicBootstrap})
//	…
//	server := torrentdht.New(node, torrentdht.Config{})
//	client.AddDhtServer(torrentdht.As[torrent.DhtAnnounce](server))
//	t, err := client.AddMagnet("magnet:?xt=urn:btih:…")
//
// The client closes neither Server nor node. At the end close the Server, then the node, then the client.
//
// # Announcements
//
// Announce returns at once and streams the peers of an info hash as they are found. It goes on looking for 15 minutes, ever
// more seldom, so that nothing is lost when the node has just started, or the torrent has no peers yet; after them the client
// asks anew. Few lookups are in progress at a time (Config.Lookups), however many torrents the client has, and those that
// were never looked for go first. See Server.Announce.
//
// The port that others are told is the client's. It is left for them to see (implied_port, BEP 5) only where that is right,
// which is on a shared port: see Server.Announce and Config.Port.
//
// # One port for everything
//
// A client listens for uTP on a UDP port, and the DHT can share it: one hole in the firewall, one mapping in the router. The
// uTP sockets hand out what is not uTP.
//
//	client, err := torrent.NewClient(cfg) // cfg.NoDHT
//	…
//	node, err := mainline.New(mainline.Config{…}, torrentdht.Conns(client.Listeners())...)
//
// Each connection is an endpoint of the node; Conns names one for each address family the client listens on. They stay the
// client's: closing the node leaves them open. Any other net.PacketConn is shared by Share.
//
// # Peers that announce themselves to us
//
// Who announces a torrent to our node wants to be found, and the client may have that torrent. The client's own DHT tells it;
// with our node it takes a few lines, since mainline.Config.OnQuery must not wait for the client's lock:
//
//	type announced struct {
//		infoHash [20]byte
//		peer     netip.AddrPort
//	}
//	heard := make(chan announced, 64)
//	nodeConfig.OnQuery = func(q *krpc.Query) {
//		if infoHash, peer, ok := torrentdht.Announced(q); ok {
//			select {
//			case heard <- announced{infoHash, peer}:
//			default: // too fast: it will come again
//			}
//		}
//	}
//	…
//	for a := range heard { // on a goroutine of its own
//		if t, ok := client.Torrent(a.infoHash); ok {
//			t.AddPeers([]torrent.PeerInfo{{
//				Addr:   torrent.StringAddr(a.peer.String()),
//				Source: torrent.PeerSourceDhtAnnouncePeer,
//			}})
//		}
//	}
//
// # Nodes that the client hears of
//
// AddNode (Client.AddDhtNodes, nodes in a torrent file) and Ping (PORT messages of peers) name addresses, no more: they are
// pinged, at a bounded rate, and who answers enters the table.
//
// # Conversions
//
// To… makes a value of anacrolix/dht/v2/krpc, From… one of ours:
//
//	ToID      FromID       ids and info hashes
//	ToAddr    FromAddr     an address and port
//	ToPeers   FromPeers    values of get_peers
//	ToNode    FromNode     contacts
//	ToCompact FromCompact  compact lists of contacts, IPv4 (26 bytes each) and IPv6 (38 bytes)
//	ToMsg     FromMsg      whole messages: queries, answers and errors
//	ToArgs    FromArgs     arguments of queries: BEP 5, 32, 33, 44 and 51, and methods of one's own
//	ToReturn  FromReturn   results of answers
//
// What is converted shares no memory with what it was made of. Nothing in a datagram makes a conversion panic, nor do
// values over which the other side's encoder panics: an address in the list of the wrong family, samples.
//
// # Concurrency
//
// A Server and its announcements are safe for concurrent use. An announcement has one goroutine while it lasts.
package torrentdht
