package localnet

import "fmt"

// address returns where node i listens: all of 127.0.0.0/8 is this machine, so each node gets a /24 of its own.
func address(i int) string { return fmt.Sprintf("127.%d.%d.1:0", 1+i/256, i%256) }

// diverse: whether no two nodes share an address or a /24, so that the rules about that hold as on the public network.
const diverse = true
