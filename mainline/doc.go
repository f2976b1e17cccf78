// Package mainline is a node of the BitTorrent DHT (BEP 5).
//
// A Node joins through bootstrap addresses, keeps its table of other nodes alive, answers ping, find_node, get_peers and
// announce_peer, and looks things up:
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
// Every lookup is a handle that is ranged over. Results come as they arrive; leaving the loop frees whatever is in flight;
// an error is the last thing that comes, at most once. A node that does not answer is no error but a number in Stats. The
// handle outlives the loop: PeerLookup.Announce writes to the nodes that the lookup found, with their tokens.
//
// # What a node answers
//
//   - ping, find_node and get_peers with the 8 closest nodes that have answered a query of ours themselves; get_peers with a
//     token and a random sample of the peers announced for the info hash, too, and for a scrape (BEP 33) with filters from
//     which seeds and other peers can be counted.
//
//   - announce_peer if its token was given to the same address for the same info hash within the last 5 to 10 minutes.
//
//   - any other method that has a target like find_node (BEP 51 counts on it), else with error 204.
//
//   - get and put (BEP 44): items of up to 1000 bytes are kept for two hours after they were put last.
//
//   - sample_infohashes (BEP 51) with all info hashes that it has peers of, or with 20 that stay the same for five minutes.
//
// No reply exceeds 1024 bytes, or 1200 with an item. A read-only node (BEP 43) answers nothing.
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
// A Node is safe for concurrent use. A handle that it returned belongs to one goroutine. A node has one goroutine per
// connection and one timer, however many lookups are in progress.
package mainline
