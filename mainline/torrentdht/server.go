package torrentdht

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/anacrolix/dht/v2"
	"golang.org/x/time/rate"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// ErrClosed is returned by Announce and AddNode after Close.
var ErrClosed = errors.New("torrentdht: closed")

// Config of a Server. The zero value works.
type Config struct {
	Port    int           // TCP and uTP port to announce; 0 means the one the client names, negative none: only look
	Window  time.Duration // how long an announcement keeps looking for peers; 0 means 15 min, after which the client asks anew
	Lookups int           // at once, of all announcements; 0 means 8
	Pings   rate.Limit    // pings per second; 0 means 5

	// Seed says whether the torrent is complete here, for those who count seeds (BEP 33). It is called before each
	// announcement. Nil means that none is.
	Seed func(infoHash [20]byte) bool

	Logger *slog.Logger // nil means no log
}

// From anacrolix/torrent: an announcement is closed 15 minutes after it began, and another one follows.
const defaultWindow = 15 * time.Minute

func (c Config) withDefaults() Config {
	c.Window = cmp.Or(c.Window, defaultWindow)
	c.Lookups = cmp.Or(max(0, c.Lookups), 8)
	c.Pings = cmp.Or(c.Pings, 5)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Server gives a torrent client a node as its DHT. Its methods are those that the client asks for, but for the result of
// Announce: see As. It is safe for concurrent use.
type Server struct {
	node   *mainline.Node // immutable after New, like cfg
	cfg    Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	turns  turns
	pings  pinger
	count  counters

	mu     sync.Mutex // guards what follows
	closed bool
	wg     sync.WaitGroup // announcements and pings; added to while not closed
}

// New returns a Server for a node, which stays the caller's, to be closed after it.
func New(node *mainline.Node, cfg Config) *Server {
	s := &Server{node: node, cfg: cfg.withDefaults()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.turns = newTurns(s.cfg.Lookups)
	s.pings.init(s)
	return s
}

// Close ends the announcements and pings in progress and waits for their goroutines. It does not close the node.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	return nil
}

// start runs f on a goroutine of its own, which Close waits for; false if the Server is closed.
func (s *Server) start(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.wg.Go(f)
	}
	return !s.closed
}

// ID returns the node's id, that of its first endpoint.
func (s *Server) ID() [20]byte { return s.node.ID() }

// Addr returns the local address of the node's first endpoint, a *net.UDPAddr: the client tells its peers the port (BEP 5,
// PORT message).
func (s *Server) Addr() net.Addr { return net.UDPAddrFromAddrPort(s.node.Addr()) }

// Handle is the method set of torrent.DhtAnnounce.
type Handle interface {
	Peers() <-chan dht.PeersValues
	Close()
}

// Adapted is a Server whose Announce returns the client's own interface type. See As.
type Adapted[A Handle] struct{ *Server }

// As makes a torrent.DhtServer of a Server:
//
//	client.AddDhtServer(torrentdht.As[torrent.DhtAnnounce](server))
//
// The client's interface names its own DhtAnnounce as the result of Announce, and in Go only a method with that very type
// will do; with it as the type argument this package need not import the client. As panics if *Announce does not have all
// methods of A.
func As[A Handle](s *Server) Adapted[A] {
	_ = any((*Announce)(nil)).(A)
	return Adapted[A]{s}
}

// Announce is Server.Announce with another result type.
func (s Adapted[A]) Announce(infoHash [20]byte, port int, impliedPort bool) (handle A, err error) {
	a, err := s.Server.Announce(infoHash, port, impliedPort)
	if err != nil {
		return handle, err
	}
	return any(a).(A), nil
}

// aPort is what an announcement says of where the peer is.
type aPort struct {
	port    uint16
	implied bool // take the source port of the datagram (BEP 5)
}

// portOf decides what to announce; false means nothing. The client always asks for the implied port, since its own DHT
// shares a socket with uTP. That is right for a node only if it shares the port, too, at each endpoint: else other peers
// would knock at the node's door.
func (s *Server) portOf(port int, implied bool) (aPort, bool) {
	if s.cfg.Port != 0 {
		port, implied = s.cfg.Port, false
	}
	if port < 1 || port > 65535 {
		return aPort{}, false
	}
	p := aPort{port: uint16(port), implied: implied}
	for _, e := range s.node.Endpoints() {
		p.implied = p.implied && p.port == e.Addr().Port()
	}
	return p, true
}

func (s *Server) options(infoHash krpc.ID, p aPort) (opts []mainline.AnnounceOption) {
	if p.implied {
		opts = append(opts, mainline.ImpliedPort())
	}
	if s.cfg.Seed != nil && s.cfg.Seed(infoHash) {
		opts = append(opts, mainline.Seed())
	}
	return opts
}
