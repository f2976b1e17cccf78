package mainline

import (
	"cmp"
	"context"
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
		ID:        c.ID[:],
		Bootstrap: c.Bootstrap,
		Private:   c.Private,
		Diverse:   c.Diverse,
		ReadOnly:  c.ReadOnly,
		Timeout:   c.Timeout,
		Upkeep:    !c.NoUpkeep,
		Logger:    c.Logger,
		Table:     routing.Config{Far: c.Far},
		Socket:    socket.Config{Window: c.Window, Logger: c.Logger},
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

// Node is one node of the Mainline DHT: it answers ping, find_node, get_peers and announce_peer, keeps its table alive and
// looks up peers and nodes. It is safe for concurrent use; the handles it returns are not.
type Node struct {
	cfg Config // immutable after New
	rpc *krpc.RPC
	out []answer // scratch of the handlers, one per connection

	mu     sync.Mutex // guards what follows; taken before the RPC's lock
	tokens tokenJar
}

// Listen opens a UDP socket at addr ("HOST:PORT"; no host means all IPv4 addresses, port 0 any port) and starts a node.
func Listen(addr string, cfg Config) (*Node, error) {
	return newNode(cfg, 1, func(cfg krpc.Config) (*krpc.RPC, error) { return krpc.Listen(addr, cfg) })
}

// New starts a node on connections of the caller's, all of one address family, which it owns from then on. Without any
// it is stepped by a simulator, through RPC().Socket().
func New(cfg Config, conns ...socket.Conn) (*Node, error) {
	return newNode(cfg, max(1, len(conns)), func(cfg krpc.Config) (*krpc.RPC, error) { return krpc.New(cfg, conns...) })
}

func newNode(cfg Config, conns int, open func(krpc.Config) (*krpc.RPC, error)) (*Node, error) {
	n := &Node{cfg: cfg.withDefaults(), out: make([]answer, conns)}
	rpc := n.cfg.rpc()
	rpc.Handlers = map[string]func(*krpc.Query){
		krpc.MethodPing:         n.servePing,
		krpc.MethodFindNode:     n.serveFindNode,
		krpc.MethodGetPeers:     n.serveGetPeers,
		krpc.MethodAnnouncePeer: n.serveAnnouncePeer,
		"":                      n.serveUnknown,
	}
	var err error
	if n.rpc, err = open(rpc); err != nil {
		return nil, err
	}
	return n, nil
}

// Close stops the node: every call in progress ends, and no goroutine is left.
func (n *Node) Close() error { return n.rpc.Close() }

// Ready waits until the node has joined, or has tried: see Len for how many nodes it knows then.
func (n *Node) Ready(ctx context.Context) error { return n.rpc.Ready(ctx) }

// ID returns the node's own id.
func (n *Node) ID() krpc.ID { return krpc.ID(n.rpc.ID()) }

// Addr returns the local address; its IP is unspecified if the node listens on all.
func (n *Node) Addr() netip.AddrPort { return n.rpc.Addr() }

// Len returns the number of nodes in the table. Each has answered a query of ours.
func (n *Node) Len() int { return n.rpc.Len() }

// Nodes returns the nodes in the table, for Config.Nodes of the next run.
func (n *Node) Nodes() []krpc.Node { return nodesOf(n.rpc.Nodes()) }

// RPC returns the layer below, for queries of any other method, own walks and statistics.
func (n *Node) RPC() *krpc.RPC { return n.rpc }

func nodesOf(nodes []routing.Node) []krpc.Node {
	out := make([]krpc.Node, len(nodes))
	for i, c := range nodes {
		out[i] = krpc.Node{ID: krpc.IDOf(c.Key), Addr: c.Addr}
	}
	return out
}
