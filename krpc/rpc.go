package krpc

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dhtkit/dhtkit/internal/hosts"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Errors of an RPC that a caller may branch on.
var (
	// ErrTimeout: the node did not answer before the hard deadline.
	ErrTimeout = errors.New("krpc: query timed out")
	// ErrBadReply: the node answered with something that is no answer to the query (BEP 5: no id, no r).
	ErrBadReply = errors.New("krpc: reply without a usable id")
	// ErrClosed: the RPC was closed while the call was in progress.
	ErrClosed = errors.New("krpc: closed")
)

// BootstrapError says what became of each bootstrap name, when none of them has an address.
type BootstrapError = hosts.Error

// Config of an RPC. The zero value works: a node with a random id, no bootstrap, on a public network.
type Config struct {
	IDLen int    // bytes of an id, 1..32; 0 means 20 (BEP 5)
	ID    []byte // own id of IDLen bytes; nil means a random one

	K           int           // bucket size, and how many nodes a lookup ends with; 0 means 8 (BEP 5)
	Concurrency int           // queries in flight of one lookup or QueryAll; 0: what the profile says, 16 for QueryAll (k-rpc)
	Timeout     time.Duration // a silent node has failed after this; 0 means 4s

	Bootstrap []string       // HOST:PORT, asked when the table does not hold K nodes; IPv6 literals in brackets
	Nodes     []routing.Node // saved contacts, asked before any bootstrap address; those of the other family are left out

	// Resolve turns a bootstrap host into addresses, on a goroutine; nil means the system's resolver. It is asked for all names
	// side by side, again after 10 minutes, and after 5 seconds if no name gave an address.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// Handlers answer the queries of their methods from the first datagram on; see RPC.OnQuery.
	Handlers map[string]func(*Query)

	ReadOnly bool   // BEP 43: queries carry ro=1 and nothing is answered
	Private  bool   // the network is on loopback or private addresses: nodes may share addresses, newcomers are asked at once
	Diverse  bool   // on a private network, too, one node per address and few per /24
	Version  []byte // "v" of our messages, 4 bytes; nil means none
	NoEcho   bool   // leave "ip", the requester's address (BEP 42), out of answers

	Endpoint int  // what Query.Endpoint says, for programs with several RPCs
	Hold     bool // send and read nothing before Start

	// The source of a query may be forged. An answer has at most MaxReply bytes, and is at most Amplify times as long as its
	// query unless the address has repeated a token lately (see Query.Prove); AmplifyStrangers is a stricter Amplify, for
	// instance 3.2. 0 means 1200 bytes, 12 times, and no stricter one; on a private network no limit. Negative: no limit.
	MaxReply                  int
	Amplify, AmplifyStrangers float64

	Upkeep bool // keep the table alive without being asked: join, ping, refresh (see Ready)

	// OnOther hears of every node of the other address family that answers to the joins of this RPC name, which then ask for
	// both lists (want, BEP 32); see RPC.Introduce. WantOther, if set, has the refreshes of buckets ask for both, too, while it
	// says so. OnOther runs without the RPC's lock, WantOther with it; neither may block.
	OnOther   func(n routing.Node, at time.Time)
	WantOther func() bool

	// OnAddress hears of our own address as each matched answer tells it (ip, BEP 42), not valid if it does not. An id that it
	// returns becomes the own id, as by SetID; nil means no change. It runs with the RPC's lock held.
	OnAddress func(seen, from netip.AddrPort, at time.Time) []byte

	// OnNode hears of every node that enters the table, OnFull of every newcomer whose bucket has no room (see
	// RPC.Swap; nil means the table's own policy). Both run with the RPC's lock held and must not call it.
	OnNode func(routing.Node)
	OnFull func(old []routing.Node, newcomer routing.Node)

	Table  routing.Config       // finer points of the table; KeyLen, K and OnFull are set from above
	Lookup routing.LookupConfig // profile of Closest; the zero value means routing.Fast
	Socket socket.Config        // windows and limits; Private is set from above; a zero Inbound means PublicInbound if the network is not private
	Logger *slog.Logger         // nil means no log
}

