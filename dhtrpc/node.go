package dhtrpc

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc/internal/token"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Node is a member of a dht-rpc network. It is safe for concurrent use, but for the stepped form.
type Node struct {
	cfg   Config // immutable after New
	wire  framing
	boot  bootstrap
	open  func(before []netip.AddrPort) ([]socket.Conn, error) // opens the sockets again after a suspension; nil: cannot
	life  context.Context                                      // ended by Close
	die   context.CancelFunc
	ready chan struct{}  // closed when the first lookup is over
	wg    sync.WaitGroup // resolving goroutines
	rand  *mathrand.Rand // guarded by mu

	running sync.Mutex // held by Suspend, Resume and Close, taken before mu

	mu       sync.Mutex // guards what follows; taken before the socket's lock, never held while calling out
	sock     *socket.Socket
	clock    time.Time // last time seen: what time it is for a stepped node
	closed   bool
	asleep   bool // suspended
	after    []func()
	handlers map[uint64]func(*Request)
	fallback func(*Request)

	table   *routing.Table
	tokens  token.Jar
	trips   *roundTrips  // nil: fixed timeouts
	rtts    routing.RTTs // of all answers, for when a query of a lookup is late
	net     network
	out     outbox
	checks  checks
	up      upkeep
	delayed delayed
	watch   watch
	counts  counters
}

// New starts a node on connections of the caller's, which it owns from then on: Close closes them. The first is the server
// socket, whose port others are to reach. With a second one, the client socket, the node can find out whether it is behind
// a firewall. Without any nothing is started: that form is stepped through Socket by a simulator.
func New(cfg Config, conns ...socket.Conn) (*Node, error) {
	n, err := newNode(cfg)
	if err != nil {
		return nil, err
	}
	n.start(conns)
	return n, nil
}

func newNode(cfg Config) (*Node, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg:      cfg,
		wire:     framingOf(cfg.Network),
		ready:    make(chan struct{}),
		handlers: make(map[uint64]func(*Request)),
		tokens:   newJar(),
	}
	if cfg.Foreign != nil {
		n.wire.others = socket.Foreign
	}
	n.boot.init(cfg.Bootstrap)
	n.life, n.die = context.WithCancel(context.Background())
	var seed [32]byte
	if cfg.Socket.Seed != nil {
		seed = *cfg.Socket.Seed
	} else {
		rand.Read(seed[:]) // never fails
	}
	n.rand = mathrand.New(mathrand.NewChaCha8(seed))
	n.out.window.max = cfg.MaxWindow
	n.out.sessions = make(map[*session]struct{})
	if cfg.Timeouts != nil {
		n.trips = newRoundTrips(*cfg.Timeouts)
	}
	n.table = routing.NewTable(n.randomKey(), n.tableConfig())
	return n, nil
}

// start gives the node its sockets and lets it run.
func (n *Node) start(conns []socket.Conn) {
	sock := socket.New(n.cfg.Socket, &protocol{node: n, served: make([]served, max(2, len(conns)))}, conns...)
	n.mu.Lock()
	n.sock, n.asleep, n.net.stepped = sock, false, len(conns) == 0
	n.clock = n.now()
	n.net.init(n, max(len(conns), len(n.cfg.Socket.Local)))
	n.up.init(n)
	n.unlock()
	sock.Start()
}

// now is what time it is for a caller from outside.
func (n *Node) now() time.Time {
	switch {
	case n.cfg.Socket.Now != nil:
		return n.cfg.Socket.Now()
	case n.stepped():
		return n.clock
	}
	return time.Now()
}

// unlockedNow is now for who does not hold the lock.
func (n *Node) unlockedNow() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now()
}

// stepped: no conns of its own, so its owner moves packets and time.
func (n *Node) stepped() bool { return n.net.stepped }

// later has f called when the lock has been given up.
func (n *Node) later(f func()) {
	if f != nil {
		n.after = append(n.after, f)
	}
}

// unlock gives up the lock and then does what was put off.
func (n *Node) unlock() {
	after := n.after
	n.after = nil
	n.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// Close ends everything in progress with ErrClosed, closes the sockets and waits for the goroutines. It must not be
// called from a handler or an event.
func (n *Node) Close() error {
	n.running.Lock()
	defer n.running.Unlock()
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.die()
	sock := n.sock
	n.out.failAll(ErrClosed)
	n.delayed.clear()
	n.later(n.cfg.On.Close)
	n.unlock()
	err := sock.Close()
	n.boot.close()
	n.wg.Wait()
	return err
}

// Ready waits until the first lookup is over, whatever it found; the names of bootstrap nodes are resolved for it. A node
// may be used before.
func (n *Node) Ready(ctx context.Context) error {
	select {
	case <-n.ready:
		return nil
	case <-n.life.Done():
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Socket returns the socket below, for its statistics and for simulators. Resume makes a new one.
func (n *Node) Socket() *socket.Socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sock
}

// Addr returns the local address of the server socket.
func (n *Node) Addr() netip.AddrPort { return n.Socket().Addr(serverConn) }

// ID returns the node's id; false while it is ephemeral and has none for others.
func (n *Node) ID() (ID, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return ID(n.table.Self()), !n.net.ephemeral
}

// randomKey returns the table's own key while the address is not known. It is never sent but as a target.
func (n *Node) randomKey() routing.Key {
	return routing.RandomKey(n.rand, IDSize, routing.Key{}, 0)
}
