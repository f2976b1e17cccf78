package localnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// MaxNodes is how many nodes have an address of their own on Linux: 127.1.0.1 to 127.254.255.1.
const MaxNodes = 254 * 256

// Ours: nodes that join at the same time. More of them would overflow the receive buffers of those they join through.
const defaultWave = 64

// Ours: who is in so many tables is well known. It is k of BEP 5.
const wellKnown = 8

// Ours: nodes check a newcomer with a ping before they name it to others, and in a crowd they have no time for everybody.
// The network is ready when no node is a stranger; it fails to be when that takes too long.
const (
	settlePoll = 20 * time.Millisecond
	settleMax  = 30 * time.Second
)

// Config of a network. The zero value works.
type Config struct {
	Wave     int                    // nodes that join at the same time; 0 means 64
	Progress func(ready, total int) // hears of every wave that has joined; nil means nobody
	Node     mainline.Config        // of every node; ID, Bootstrap, Private, Diverse and Far are set by Start
}

// Net is a running network.
type Net struct {
	Nodes []*mainline.Node // in the order they joined; not to be changed
}

// Start runs a network of n nodes and returns when every node has joined and can be found. The error is a *LimitError if n does not fit, that of a socket that could not be opened, or the cause of ctx; nothing is
// left running then.
func Start(ctx context.Context, n int, cfg Config) (*Net, error) {
	if err := fits(n); err != nil {
		return nil, err
	}
	net := &Net{Nodes: make([]*mainline.Node, 0, n)}
	if err := net.grow(ctx, n, cfg); err != nil {
		return nil, errors.Join(err, net.Close())
	}
	return net, nil
}

// Bootstrap returns what others join the network through: the address of its first node.
func (t *Net) Bootstrap() []string { return []string{t.Nodes[0].Addr().String()} }

// Close stops all nodes.
func (t *Net) Close() error {
	var errs []error
	for _, n := range t.Nodes {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}

// grow adds nodes in waves. A wave is never larger than what is there already: a crowd that joins through a single node
// learns of nobody but that one.
func (t *Net) grow(ctx context.Context, n int, cfg Config) error {
	wave := cmp.Or(cfg.Wave, defaultWave)
	for len(t.Nodes) < n {
		old := len(t.Nodes)
		for range min(wave, max(1, old), n-old) {
			if err := t.add(cfg.Node, old); err != nil {
				return err
			}
		}
		if err := t.join(ctx, t.Nodes[old:]); err != nil {
			return err
		}
		if cfg.Progress != nil {
			cfg.Progress(len(t.Nodes), n)
		}
	}
	return t.settle(ctx)
}

// add starts one node, which joins through one of the first `old` nodes.
func (t *Net) add(cfg mainline.Config, old int) error {
	i := len(t.Nodes)
	cfg.ID, cfg.Private, cfg.Diverse, cfg.Bootstrap = krpc.ID{}, true, diverse, nil
	cfg.Far = []int{} // wide far buckets would double the pings of newcomers, and everybody is near here
	if old > 0 {
		cfg.Bootstrap = []string{t.Nodes[rand.IntN(old)].Addr().String()}
	}
	node, err := mainline.Listen(address(i), cfg)
	if err != nil {
		return openError(err, i)
	}
	t.Nodes = append(t.Nodes, node)
	return nil
}

// join waits until the nodes of a wave have joined.
func (t *Net) join(ctx context.Context, wave []*mainline.Node) error {
	for _, n := range wave {
		if err := n.Ready(ctx); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// settle waits until no node is a stranger. One that is goes round again, as nodes do every quarter of an hour anyway.
func (t *Net) settle(ctx context.Context) error {
	poll := time.NewTicker(settlePoll)
	defer poll.Stop()
	for deadline := time.Now().Add(settleMax); ; {
		strangers := t.Strangers()
		if len(strangers) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("localnet: hardly any node knows %v, nor %d more", strangers[0].Addr(), len(strangers)-1)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for _, n := range strangers {
			for range n.FindNode(n.ID()).Nodes(ctx) { // that it asks is all that counts
			}
		}
	}
}

// Strangers returns the nodes that a lookup or a crawl may miss: the node nearest to them has them not in its table, or fewer
// than 8 have (or all, in a smaller network).
func (t *Net) Strangers() []*mainline.Node {
	byID := slices.Clone(t.Nodes)
	slices.SortFunc(byID, func(a, b *mainline.Node) int { return key(a).Compare(key(b)) })
	known, least := t.known(), min(wellKnown, len(t.Nodes)-1)
	var strangers []*mainline.Node
	for i, n := range byID {
		if known[n.Addr()] < least || len(byID) > 1 && !knows(nearest(byID, i), n) {
			strangers = append(strangers, n)
		}
	}
	return strangers
}

// known counts in how many tables a node is.
func (t *Net) known() map[netip.AddrPort]int {
	known := make(map[netip.AddrPort]int, len(t.Nodes))
	for _, n := range t.Nodes {
		for _, contact := range n.Nodes() {
			known[contact.Addr]++
		}
	}
	return known
}

// nearest returns a node of those that share the longest prefix with node i of nodes sorted by id: one beside it does.
func nearest(sorted []*mainline.Node, i int) *mainline.Node {
	switch {
	case i == 0:
		return sorted[1]
	case i == len(sorted)-1:
		return sorted[i-1]
	}
	before, self, after := key(sorted[i-1]), key(sorted[i]), key(sorted[i+1])
	if routing.CommonBits(before, self) > routing.CommonBits(self, after) {
		return sorted[i-1]
	}
	return sorted[i+1]
}

func knows(n, other *mainline.Node) bool {
	found := n.RPC().Nearest(key(other), 1)
	return len(found) == 1 && found[0].Addr == other.Addr()
}

func key(n *mainline.Node) routing.Key { return n.RPC().Key() }