func (c Config) withDefaults() (Config, error) {
	if c.IDLen == 0 {
		c.IDLen = 20
	}
	if c.IDLen < 1 || c.IDLen > 32 {
		return c, fmt.Errorf("krpc: id length %d is not within 1..32", c.IDLen)
	}
	if c.ID == nil {
		c.ID = make([]byte, c.IDLen)
		rand.Read(c.ID)
	}
	if len(c.ID) != c.IDLen {
		return c, fmt.Errorf("krpc: own id has %d bytes, the network's ids have %d", len(c.ID), c.IDLen)
	}
	c.K = cmp.Or(c.K, 8)
	c.Timeout = cmp.Or(c.Timeout, 4*time.Second)
	if c.Lookup.Alpha == 0 && c.Lookup.Extra == 0 && c.Lookup.PerReply == 0 {
		c.Lookup.Extra = routing.Fast().Extra
	}
	c.Table.KeyLen, c.Table.K, c.Table.OnFull = c.IDLen, c.K, c.OnFull
	c.Socket.Private = c.Private
	if c.Private {
		c.Table.VerifyDelay = -1
	} else {
		c.guard()
	}
	if c.Private && !c.Diverse {
		c.Table.PerIP, c.Table.PerNetBucket, c.Table.PerNetTable = -1, -1, -1
		c.Lookup.ShareNets = true
	}
	return c, nil
}

// guard sets the limits that a public network needs.
func (c *Config) guard() {
	c.MaxReply, c.Amplify = cmp.Or(c.MaxReply, defaultMaxReply), cmp.Or(c.Amplify, defaultAmplify)
	if c.Socket.Inbound == (socket.Inbound{}) {
		c.Socket.Inbound = socket.PublicInbound()
	}
}

// RPC speaks KRPC on one or more datagram connections: it asks (Query, QueryAll, Closest, Populate), answers
// (OnQuery) and keeps the routing table of the nodes that answered. It is safe for concurrent use.
//
// Only a node that answered a query of ours enters the table; nodes that merely asked, and read-only ones, do not.
type RPC struct {
	cfg  Config // immutable after New
	sock *socket.Socket
	boot hosts.Hosts

	v6    bool    // the family of the connections: contacts of the other one are of no use
	asked []Query // one per conn, reused by its read goroutine

	id atomic.Pointer[[]byte] // own id; a slice that is never changed

	liars   liars // has a lock of its own
	started atomic.Bool
	lonely  atomic.Bool // see Lonely
	conns   int

	mu       sync.Mutex // guards what follows; taken before the socket's lock
	table    *routing.Table
	handlers map[string]func(*Query)
	fallback func(*Query)
	counts   Counts
	proven   fading[netip.Addr, struct{}] // addresses that are no forgery
	up       upkeep
}

// Counts are what an RPC saw that the socket cannot tell apart.
type Counts struct {
	Queries    uint64 // well-formed queries received
	Errors     uint64 // error messages received in answer to our queries
	BadReplies uint64 // replies without a usable id
	Mismatches uint64 // replies with another id than the node asked for
	Malformed  uint64 // datagrams that are no KRPC message
	Banned     uint64 // times that a node was found out to make up ids, and left alone for an hour
}

// Listen opens a UDP socket at addr ("HOST:PORT"; no host means all IPv4 addresses, port 0 any port) and starts an RPC on
// it.
func Listen(addr string, cfg Config) (*RPC, error) {
	conn, err := ListenUDP(addr)
	if err != nil {
		return nil, err
	}
	r, err := New(cfg, conn)
	if err != nil {
		conn.Close()
	}
	return r, err
}

// ListenUDP opens the socket of Listen: of IPv4 alone, or of IPv6 alone if the host is an IPv6 address, [::] included.
func ListenUDP(addr string) (*net.UDPConn, error) {
	ua, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("krpc: listen address %q: %w", addr, err)
	}
	network := "udp6"
	if ua.IP == nil || ua.IP.To4() != nil {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, ua)
	if err != nil {
		return nil, fmt.Errorf("krpc: %w", err)
	}
	return conn, nil
}

