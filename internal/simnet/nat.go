package simnet

import (
	"net/netip"
	"sync"
	"time"
)

// natMemory is how long a NAT lets somebody in after a datagram to him.
const natMemory = 2 * time.Minute

// nat is a port-restricted cone NAT: one public address and port whoever is written to, and answers only from addresses and
// ports that were written to (RFC 4787: endpoint-independent mapping, address and port-dependent filtering).
type nat struct {
	mu     sync.Mutex // guards opened
	opened map[netip.AddrPort]time.Time
}

// ListenNAT binds addr behind a NAT of its own. Others see its datagrams come from public, which must not be bound, and
// reach it there if it has sent them something within the last two minutes.
func (n *Net) ListenNAT(addr, public netip.AddrPort) *Conn {
	return n.listen(public, &nat{opened: make(map[netip.AddrPort]time.Time)}, addr)
}

func (t *nat) open(to netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opened[to] = time.Now()
}

func (t *nat) admits(from netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.opened[from]
	return ok && time.Since(at) <= natMemory
}
