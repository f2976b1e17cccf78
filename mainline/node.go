package mainline

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Node is one node of the Mainline DHT: it answers ping, find_node, get_peers and announce_peer, keeps its tables alive and
// looks up peers and nodes. It is safe for concurrent use; the handles it returns are not.
type Node struct {
	cfg     Config      // immutable after New
	ends    []*Endpoint // at least one, likewise
	items   *items
	samples *samples // nil: none are given
	closed  chan struct{}
	once    sync.Once // closes it
}

// Listen opens a UDP socket at addr, and one at each further address, and starts a node. An address is "HOST:PORT"; no host
// means all IPv4 addresses, port 0 any port. A node of both networks (BEP 32) has an address of each family:
//
//	mainline.Listen(":6881", cfg, "[2001:db8::7]:6881")
//
// For IPv6 a specific address is better than [::], which does not tell from which of the host's addresses an answer goes
// out. Several addresses of one family make a multi-homed node (BEP 45), whose endpoints have ids far apart.
func Listen(addr string, cfg Config, more ...string) (*Node, error) {
	var conns []socket.Conn
	closeAll := func() {
		for _, c := range conns {
			c.Close()
		}
	}
	for _, a := range append([]string{addr}, more...) {
		c, err := krpc.ListenUDP(a)
		if err != nil {
			closeAll()
			return nil, err
		}
		conns = append(conns, c)
	}
	n, err := New(cfg, conns...)
	if err != nil {
		closeAll()
	}
	return n, err
}

// New starts a node on connections of the caller's, which it owns from then on: each is an endpoint, see Listen. Without any
// it has one endpoint of IPv4 and is stepped by a simulator, through RPC().Socket().
func New(cfg Config, conns ...socket.Conn) (*Node, error) {
	n := &Node{cfg: cfg.withDefaults(), closed: make(chan struct{})}
	n.items = &items{store: n.cfg.Items, budget: newCheckBudget()}
	if n.cfg.Samples >= 0 {
		n.samples = &samples{interval: min(cmp.Or(n.cfg.Samples, sampleInterval), maxSampleInterval)}
	}
	ofFamily := make(map[bool]int)
	for i := range max(1, len(conns)) {
		own := conns[min(i, len(conns)):min(i+1, len(conns))]
		v6 := len(own) > 0 && krpc.IsIPv6(own[0])
		e := &Endpoint{node: n, index: i}
		e.tokens.entropy = n.cfg.entropy(i)
		saved := n.cfg.State.endpoint(v6, ofFamily[v6])
		id := apart(n.cfg.own, n.cfg.randomID("id", i), ofFamily[v6])
		if saved != nil && n.cfg.ID.IsZero() {
			id = saved.ID
		}
		var err error
		if e.rpc, err = krpc.New(n.rpcConfig(e, id, saved), own...); err != nil {
			return nil, err
		}
		n.ends = append(n.ends, e)
		ofFamily[v6]++
	}
	n.moved(n.ID())
	if err := n.restore(n.cfg.State, time.Now()); err != nil {
		return nil, err
	}
	for _, e := range n.ends {
		e.rpc.Start()
	}
	return n, nil
}

// rpcConfig is what the layer below an endpoint is told; saved may be nil.
func (n *Node) rpcConfig(e *Endpoint, id krpc.ID, saved *EndpointState) krpc.Config {
	out := n.cfg.rpc()
	out.ID, out.Endpoint, out.Hold = id[:], e.index, true
	out.Socket.Seed = n.cfg.derived("tid", e.index)
	out.OnAddress, out.OnOther, out.WantOther = e.seenAs, e.introduce, e.otherLonely
	if saved != nil {
		out.Nodes = append(out.Nodes, contactsOf(saved.Nodes)...)
	}
	out.Handlers = make(map[string]func(*krpc.Query), len(handlers))
	for method, handle := range handlers {
		out.Handlers[method] = func(q *krpc.Query) { handle(e, q) }
	}
	return out
}

// Close stops the node: every call in progress ends, and no goroutine is left.
func (n *Node) Close() error {
	n.once.Do(func() { close(n.closed) })
	var errs []error
	for _, e := range n.ends {
		errs = append(errs, e.rpc.Close())
	}
	return errors.Join(errs...)
}

// Ready waits until the node has joined, or has tried: see Len for how many nodes it knows then.
func (n *Node) Ready(ctx context.Context) error {
	for _, e := range n.ends {
		if err := e.rpc.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ID returns the node's own id, that of its first endpoint.
func (n *Node) ID() krpc.ID { return n.ends[0].ID() }

// Addr returns the local address of the first endpoint; its IP is unspecified if the node listens on all.
func (n *Node) Addr() netip.AddrPort { return n.ends[0].Addr() }

// Len returns the number of nodes in the tables. Each has answered a query of ours.
func (n *Node) Len() int {
	known := 0
	for _, e := range n.ends {
		known += e.Len()
	}
	return known
}

// Nodes returns the nodes in the tables. To continue in another run, see Save.
func (n *Node) Nodes() []krpc.Node {
	var nodes []krpc.Node
	for _, e := range n.ends {
		nodes = append(nodes, e.Nodes()...)
	}
	return nodes
}

// RPC returns the layer below the first endpoint, for queries of any other method, own walks and statistics.
func (n *Node) RPC() *krpc.RPC { return n.ends[0].rpc }

func nodesOf(nodes []routing.Node) []krpc.Node {
	out := make([]krpc.Node, len(nodes))
	for i, c := range nodes {
		out[i] = krpc.Node{ID: krpc.IDOf(c.Key), Addr: c.Addr}
	}
	return out
}

func contactsOf(nodes []krpc.Node) []routing.Node {
	out := make([]routing.Node, len(nodes))
	for i, n := range nodes {
		out[i] = n.Contact()
	}
	return out
}
