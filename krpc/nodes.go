package krpc

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/routing"
)

// Nodes returns the verified nodes of the table: save them, and give them to the next run as Config.Nodes.
func (r *RPC) Nodes() []routing.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	nodes := make([]routing.Node, 0, r.table.Len())
	for c := range r.table.All() {
		if c.Verified {
			nodes = append(nodes, c.Node)
		}
	}
	return nodes
}

// Contacts returns everything the table holds: verified nodes, then candidates that were never asked.
func (r *RPC) Contacts() []routing.Contact {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []routing.Contact
	for c := range r.table.All() {
		all = append(all, c)
	}
	return all
}

// Nearest returns up to n verified nodes of the table, nearest to target first.
func (r *RPC) Nearest(target routing.Key, n int) []routing.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table.AppendClosest(nil, target, n)
}

// AppendNearest appends to dst what Nearest returns.
func (r *RPC) AppendNearest(dst []routing.Node, target routing.Key, n int) []routing.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table.AppendClosest(dst, target, n)
}

// Len returns the number of verified nodes in the table.
func (r *RPC) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table.Len()
}

// Swap answers Config.OnFull: the dead node leaves the table and the newcomer takes its place. It reports whether it did.
func (r *RPC) Swap(dead, newcomer routing.Node) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table.Swap(dead, newcomer, time.Now())
}

// Remove takes a node out of the table.
func (r *RPC) Remove(n routing.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table.Remove(n)
}

// Clear empties the table.
func (r *RPC) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table.Clear()
}

// Bootstrap returns the addresses of Config.Bootstrap that are of our own family. It fails only if there are names and not
// one has any address.
func (r *RPC) Bootstrap(ctx context.Context) ([]netip.AddrPort, error) {
	addrs, err := r.boot.Resolve(ctx, time.Now())
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.AddrPort) bool { return a.Addr().Is6() != r.v6 }), err
}

// AddAnswered puts a node into the table as if it had answered a query now: for nodes that another layer has talked to.
func (r *RPC) AddAnswered(n routing.Node, rtt time.Duration, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table.Answered(n, rtt, now)
}
