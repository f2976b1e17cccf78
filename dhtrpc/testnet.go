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
	testnetSettle = 30 * time.Second

	testnetPoll     = time.Millisecond       // before the second look, twice as long before each one more
	testnetPatience = 4 * time.Millisecond   // with the strangers
	testnetPause    = 250 * time.Millisecond // the longest
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

// settle waits until no node is a stranger: others look at newcomers before they name them. Who still is one after a while
// looks around again.
func (t *Network) settle(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for pause, waited := testnetPoll, time.Duration(0); ; pause = min(2*pause, testnetPause) {
		strangers := t.strangers()
		if len(strangers) == 0 {
			return nil
		}
		if waited > testnetSettle {
			return fmt.Errorf("dhtrpc: hardly any node knows %v, nor %d more", strangers[0].Addr(), len(strangers)-1)
		}
		if pause >= testnetPatience {
			for _, n := range strangers {
				n.Refresh()
			}
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
			waited += pause
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// strangers returns the nodes that should be persistent and are not, or that too few others know.
func (t *Network) strangers() []*Node {
	known := make(map[ID]int, len(t.Nodes))
	members := make([]member, 0, len(t.Nodes))
	var strangers []*Node
	for _, n := range t.Nodes {
		for _, c := range n.Contacts(0) {
			known[c.ID]++
		}
		if id, shown := n.ID(); shown {
			members = append(members, member{id, n})
		} else if n.cfg.Mode == Persistent {
			strangers = append(strangers, n)
		}
	}
	slices.SortFunc(members, func(a, b member) int { return a.id.Key().Compare(b.id.Key()) })
	for i, m := range members {
		if known[m.id] < min(testnetKnown, len(t.Nodes)-1) || len(members) > 1 && !neighbour(members, i).has(m.id) {
			strangers = append(strangers, m.node)
		}
	}
	return strangers
}

// member is a node that shows its id.
type member struct {
	id   ID
	node *Node
}

// neighbour returns a node of those that share the longest prefix with member i of the sorted ones: one beside it does.
func neighbour(sorted []member, i int) *Node {
	switch {
	case i == 0:
		return sorted[1].node
	case i == len(sorted)-1:
		return sorted[i-1].node
	}
	self := sorted[i].id.Key()
	if routing.CommonBits(sorted[i-1].id.Key(), self) > routing.CommonBits(self, sorted[i+1].id.Key()) {
		return sorted[i-1].node
	}
	return sorted[i+1].node
}

// has reports whether a node is in the table.
func (n *Node) has(id ID) bool {
	near := n.Closest(id, 1)
	return len(near) == 1 && near[0].ID == id
}
