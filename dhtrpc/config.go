package dhtrpc

import (
	"cmp"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Errors of a node that a caller may branch on. Others come from the routing package (ErrNoNodes, ErrNoAnswer) and the
// socket package (ErrFiltered).
var (
	// ErrTimeout: no answer to any attempt.
	ErrTimeout = errors.New("dhtrpc: request timed out")
	// ErrClosed: the node was closed.
	ErrClosed = errors.New("dhtrpc: node closed")
	// ErrSuspended: the node was suspended, see Node.Suspend.
	ErrSuspended = errors.New("dhtrpc: node suspended")
	// ErrTooLong: a message of more than MaxMessage bytes, which its receiver would drop unread.
	ErrTooLong = errors.New("dhtrpc: message too long")
	// ErrDelay: a delayed ping of more than Config.MaxPingDelay.
	ErrDelay = errors.New("dhtrpc: delay too long")
	// ErrTooFewNodes: a commit with nobody to commit to.
	ErrTooFewNodes = errors.New("dhtrpc: too few nodes responded")
	// ErrNotIPv4: there is no dht-rpc over IPv6.
	ErrNotIPv4 = errors.New("dhtrpc: not an IPv4 address")
)

// Mode says whether a node is one of those that others put into their tables (dht-rpc 7.3). Every node answers.
type Mode uint8

const (
	// Default is Persistent on a private network, Adaptive elsewhere.
	Default Mode = iota
	// Adaptive nodes begin ephemeral and turn persistent after 20 minutes if they can be reached from outside.
	Adaptive
	// Persistent nodes turn persistent as soon as they know their address and can be reached: at once if the address is
	// known (Config.Public, or the address bound on a private network), else when the first lookup has told them.
	Persistent
	// Ephemeral nodes stay out of others' tables for good.
	Ephemeral
)

func (m Mode) String() string {
	switch m {
	case Adaptive:
		return "adaptive"
	case Persistent:
		return "persistent"
	case Ephemeral:
		return "ephemeral"
	}
	return "default"
}

// Config of a node. The zero value works: an adaptive node without bootstrap nodes on a public network.
type Config struct {
	// Bootstrap nodes, asked when the table holds fewer than 20 nodes: HOST:PORT, or IP@HOST:PORT where the name is
	// resolved only if nobody answers at the address.
	Bootstrap []string
	// Nodes known before, the most recent first: asked before any bootstrap node. See Node.Contacts, SaveNodes.
	Nodes []netip.AddrPort

	Mode   Mode
	Open   bool           // the server port can be reached from outside: no firewall check, one socket is enough
	Public netip.AddrPort // our address as others see it, if that is known; implies Open

	NoQuickProbe bool // an adaptive node does not ask right at the start whether it can be reached
	ExactPort    bool // Listen fails if the port is taken, instead of trying others

	Private bool   // the network is on loopback or private addresses
	Diverse bool   // few nodes of one address, and of one /24, in the table and in lookups
	Network string // only nodes with the same name here are talked to; not compatible with other implementations

	Concurrency int       // requests of a query that count as in flight at once; 0 means 10
	MaxWindow   int       // unanswered datagrams in 750 ms, see the manual; 0 means 80
	Timeouts    *Timeouts // deadlines follow the round trips of each node; nil: one second for each attempt

	Filter       func(netip.AddrPort) bool // false keeps an address out of table and queries; must not call the node
	DownHints    int                       // sent in 5 s at most; 0 means 50, negative: none
	MaxPingDelay time.Duration             // of delayed pings, in both directions; 0 means 10 s
	RowOrder     bool                      // name nodes in the order npm's dht-rpc does (dht-rpc 11.4), not the nearest first: for comparisons
	MaxDelayed   int                       // delayed pings of others that wait; 0 means 1024

	// Foreign gets datagrams of other protocols, and of networks with another name, that come in on the node's sockets: streams
	// and hole punches of applications share the port. It runs on the goroutine that reads and must not block nor keep the
	// payload. Node.Socket().SendRaw is the way back, Node.Receive the other way round. nil: they are dropped.
	Foreign func(socket.Datagram)

	On     Events
	Lookup routing.LookupConfig // finer points of queries; K, Alpha, ShareNets and Self are set from above
	Table  routing.Config       // finer points of the table; KeyLen, K, OnFull and OnMember are set
	Socket socket.Config        // windows and limits; TIDLen, Private and Foreign are set, a zero Inbound means socket.PublicInbound on a public network
	Logger *slog.Logger         // nil: no log
}

// Events are called as things happen; nil ones are not. They run without any lock, one after the other, and must not
// block nor call Close, Suspend or Resume.
type Events struct {
	Ready         func()                             // the first lookup is over: queries find what there is
	Persistent    func()                             // others may put us into their tables from now on
	Ephemeral     func()                             // not any more
	Wakeup        func()                             // the machine slept
	Suspend       func()                             //
	Resume        func()                             //
	NATUpdate     func(host netip.Addr, port uint16) // what we know of our public address; port 0: it differs
	AddNode       func(Contact)                      // a node has entered the table
	RemoveNode    func(Contact)                      // and left it
	NetworkChange func()                             // the addresses of this machine have changed
	NetworkUpdate func()                             // that, or Online or Degraded have changed
	Close         func()
}

const (
	nodesPerBucket = 20 // k of dht-rpc: nodes in a bucket, closest of a query, named in a reply

	defaultConcurrency = 10
	defaultMaxWindow   = 80
	defaultDownHints   = 50
	defaultPingDelay   = 10 * time.Second
	defaultDelayed     = 1024
)

func (c Config) withDefaults() (Config, error) {
	c.Concurrency = cmp.Or(max(c.Concurrency, 0), defaultConcurrency)
	c.MaxWindow = cmp.Or(max(c.MaxWindow, 0), defaultMaxWindow)
	c.DownHints = cmp.Or(c.DownHints, defaultDownHints)
	c.MaxPingDelay = cmp.Or(c.MaxPingDelay, defaultPingDelay)
	c.MaxDelayed = cmp.Or(max(c.MaxDelayed, 0), defaultDelayed)
	if c.Mode == Default && c.Private {
		c.Mode = Persistent
	}
	if c.Mode == Default {
		c.Mode = Adaptive
	}
	if c.Public.IsValid() {
		if !c.Public.Addr().Unmap().Is4() || c.Public.Port() == 0 || c.Public.Addr().IsUnspecified() {
			return c, ErrNotIPv4
		}
		c.Public = netip.AddrPortFrom(c.Public.Addr().Unmap(), c.Public.Port())
		c.Open = true
	}
	for _, name := range c.Bootstrap {
		if err := checkName(name); err != nil {
			return c, err
		}
	}
	c.table()
	c.lookup()
	c.Socket.TIDLen, c.Socket.Private, c.Socket.Foreign = 2, c.Private, c.Foreign
	if !c.Private && c.Socket.Inbound == (socket.Inbound{}) {
		c.Socket.Inbound = socket.PublicInbound()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Socket.Logger == nil {
		c.Socket.Logger = c.Logger
	}
	return c, nil
}

// Ours: how the table is kept, where the original differs (dht-rpc 11, 12).
const (
	tableGoodFor = 10 * time.Minute
	tableRefresh = 30 * time.Minute
	verifyAtOnce = time.Nanosecond // newcomers are pinged at once, though at most one stranger a second
)

func (c *Config) table() {
	t := &c.Table
	t.KeyLen, t.K, t.OnFull, t.OnMember = IDSize, nodesPerBucket, nil, nil
	t.GoodFor = cmp.Or(t.GoodFor, tableGoodFor)
	t.RefreshAfter = cmp.Or(t.RefreshAfter, tableRefresh)
	t.MaxFails = cmp.Or(t.MaxFails, 1) // a failure is four attempts or more
	if t.VerifyDelay == 0 {
		t.VerifyDelay = verifyAtOnce
		if c.Private {
			t.VerifyDelay = -1
		}
	}
	if !c.Diverse {
		t.PerIP, t.PerNetBucket, t.PerNetTable = -1, -1, -1
	}
}

// Ours: queries in flight are given up after six attempts of a second, as the original does, or what the profile says.
const queryRetries = 5

func (c *Config) lookup() {
	l := &c.Lookup
	l.K = nodesPerBucket
	l.Alpha = cmp.Or(l.Alpha, c.Concurrency)
	l.ShareNets = !c.Diverse
	l.ResendAfter = cmp.Or(l.ResendAfter, time.Second)
	l.Hard = cmp.Or(l.Hard, (queryRetries+1)*l.ResendAfter)
	l.Self = routing.Key{}
}
