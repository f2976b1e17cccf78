// Package sim is the engine of the laboratory: datagrams between simulated nodes in virtual time, on one thread.
//
// Nodes are numbers. A number and its IPv4 address are computed from each other (Addr, NodeAt), so that a packet finds
// its way without a map, and whatever carries real addresses, a KRPC message for instance, can be simulated. A Host
// answers for a range of nodes: a full node each, or ten million that are computed when they are asked.
//
//	e := sim.New(sim.Config{Seed: 1, Link: sim.NewLinks(sim.SwarmA(1))})
//	e.Attach(0, 1000, host)
//	e.Send(0, 1, []byte("hello"))
//	e.Run(time.Minute)
//	fmt.Printf("%016x\n", e.Hash())
//
// Events of one instant happen in the order in which they were scheduled. Everything random comes from seeds, so equal
// seeds give equal traces: Hash covers time, both ends and bytes of all datagrams delivered.
//
// Links is the network between the nodes: round trips, loss, duplicates, reordering, NATs, slow nodes, dead links. Any
// other Link will do.
//
// Nothing in this package is safe for concurrent use. Run several seeds side by side instead.
package sim
