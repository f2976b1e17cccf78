// Command dhtkit works with Kademlia DHTs from the command line: it finds the peers of a torrent, announces, crawls a
// network, asks single nodes, runs a node, and simulates networks of millions.
//
//	dhtkit peers --public 2c6b6858d61da9543d4231a71db4b1c9264b0685
//	dhtkit crawl --local 1000 --json
//
// Results go to standard output, one a line; everything meant for a person goes to standard error. With --json every line
// is an object whose type comes first, and the last one is a summary, also after an interrupt. See "dhtkit help
// exit-codes" for how a run may end and "dhtkit help records" for the objects.
//
// Nothing leaves the machine until a network is named: without --bootstrap and --public the verbs that need a network
// start one of their own on loopback (--local N says how large).
//
// One file holds one verb. What they share: root.go the flags, network.go which network it is and opening a node on it,
// session.go the frame of a run, sim.go that of a simulated one, output.go and records.go what is printed, exit.go how it ends.
package main
