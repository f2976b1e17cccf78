package socket

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

var (
	// ErrFull says that a limit leaves no room for a query now. The group
	// gets one Room event when there is room again.
	ErrFull = errors.New("socket: no room for another query now")
	// ErrFiltered says that the destination is one no packet may go to:
	// see Routable; our own addresses are refused too.
	ErrFiltered = errors.New("socket: destination refused by the address filter")
	// ErrClosed is returned by everything on a closed group or socket.
	ErrClosed = errors.New("socket: closed")
	// ErrNoConn says that a query or datagram named a conn that is not there.
	ErrNoConn = errors.New("socket: no such conn")
	// ErrNoPacket says that a query's Packet was nil, or appended nothing.
	ErrNoPacket = errors.New("socket: query without a packet")
)

// MaxDatagram is the largest datagram read, in bytes of UDP payload, if Config does
// not say otherwise. Longer ones are counted and dropped unread.
const MaxDatagram = 2048

// Config tunes a Socket. The zero value is usable: 1024 queries in flight, no
// rate limit, the public network's address filter.
type Config struct {
	// Window is the number of queries in flight of the whole socket, late ones
	// included. 0 means 1024. At most a quarter of the transaction ids are ever
	// in use, so TIDLen 2 caps the window at 16384.
	Window int

	Packets rate.Limit // query packets (resends included) per second; 0: unlimited
	Burst   int        // how many of them may go at once; 0: a tenth of Packets, at least 1

	// NewPerMinute limits first queries to destinations (address and port) that
	// were not queried in the last 10 minutes; 0: unlimited. A tenth of it may
	// go at once.
	NewPerMinute int

	// Spacing is the least time between two query packets to one address;
	// 0: none. A query that comes too early is delayed, not refused: it counts
	// as in flight and its deadlines run from the moment it is really sent.
	// On a private network, where nodes share addresses, it is per address and port.
	Spacing time.Duration

	// Foreign gets the datagrams that Classify says are another protocol's, within the address filter and MaxRead, and without
	// any limit. It runs like Protocol.Serve. nil: they are dropped. SendRaw is the way back.
	Foreign func(Datagram)

	Inbound Inbound // limits on the requests of strangers; zero: none; see PublicInbound

	Private    bool // loopback and private addresses are fine, see Routable
	TIDLen     int  // bytes of our transaction ids, 2 to 4; 0 means 4
	MaxRead    int  // bytes of the largest datagram read; 0 means MaxDatagram
	AnyAddress bool // a reply may come from any source, the id alone must match (dht-rpc's relays)

	// Seed makes the transaction ids repeatable, for simulators. nil: drawn
	// from crypto/rand. Whoever knows the seed can forge replies.
	Seed *[32]byte

	// Local names our addresses, one a conn, when the socket is stepped and has
	// no conns to ask. Ignored for indices that have a conn.
	Local []netip.AddrPort

	Now    func() time.Time // nil: time.Now, or in the stepped form the time last stepped to
	Logger *slog.Logger     // nil: no log
}

const (
	defaultWindow  = 1024
	defaultTIDLen  = 4
	backgroundPart = 4 // background groups get one in this many of the window's slots
)

// Of a query, when its own fields are 0.
const (
	defaultSoft        = time.Second
	defaultHard        = 10 * time.Second
	defaultResendAfter = time.Second

	longest = 1 << 60 * time.Nanosecond // 36 years; keeps the arithmetic from wrapping
)

func (c Config) withDefaults() Config {
	if c.TIDLen == 0 {
		c.TIDLen = defaultTIDLen
	}
	c.TIDLen = min(max(c.TIDLen, 2), 4)
	if c.MaxRead <= 0 {
		c.MaxRead = MaxDatagram
	}
	if c.Window <= 0 {
		c.Window = defaultWindow
	}
	c.Window = min(c.Window, 1<<(8*c.TIDLen-2))
	if c.Burst <= 0 {
		c.Burst = max(1, int(min(float64(c.Packets), 1e9)/10))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
