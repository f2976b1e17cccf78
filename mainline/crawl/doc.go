// Package crawl walks the whole Mainline DHT, or whatever network a mainline.Node can reach, and streams the nodes that
// answer.
//
//	c := crawl.New(node, crawl.Config{})
//	for found, err := range c.Nodes(ctx) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(found.ID, found.Addr)
//	}
//	fmt.Println(c.Stats().Queries, "queries")
//
// Each node that answers is asked for the neighbours of its own id, and every other one for those of a random target. Random
// targets alone never find the young part of a network, which only its neighbours know. At the end, nodes are asked for the
// branches beside their own that seem to be empty: who lives alone there is the neighbour of nobody.
//
// What only one node names may be an invention of its. Where few of such contacts answer, the nodes that did are asked for
// more of their buckets rather than the contacts for anything.
//
// NewSize estimates how many nodes there are without asking all of them: it counts the nodes around some random points
// nearly completely and derives the total, with an interval, from their density.
//
// The crawl runs in the caller's loop and starts no goroutine. How fast it may ask is the node's business
// (mainline.Config.Rate); how much it has in flight is Config.Window. Stop and Stats are safe for concurrent use, Nodes is
// ranged over once.
package crawl
