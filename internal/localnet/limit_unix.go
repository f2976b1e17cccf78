//go:build unix

package localnet

import "syscall"

// openFiles returns how many files the process may have open. The runtime has raised the soft limit to the hard one.
func openFiles() (limit uint64, known bool) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return uint64(r.Cur), true
}
