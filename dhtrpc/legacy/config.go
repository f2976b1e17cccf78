package legacy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/internal/hosts"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Errors of a node that a caller may branch on. Others come from the routing package (ErrNoNodes, ErrNoAnswer) and the
// socket package (ErrFiltered).
var (
	// ErrTimeout: no answer to any of three attempts.
	ErrTimeout = errors.New("legacy: request timed out")
	// ErrClosed: the node was closed.
	ErrClosed = errors.New("legacy: node closed")
	// ErrNotIPv4: there is no dht-rpc over IPv6.
	ErrNotIPv4 = errors.New("legacy: not an IPv4 address")
	// ErrConns: version 4 has one socket.
	ErrConns = errors.New("legacy: a node has one connection")
)

// BootstrapError says what became of each bootstrap name, when none of them has an address.
type BootstrapError = hosts.Error

// Config of a Node. The zero value works: a persistent node with a random id on a public network, without bootstrap nodes.
type Config struct {
	ID        ID   // own id; zero means a random one
	Ephemeral bool // others are not told the own id, so they cannot list this node; it answers all the same

	Bootstrap []string  // HOST:PORT, asked when the table is small
	Nodes     []Contact // saved nodes, likewise

	Private     bool // the network is on loopback or private addresses: nodes may share addresses
	NoHolepunch bool // nodes that do not answer at once are not reached through whoever named them; see Node.Query

	// OnNode hears of every node that enters the table, with the node's lock held: it must not call the node. OnHolepunch
	// hears of every node that this one helps to reach another. Neither may block.
	OnNode      func(Contact)
	OnHolepunch func(from, to netip.AddrPort)

	Resolve func(ctx context.Context, host string) ([]netip.Addr, error) // looks up Bootstrap's hosts; nil: the system's resolver
	Table   routing.Config                                               // finer points of the table; KeyLen and K are set
	Lookup  routing.LookupConfig                                         // finer points of queries; K and Self are set
	Socket  socket.Config                                                // windows and limits; TIDLen and Private are set; a zero Inbound means PublicInbound unless Private
	Logger  *slog.Logger                                                 // nil: no log
}

// From dht-rpc 4.
const (
	k           = 20 // nodes in a bucket, closest nodes of a query, nodes named in a reply
	concurrency = 16 // requests in flight

	timeout       = 6850 * time.Millisecond // measured: when a request is given up
	tokenLifetime = 5 * time.Minute         // of the secret
)

// attempts are measured, too: how long after the first attempt the second follows, and the third after that.
var attempts = []time.Duration{1600 * time.Millisecond, 2250 * time.Millisecond}

// Ours.
const (
	// goodFor keeps the NATs between us and our nodes open, the most of which forget after two minutes.
	goodFor = 90 * time.Second
	// verifyAtOnce: whoever asks us is asked back while its NAT still lets us in, though at most one stranger a second.
	verifyAtOnce = time.Nanosecond
	// maxRead is all that UDP carries: dht-rpc 4 has no limit of its own.
	maxRead = 65507
	// findHard is how long the way to the nodes of an update waits for one of them: for three attempts and an answer.
	findHard = 4500 * time.Millisecond
)

func (c Config) withDefaults() Config {
	if c.ID == (ID{}) {
		c.ID = RandomID()
	}
	t := &c.Table
	t.KeyLen, t.K = IDSize, k
	t.GoodFor = cmp.Or(t.GoodFor, goodFor)
	t.VerifyDelay = cmp.Or(t.VerifyDelay, verifyAtOnce)
	l := &c.Lookup
	l.K, l.Self = k, c.ID.Key()
	l.Alpha = cmp.Or(l.Alpha, concurrency)
	l.Hard = cmp.Or(l.Hard, timeout)
	c.Socket.TIDLen, c.Socket.Private = 4, c.Private
	c.Socket.MaxRead = cmp.Or(c.Socket.MaxRead, maxRead)
	switch {
	case c.Private:
		t.VerifyDelay = -1
		t.PerIP, t.PerNetBucket, t.PerNetTable = -1, -1, -1
		l.ShareNets = true
	case c.Socket.Inbound == (socket.Inbound{}):
		c.Socket.Inbound = socket.PublicInbound()
	}
	if c.Socket.Logger == nil {
		c.Socket.Logger = c.Logger
	}
	return c
}
