//go:build !unix

package localnet

// openFiles returns how many files the process may have open. This system sets no such limit on sockets.
func openFiles() (limit uint64, known bool) { return 0, false }
