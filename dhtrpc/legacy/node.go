package legacy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/dhtkit/dhtkit/dhtrpc/internal/token"
	"github.com/dhtkit/dhtkit/internal/hosts"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Node is a member of a network of dht-rpc 4. It is safe for concurrent use, but for the stepped form.
type Node struct {
	cfg       Config // immutable after New
	sock      *socket.Socket
	boot      hosts.Hosts
	stepped   bool
	ephemeral atomic.Bool
	clock     atomic.Int64 // of a stepped node: the time of the last step, in Unix nanoseconds

	served  Request       // used again for each request by the goroutine that reads
	closer  []byte        // likewise, for the nodes that are named in the answer
	rid     [4]byte       // likewise, for the rid of an answer to us
	relayed *rate.Limiter // what we send to third parties

	punches punches // has a lock of its own, a leaf but for the socket's

	mu       sync.Mutex // guards what follows; taken before the socket's lock
	table    *routing.Table
	near     []routing.Node // scratch
	tokens   token.Jar
	token    []byte // scratch
	commands map[string]*command
	seen     sightings
	counts   Counts
	up       upkeep
}

// Counts are what a node saw that the socket cannot tell apart.
type Counts struct {
	Requests   uint64 // well-formed queries and updates received
	BadTokens  uint64 // of these, updates without a token of ours: not answered
	Errors     uint64 // our requests that were answered with an error
	Mismatches uint64 // our requests that another node than the one meant answered
	Relayed    uint64 // hole punches passed on or answered across
}

// Ours: hole punches make us send to addresses that a stranger names, so not too often: so many a second, and at once.
const (
	relayRate  = 50
	relayBurst = 200
)

// Listen opens a UDP socket at addr ("HOST:PORT" of IPv4; no host means all addresses, port 0 any port) and starts a node on it.
func Listen(addr string, cfg Config) (*Node, error) {
	ua, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return nil, fmt.Errorf("legacy: listen address %q: %w", addr, err)
	}
	conn, err := net.ListenUDP("udp4", ua)
	if err != nil {
		return nil, fmt.Errorf("legacy: %w", err)
	}
	n, err := New(cfg, conn)
	if err != nil {
		conn.Close()
	}
	return n, err
}

// New starts a node on a connection of the caller's, which it owns from then on: Close closes it. The node joins the network
// by itself, see Ready. Without a connection nothing is started: that form is stepped through Socket by a simulator.
func New(cfg Config, conns ...socket.Conn) (*Node, error) {
	if len(conns) > 1 {
		return nil, ErrConns
	}
	cfg = cfg.withDefaults()
	n := &Node{
		cfg:      cfg,
		stepped:  len(conns) == 0,
		relayed:  rate.NewLimiter(relayRate, relayBurst),
		table:    routing.NewTable(cfg.ID.Key(), cfg.Table),
		tokens:   token.Jar{Lifetime: tokenLifetime},
		commands: make(map[string]*command),
	}
	n.ephemeral.Store(cfg.Ephemeral)
	n.served.node = n
	n.sock = socket.New(cfg.Socket, n, conns...)
	n.boot.Init(cfg.Bootstrap, cfg.Resolve, n.onNews)
	n.up.init(n)
	n.sock.Start()
	return n, nil
}

// Close ends every call in progress, closes the connection and waits for the goroutines. It must not be called from a
// handler.
func (n *Node) Close() error {
	n.mu.Lock()
	n.up.stop()
	n.mu.Unlock()
	n.boot.Close()
	return n.sock.Close()
}

// ID returns the own id, also of an ephemeral node.
func (n *Node) ID() ID { return n.cfg.ID }

// Ephemeral reports whether others are kept from listing this node.
func (n *Node) Ephemeral() bool { return n.ephemeral.Load() }

// Addr returns the local address.
func (n *Node) Addr() netip.AddrPort { return n.sock.Addr(0) }

// Socket returns the socket below, for its statistics and for simulators.
func (n *Node) Socket() *socket.Socket { return n.sock }

// Counts returns what was seen so far.
func (n *Node) Counts() Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts
}

// Ready waits until the first attempt to join has ended, whether anybody answered or not. A node without bootstrap nodes and
// saved ones is ready at once. Queries may be made before.
func (n *Node) Ready(ctx context.Context) error {
	if len(n.cfg.Bootstrap)+len(n.cfg.Nodes) == 0 {
		return nil
	}
	select {
	case <-n.up.joined:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Bootstrap looks for the own neighbours once more. There is seldom a need to: a node does so by itself.
func (n *Node) Bootstrap(ctx context.Context) error {
	q := n.find(n.cfg.ID)
	for _, err := range q.Replies(ctx) {
		if err != nil && !q.lonely() {
			return err
		}
	}
	return nil
}

// Persistent makes an ephemeral node one that others list, and tells them by another Bootstrap. When that fails the node is
// persistent all the same.
func (n *Node) Persistent(ctx context.Context) error {
	n.ephemeral.Store(false)
	return n.Bootstrap(ctx)
}

// now is what time it is for a caller from outside.
func (n *Node) now() time.Time {
	switch {
	case n.cfg.Socket.Now != nil:
		return n.cfg.Socket.Now()
	case n.stepped:
		return time.Unix(0, n.clock.Load()).UTC()
	}
	return time.Now()
}

// tell notes what time it is for a stepped node.
func (n *Node) tell(now time.Time) {
	if n.stepped {
		n.clock.Store(now.UnixNano())
	}
}

// ownID returns the id field of our messages: nil while we are ephemeral.
func (n *Node) ownID() []byte {
	if n.ephemeral.Load() {
		return nil
	}
	return n.cfg.ID[:]
}

// Nodes returns the nodes of the table that have answered us: save them, and give them to the next run as Config.Nodes.
func (n *Node) Nodes() []Contact {
	n.mu.Lock()
	defer n.mu.Unlock()
	nodes := make([]Contact, 0, n.table.Len())
	for c := range n.table.All() {
		if c.Verified {
			nodes = append(nodes, contactOf(c.Node))
		}
	}
	return nodes
}

// AddNode puts a node into the table, as if it had answered us. It reports whether there was a place for it.
func (n *Node) AddNode(c Contact) bool {
	now := n.now()
	n.mu.Lock()
	defer n.mu.Unlock()
	return isIPv4(c.Addr) && n.answeredLocked(nodeOf(c), 0, now)
}

// answeredLocked tells the table of an answer.
func (n *Node) answeredLocked(c routing.Node, rtt time.Duration, now time.Time) bool {
	before := n.table.Len()
	in := n.table.Answered(c, rtt, now)
	if in && n.table.Len() > before && n.cfg.OnNode != nil {
		n.cfg.OnNode(contactOf(c))
	}
	n.up.wakeLocked()
	return in
}

// closestLocked returns the k nodes nearest to target, valid until the next call. While the table does not know k sound
// ones, those that only asked us count, too: in a network of a few nodes everybody has to be found at once.
func (n *Node) closestLocked(target routing.Key) []routing.Node {
	n.near = n.table.AppendClosest(n.near[:0], target, k)
	if len(n.near) == k {
		return n.near
	}
	proven, skip := len(n.near), n.table.Len()
	for c := range n.table.All() {
		if skip--; skip < 0 { // the others wait for a place
			n.near = append(n.near, c.Node)
		}
	}
	nearer := func(a, b routing.Node) int { return routing.CompareDistance(target, a.Key, b.Key) }
	slices.SortFunc(n.near[proven:], nearer)
	n.near = n.near[:min(k, len(n.near))]
	slices.SortFunc(n.near, nearer)
	return n.near
}
