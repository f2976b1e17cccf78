//go:build !linux

package localnet

// address returns where node i listens: on this system only 127.0.0.1 is sure to be there.
func address(int) string { return "127.0.0.1:0" }
