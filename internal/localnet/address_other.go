//go:build !linux

package localnet

// address returns where node i listens: on this system only 127.0.0.1 is sure to be there.
func address(int) string { return "127.0.0.1:0" }

// diverse: whether no two nodes share an address or a /24, so that the rules about that hold as on the public network.
const diverse = false
