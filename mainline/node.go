package mainline

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"golang.org/x/time/rate"
)

// PublicBootstrap are the names through which the public network is joined. They are configuration, never forced on
// anybody (BEP 5): a node without Config.Bootstrap talks to nobody.
var PublicBootstrap = []string{
	"router.bittorrent.com:6881",
	"router.utorrent.com:6881",
	"dht.transmissionbt.com:6881",
	"dht.libtorrent.org:25401",
}

// Config of a Node. The zero value works: an address of its own choice, a random id, nobody to join.
type Config struct {
	ID        krpc.ID           // own id; zero means a random one
	Bootstrap []string          // HOST:PORT to join through; see PublicBootstrap
	Nodes     []krpc.Node       // contacts saved by an earlier run (Node.Nodes), asked before any bootstrap address
	Private   bool              // a network on loopback or private addresses
	Diverse   bool              // on a private network, too, one node per address and few per /24
	ReadOnly  bool              // BEP 43: ask, and answer nothing
	Version   string            // "v" of our messages, 4 bytes; "" means "DK\x00\x01", "-" none
	Peers     PeerStore         // where announced peers are kept; nil means NewPeerStore with its defaults
	Rate      float64           // queries per second; 0 means 250, or no limit on a private network; negative no limit
	Timeout   time.Duration     // a silent node has failed after this; 0 means 4s
	Window    int               // queries in flight of the whole node; 0 means 1024
	Inbound   socket.Inbound    // limits on the queries of strangers; zero means socket.PublicInbound, or none on a private network
	Far       []int             // capacities of the far buckets, farthest first; nil means 128, 64, 32, 16; empty means 8 as near ones
	NoUpkeep  bool              // do not join, ping or refresh: the table lives on what lookups bring
	OnQuery   func(*krpc.Query) // hears of every query that was answered, after the fact; must not block
	Logger    *slog.Logger      // nil means no log
}

// defaultVersion marks our messages: client letters, then two bytes of version (BEP 5).
const defaultVersion = "DK\x00\x01"

func (c Config) withDefaults() Config {
	if c.ID == (krpc.ID{}) {
		c.ID = krpc.RandomID()
	}
	c.Version = cmp.Or(c.Version, defaultVersion)
	if c.Rate == 0 && !c.Private {
		c.Rate = 250
	}
	if c.Far == nil {
		c.Far = routing.WideFar
	}
	if c.Peers == nil {
		c.Peers = NewPeerStore(StoreConfig{})
	}
	return c
}

func (c Config) rpc() krpc.Config {
	out := krpc.Config{
		Bootstrap: c.Bootstrap,
		Private:   c.Private,
		Diverse:   c.Diverse,
		ReadOnly:  c.ReadOnly,
		Timeout:   c.Timeout,
		Upkeep:    !c.NoUpkeep,
		Logger:    c.Logger,
		Table:     routing.Config{Far: c.Far},
		Socket:    socket.Config{Window: c.Window, Inbound: c.Inbound, Logger: c.Logger},
	}
	if c.Version != "-" {
		out.Version = []byte(c.Version)
	}
	if c.Rate > 0 {
		out.Socket.Packets, out.Socket.Burst = rate.Limit(c.Rate), max(1, int(c.Rate/10))
	}
	for _, n := range c.Nodes {
		out.Nodes = append(out.Nodes, routing.Node{Key: n.ID.Key(), Addr: n.Addr})
	}
	return out
}

// Node is one node of the Mainline DHT: it answers ping, find_node, get_peers and announce_peer, keeps its tables alive and
// looks up peers and nodes. It is safe for concurrent use; the handles it returns are not.
type Node struct {
	cfg    Config      // immutable after New
	ends   []*Endpoint // at least one, likewise
	closed chan struct{}
	once   sync.Once // closes it
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
	ofFamily := make(map[bool]int)
	for i := range max(1, len(conns)) {
		e, own := &Endpoint{node: n, index: i}, conns[min(i, len(conns)):min(i+1, len(conns))]
		v6 := len(own) > 0 && krpc.IsIPv6(own[0])
		var err error
		if e.rpc, err = krpc.New(n.rpcConfig(e, apart(n.cfg.ID, krpc.RandomID(), ofFamily[v6])), own...); err != nil {
			return nil, err
		}
		n.ends = append(n.ends, e)
		ofFamily[v6]++
	}
	for _, e := range n.ends {
		e.rpc.Start()
	}
	return n, nil
}

// rpcConfig is what the layer below an endpoint is told.
func (n *Node) rpcConfig(e *Endpoint, id krpc.ID) krpc.Config {
	out := n.cfg.rpc()
	out.ID, out.Endpoint, out.Hold = id[:], e.index, true
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

// Nodes returns the nodes in the tables, for Config.Nodes of the next run.
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
