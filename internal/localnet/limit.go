package localnet

import (
	"errors"
	"fmt"
	"syscall"
)

// spareFiles is what the program keeps open besides the nodes' sockets. Ours, generous.
const spareFiles = 64

// LimitError reports a number of nodes that does not fit on this machine.
type LimitError struct {
	Nodes int
	Most  int  // that fit
	Files bool // it is the limit of open files that is in the way; it can be raised
}

func (e *LimitError) Error() string {
	switch {
	case e.Nodes < 1:
		return fmt.Sprintf("localnet: a network of %d nodes: at least 1 is needed", e.Nodes)
	case e.Files:
		return fmt.Sprintf("localnet: %d nodes need %d open files, which leaves room for %d nodes at most: raise the limit with `ulimit -n %d` or ask for fewer",
			e.Nodes, e.Nodes+spareFiles, e.Most, e.Nodes+spareFiles)
	}
	return fmt.Sprintf("localnet: %d nodes: at most %d have a loopback address of their own", e.Nodes, e.Most)
}

// fits says whether n nodes fit, as a *LimitError if not.
func fits(n int) error {
	limit, known := openFiles()
	return fitsIn(n, limit, known)
}

// fitsIn is fits with a limit of open files, if one is known.
func fitsIn(n int, limit uint64, known bool) error {
	if n < 1 || n > MaxNodes {
		return &LimitError{Nodes: n, Most: MaxNodes}
	}
	if known && uint64(n)+spareFiles > limit {
		return &LimitError{Nodes: n, Most: max(0, int(limit)-spareFiles), Files: true}
	}
	return nil
}

// openError explains why node i could not be opened.
func openError(err error, i int) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return errors.Join(&LimitError{Nodes: i + 1, Most: i, Files: true}, err)
	}
	return fmt.Errorf("localnet: node %d: %w", i, err)
}
