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
//     token and a random sample of the peers announced for the info hash, too.
//   - announce_peer if its token was given to the same address for the same info hash within the last 5 to 10 minutes.
//   - any other method that has a target like find_node (BEP 51 counts on it), else with error 204.
//
// No reply exceeds 1024 bytes. A read-only node (BEP 43) answers nothing.
//
// # Concurrency
//
// A Node is safe for concurrent use. A handle that it returned belongs to one goroutine. A node has one goroutine per
// connection and one timer, however many lookups are in progress.
package mainline
