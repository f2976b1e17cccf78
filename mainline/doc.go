// Package mainline is a node of the BitTorrent DHT: BEP 5 with 32, 33, 42, 43, 44, 45, 46 and 51, asking and answering.
//
// A Node joins through bootstrap addresses, keeps its tables of other nodes alive, answers what it is asked, and looks things
// up:
//
//	node, err := mainline.Listen(":6881", mainline.Config{Bootstrap: mainline.PublicBootstrap})
//	if err != nil {
//		return err
//	}
//	defer node.Close()
//	for peer, err := range node.GetPeers(infoHash).Peers(ctx) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(peer) // 203.0.113.7:51413
//	}
//
// # What a node finds
//
// Every lookup is a handle that is ranged over. Results come as they arrive; leaving the loop frees whatever is in flight;
// an error is the last thing that comes, at most once. A node that does not answer is no error but a number in Stats. The
// handle outlives the loop: PeerLookup.Announce writes to the nodes that the lookup found, with their tokens.
//
//   - GetPeers and Announce: the peers of a torrent, and to be one of them (BEP 5).
//   - Scrape: how many seeds and other peers it has (BEP 33).
//   - GetItem, PutItem and Keep: small values under their hash, or signed under a key (BEP 44).
//   - ResolveTorrent and PublishTorrent: torrents that change (BEP 46).
//   - Sample and SampleWalk: info hashes that nodes store (BEP 51).
//   - FindNode, Ping, Query: nodes themselves.
//
// All of these but the last stand on Walk, which sends any query to nodes ever nearer to a target, and Lookup.Write, which
// sends another one to the nearest that gave a token.
//
// # What a node answers
//
//   - ping, find_node and get_peers with the 8 closest nodes that have answered a query of ours themselves; get_peers with a
//     token, unless there is no room for the asker, and a random sample of the peers announced for the info hash, and for a
//     scrape (BEP 33) with filters from which seeds and other peers can be counted.
//   - announce_peer if its token was given to the same address for the same info hash within the last 5 to 10 minutes.
//   - get and put (BEP 44): items of up to 1000 bytes are kept for two hours after they were put last.
//   - sample_infohashes (BEP 51) with all info hashes that it has peers of, or with 20 that stay the same for five minutes.
//   - any other method that has a target like find_node (BEP 51 counts on it), else with error 204.
//
// No reply exceeds 1024 bytes, or 1200 with an item, nor twelve times its query. A read-only node (BEP 43) answers nothing; it
// keeps a smaller table and sends a quarter as much to keep it alive.
//
// # Two networks, several addresses
//
// IPv4 and IPv6 are two networks (BEP 32). With an address of each family a node is part of both, and each lookup is in both,
// as one stream:
//
//	mainline.Listen(":6881", cfg, "[2001:db8::7]:6881")
//
// Each address is an Endpoint with an id, a table and tokens of its own; what others store is the node's. Several addresses
// of one family make a multi-homed node (BEP 45), each of whose lookups is done by one of them. Replies carry the lists that the
// asker wants from both tables, and a join learns of the other network's nodes through the one that it gets into.
//
// # Its own id
//
// Others tell a node how they see it. What most of them agree on is Endpoint.External, and the id follows it as BEP 42 says,
// unless Config.ID is given, the node is read-only or its network private. Config.Secure says what the ids of others are worth.
//
// # From one run to the next
//
// Save writes ids, contacts and what the stores hold; LoadState reads it for Config.State. A node that comes back with contacts
// of which some are alive asks no bootstrap address and no resolver. Bootstrap names are resolved and asked side by side, those
// that fail ever more seldom. When the own link is down nobody is evicted.
//
// # Items
//
// An immutable item is found under the hash of its value, a mutable one under the hash of its owner's key and a salt (BEP 44):
//
//	item, err := mainline.SignItem(key, []byte("salt"), 1, "any bencoded value")
//	for node, err := range node.PutItem(item).Stored(ctx) { … }
//	for item, err := range node.GetItem(item.Target(), mainline.Salt(item.Salt)).Items(ctx) { … }
//
// What is found has been verified; of a mutable item the last one yielded is the newest. To replace what one has read, pass
// Cas: a *ConflictError says that somebody else was faster. Keep puts an item again every hour. PublishTorrent, ResolveTorrent
// and ParseMagnet use items to say which torrent is the current one (BEP 46).
//
// # Counting and sampling
//
// Scrape estimates how many seeds and other peers a torrent has (BEP 33). SampleAt asks one node which info hashes it stores,
// SampleWalk all nodes that can be reached, none before the interval is over that it asked for (BEP 51).
//
// # Stores
//
// Config.Peers and Config.Items take stores of one's own: two methods each. A PeerStore that is a Scraper or a Sampler, too,
// answers scrapes and samples.
//
// # Concurrency
//
// A Node is safe for concurrent use. A handle that it returned belongs to one goroutine. A node has one goroutine and one
// timer for each connection, however many lookups are in progress; names are resolved, and a lookup in two networks waits for a
// join, on goroutines that end with that.
package mainline
