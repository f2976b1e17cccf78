// Package lab runs experiments: our real nodes, lookups and crawls in networks that are simulated by packages sim and
// swarm. What decides here is the code that runs in production, mainline.Node and below, stepped instead of started: no
// socket, no goroutine, no clock.
//
//	res, err := lab.RunLookups(lab.LookupRun{
//		Swarm:   swarm.Config{Nodes: 1_000_000, Seed: 1},
//		Lookups: 1000, Profile: routing.Fast(),
//	})
//
// RunLookups and RunCrawl send one observer into a procedural swarm, of up to ten million nodes. RunFleet lets thousands
// of full nodes live together: they join, look up, leave, crash. Fleet is the host of full nodes for experiments of one's
// own. RunRPC looks up in a network of full dht-rpc nodes (dhtrpc.Node), our way and the original's.
//
// The observer is a well connected node in Europe. Runs with equal configurations give equal results, and equal trace
// hashes. A run is single-threaded; run several seeds side by side.
package lab
