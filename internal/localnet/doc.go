// Package localnet runs a whole Mainline network inside the process: real nodes on real UDP sockets of the loopback
// interface, which join through each other like strangers do.
//
//	net, err := localnet.Start(ctx, 1000, localnet.Config{})
//	if err != nil {
//		return err
//	}
//	defer net.Close()
//	node, err := mainline.Listen("127.0.0.1:0", mainline.Config{Private: true, Bootstrap: net.Bootstrap()})
//
// On Linux every node has an address in a /24 of its own (127.a.b.1), so that what a node does to keep its table diverse
// sees a network like the real one; elsewhere only 127.0.0.1 can be relied on, and the nodes differ by port.
//
// A node costs one open file and the goroutine that reads its socket; the package adds none of its own. A Net is safe for
// concurrent use once Start has returned it.
package localnet