// New starts an RPC on connections of the caller's, which it owns from then on: Close closes them. Without any
// connection nothing is started: that form is stepped through Socket by a simulator.
func New(cfg Config, conns ...socket.Conn) (*RPC, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &RPC{
		cfg:      cfg,
		handlers: make(map[string]func(*Query)),
		asked:    make([]Query, max(1, len(conns))),
		proven:   newFading[netip.Addr, struct{}](provenFor, maxProven),
	}
	r.liars.init(cfg.Private && !cfg.Diverse)
	cfg.Table.OnChange = r.onChange
	r.table = routing.NewTable(routing.KeyOf(cfg.ID), cfg.Table)
	r.id.Store(&cfg.ID)
	r.conns = len(conns)
	r.v6 = len(conns) > 0 && IsIPv6(conns[0])
	r.cfg.Nodes = slices.DeleteFunc(slices.Clone(cfg.Nodes), func(n routing.Node) bool { return n.Addr.Addr().Unmap().Is6() != r.v6 })
	r.boot.Init(cfg.Bootstrap, cfg.Resolve, r.joinAtOnce)
	r.sock = socket.New(cfg.Socket, r, conns...)
	for method, handle := range cfg.Handlers {
		r.OnQuery(method, handle)
	}
	r.up.init(r)
	if !cfg.Hold {
		r.Start()
	}
	return r, nil
}

// Start begins to read and to join, if Config.Hold kept New from it. A second time it does nothing.
func (r *RPC) Start() {
	if r.conns > 0 && r.started.CompareAndSwap(false, true) {
		r.sock.Start()
	}
}

// IsIPv6 reports whether a connection is bound to an IPv6 address.
func IsIPv6(c socket.Conn) bool {
	ua, ok := c.LocalAddr().(*net.UDPAddr)
	return ok && ua.IP != nil && ua.IP.To4() == nil
}

// Close ends every call in progress, closes the connections and waits for the goroutines.
func (r *RPC) Close() error {
	r.up.stop()
	r.boot.Close()
	return r.sock.Close()
}

// ID returns the own id, IDLen bytes.
func (r *RPC) ID() []byte { return *r.id.Load() }

// SetID gives the RPC another id of IDLen bytes: the table is rebuilt around it, and the node looks its new neighbours up.
func (r *RPC) SetID(id []byte, now time.Time) error {
	if len(id) != r.cfg.IDLen {
		return fmt.Errorf("krpc: own id has %d bytes, the network's ids have %d", len(id), r.cfg.IDLen)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rebaseLocked(id, now)
	return nil
}

func (r *RPC) rebaseLocked(id []byte, now time.Time) {
	id = slices.Clone(id)
	r.id.Store(&id)
	r.table.Rebase(routing.KeyOf(id), now)
	r.up.lookupSelf()
}

// Key returns the own id as a routing key.
func (r *RPC) Key() routing.Key { return routing.KeyOf(r.ID()) }

// IDLen returns the length of the network's ids in bytes.
func (r *RPC) IDLen() int { return r.cfg.IDLen }

// IPv6 reports whether the connections are of that family, as the first one says.
func (r *RPC) IPv6() bool { return r.v6 }

// Addr returns the local address of the first connection.
func (r *RPC) Addr() netip.AddrPort { return r.sock.Addr(0) }

// Socket returns the socket below, for its statistics and for simulators.
func (r *RPC) Socket() *socket.Socket { return r.sock }

// InFlight returns the number of queries sent and neither answered nor failed.
func (r *RPC) InFlight() int { return r.sock.InFlight() }

// Counts returns what was seen so far.
func (r *RPC) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counts
	c.Banned = r.liars.count()
	return c
}

// Losses says why queries of ours had no use, and why datagrams were dropped: reason to count, only those above zero.
func (r *RPC) Losses() map[string]uint64 {
	losses := r.sock.Stats().Losses()
	c := r.Counts()
	for name, n := range map[string]uint64{"krpc-error": c.Errors, "bad-reply": c.BadReplies, "id-mismatch": c.Mismatches, "malformed": c.Malformed, "banned": c.Banned} {
		if n > 0 {
			losses[name] += n
		}
	}
	return losses
}
