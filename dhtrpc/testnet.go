package dhtrpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// TestnetConfig describes a network inside the process. The zero value is one of persistent nodes on 127.0.0.1.
type TestnetConfig struct {
	Node     Config                           // of every node; Private and Bootstrap are set, and Mode unless it is given
	Conn     func(i int) (socket.Conn, error) // of node i; nil: a UDP socket of the loopback interface
	Wave     int                              // nodes that join at the same time; 0 means 64
	Progress func(ready, total int)           // hears of every wave that has joined; may be nil
}

// Network is a running test network.
type Network struct {
	Nodes []*Node // the first is the one that others began at; not to be changed
}

const (
	testnetWave   = 64
	testnetKnown  = 8 // tables a node has to be in, or all of them
	testnetPoll   = 5 * time.Millisecond
	testnetSettle = 30 * time.Second
)

// Testnet runs a network of n nodes and returns when all of them have joined, are persistent, and can be found. On an
// error, that of a socket that could not be opened or the cause of ctx, nothing is left running.
func Testnet(ctx context.Context, n int, cfg TestnetConfig) (*Network, error) {
	if n < 1 {
		return nil, fmt.Errorf("dhtrpc: a network of %d nodes: at least 1 is needed", n)
	}
	t := &Network{Nodes: make([]*Node, 0, n)}
	if err := t.grow(ctx, n, cfg); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Bootstrap returns what others join the network through: the address of its first node.
func (t *Network) Bootstrap() []string { return []string{t.Nodes[0].Addr().String()} }

// Close stops all nodes.
func (t *Network) Close() error {
	var errs []error
	for _, n := range t.Nodes {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}

// grow adds nodes in waves, none larger than what is there already.
func (t *Network) grow(ctx context.Context, n int, cfg TestnetConfig) error {
	for len(t.Nodes) < n {
		old := len(t.Nodes)
		for range min(cmp.Or(cfg.Wave, testnetWave), max(1, old), n-old) {
			if err := t.add(cfg, old); err != nil {
				return fmt.Errorf("node %d: %w", len(t.Nodes), err)
			}
		}
		for _, node := range t.Nodes[old:] {
			if err := node.Ready(ctx); err != nil {
				return err
			}
		}
		if cfg.Progress != nil {
			cfg.Progress(len(t.Nodes), n)
		}
	}
	return t.settle(ctx)
}

// add starts one node, which joins through one of the first old nodes.
func (t *Network) add(cfg TestnetConfig, old int) error {
	c := cfg.Node
	c.Private, c.Bootstrap = true, nil
	if old > 0 {
		c.Bootstrap = []string{t.Nodes[rand.IntN(old)].Addr().String()}
	}
	var node *Node
	var err error
	if cfg.Conn == nil {
		node, err = Listen("127.0.0.1:0", c)
	} else {
		var conn socket.Conn
		if conn, err = cfg.Conn(len(t.Nodes)); err == nil {
			node, err = New(c, conn)
		}
	}
	if err != nil {
		return err
	}
	t.Nodes = append(t.Nodes, node)
	return nil
}

// settle waits until no node is a stranger: others look at newcomers before they name them.
func (t *Network) settle(ctx context.Context) error {
	poll := time.NewTicker(testnetPoll)
	defer poll.Stop()
	for round := 1; ; round++ {
		strangers := t.strangers()
		if len(strangers) == 0 {
			return nil
		}
		if time.Duration(round)*testnetPoll > testnetSettle {
			return fmt.Errorf("dhtrpc: hardly any node knows %v, nor %d more", strangers[0].Addr(), len(strangers)-1)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if round%20 == 0 {
			for _, n := range strangers {
				n.Refresh()
			}
		}
	}
}

// strangers returns the nodes that should be persistent and are not, or that too few others know.
func (t *Network) strangers() []*Node {
	known := make(map[ID]int, len(t.Nodes))
	var strangers []*Node
	byID := make(map[*Node]ID, len(t.Nodes))
	for _, n := range t.Nodes {
		for _, c := range n.Contacts(0) {
			known[c.ID]++
		}
		byID[n], _ = n.ID()
	}
	sorted := slices.SortedFunc(slices.Values(t.Nodes), func(a, b *Node) int {
		return byID[a].Key().Compare(byID[b].Key())
	})
	for i, n := range sorted {
		if n.State().Ephemeral {
			if n.cfg.Mode == Persistent {
				strangers = append(strangers, n)
			}
			continue
		}
		id := byID[n]
		near := sorted[max(0, i-1):min(len(sorted), i+2)]
		lonely := slices.ContainsFunc(near, func(o *Node) bool { return o != n && !o.has(id) && adjacent(byID[o], id, sorted, byID) })
		if known[id] < min(testnetKnown, len(t.Nodes)-1) || lonely {
			strangers = append(strangers, n)
		}
	}
	return strangers
}

// adjacent reports whether no other node is nearer to id than o.
func adjacent(o, id ID, sorted []*Node, byID map[*Node]ID) bool {
	return !slices.ContainsFunc(sorted, func(n *Node) bool {
		x := byID[n]
		return x != id && routing.CompareDistance(id.Key(), x.Key(), o.Key()) < 0
	})
}

// has reports whether a node is in the table.
func (n *Node) has(id ID) bool {
	near := n.Closest(id, 1)
	return len(near) == 1 && near[0].ID == id
}
