// Package swarm is a network of up to ten million nodes that takes eight bytes a node: the sorted first 64 bits of their
// ids. Everything else about a node is computed when it is asked for, from the seed and the node's number: whether it is
// alive, its age, who is in its routing table. Nodes answer real KRPC datagrams through the packet interface of package
// sim, so lookups and crawls run against a swarm with the code they have in production.
//
// Node numbers are positions in the sorted list of ids, so they are sim.Nodes as well. Dead nodes have a number and a
// place in the tables of others; they do not answer. A table of node n has k contacts in each bucket: draws from the
// range of ids that share d bits with n's and differ in the next, or all of the range if it has no more. With age skew a
// slot holds the oldest of several draws, since Kademlia keeps old nodes: young ones are hardly known to others than their
// neighbours. Nothing joins or leaves during an experiment.
//
// A Swarm also knows the truth (Closest, Reachable), for what was found to be compared with.
//
// Liar is a host of nodes that lie, for swarms and for networks of full nodes alike.
package swarm
