// Package simnet is a network in memory: datagrams with a latency of its own
// for each link, loss, and nothing on the other side of an unknown address. It
// carries real sockets inside a testing/synctest bubble, where its latencies
// pass in virtual time.
//
//	net := simnet.New(simnet.Config{Seed: 1, Loss: 0.01})
//	defer net.Close()
//	a := net.Listen(netip.MustParseAddrPort("10.0.0.1:6881"))
//	b := net.Listen(netip.MustParseAddrPort("10.0.0.2:6881"))
//	a.WriteToUDPAddrPort([]byte("hello"), netip.MustParseAddrPort("10.0.0.2:6881"))
//
// ListenNAT binds an address behind a port-restricted NAT.
//
// What happens to the n-th datagram of a link depends on the seed, the link
// and n alone, so it does not change with the order in which goroutines run.
// Latencies are spread to the nanosecond, so that packets of different links
// hardly ever tie.
//
// For networks of more than a thousand nodes, and for experiments that have to be repeated bit by bit, see the packages
// below this one: sim, an engine in virtual time on one thread; swarm, up to ten million procedural nodes; lab,
// experiments with lookups, crawls and full nodes.
//
// Net and Conn are safe for concurrent use. No goroutine is started; packets
// under way are timers, which do nothing once their conn is closed.
package simnet
