// Package routing holds what every Kademlia DHT over UDP shares: keys and their XOR metric, the k-bucket table, the
// iterative lookup, and the drivers that run a lookup or ask a list of nodes. It knows no message format and no socket.
//
// Table and Lookup are plain values: they start no goroutine, read no clock and hold no lock. Time comes in as an
// argument, what to send comes out as a result:
//
//	t := routing.NewTable(self, routing.Config{})
//	t.Answered(node, rtt, now)                 // node answered a query of ours
//	near := t.AppendClosest(nil, target, 8)
//
//	l := routing.NewLookup(target, routing.Fast())
//	for _, n := range near {
//		l.Add(n, routing.Node{})
//	}
//	n, ok := l.Next()                          // ask n now …
//	l.Settle(n, routing.Late)                  // slot free again, the answer is still welcome
//
// Walk and Batch drive the two over an Asker, which is whatever sends queries; they are generic over the type of its
// replies only and offer a blocking form (range over Replies) and a stepped one (Start, Step).
//
// The rules are those of BEP 5 where it has any: buckets of K that split only around the own id, a node is good for 15
// minutes, buckets untouched for as long are refreshed. On top come the lessons of running networks: only nodes that
// answered us enter a bucket, one node per address and few per /24, wide far buckets that prefer short round trips,
// queries that are late before they are dead.
//
// Nothing here is safe for concurrent use: each Table, Lookup, Walk and Batch has one owner.
package routing
