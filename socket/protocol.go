package socket

import (
	"net/netip"
	"time"
)

// Class is what a Protocol sees in a datagram at first glance.
type Class uint8

const (
	Drop     Class = iota // nothing of ours: counted as malformed
	Request               // somebody asks: goes to Serve
	Response              // an answer or an error: matched with a query
	Foreign               // another protocol's, which shares the port: goes to Config.Foreign
)

// Datagram is one received packet.
type Datagram struct {
	Payload []byte         // valid during the call it is passed to
	From    netip.AddrPort // IPv4 is never in its IPv6-mapped form
	Conn    int            // index of the conn it arrived on
	At      time.Time
}

// Protocol is what the socket has to know of the messages it carries. Serve and
// Classify run on the read goroutines, one a conn, and thus at the same time
// when there are several conns. They must not block and not keep the payload.
type Protocol interface {
	// Classify looks at a datagram and returns its class and the transaction
	// id as it was sent, a view into payload. It must accept any bytes.
	Classify(payload []byte) (Class, []byte)
	// Serve appends the response to dst, or nothing for silence. The socket's
	// lock is not held.
	Serve(dst []byte, d Datagram) []byte
	// Tick is the protocol's own upkeep. It returns when it wants to be called
	// next, or the zero time for not before the next Wake. It is first called at Start, never
	// twice at the same time, and without the socket's lock.
	Tick(now time.Time) time.Time
}

// Packet writes a query. It must append the same bytes for the same tid each
// time, because resends call it again, and it must not change while its query
// is open: the read and timer goroutines call it.
type Packet interface {
	AppendPacket(dst, tid []byte) []byte
}

// Query is one question to one address.
type Query struct {
	To     netip.AddrPort
	Packet Packet
	Conn   int    // index of the conn to send from
	Tag    uint64 // the caller's own, comes back in each event

	// Soft is when the query is reported Late, Hard when it is given up, both
	// counted from the moment it was first sent. 0 means 1 s and 10 s; a
	// negative Soft, or one not before Hard, means that Late is not reported.
	Soft, Hard time.Duration

	Resends     int           // how many times the same bytes are sent again
	ResendAfter time.Duration // and after how long; 0 means 1 s

	// Waits, if there are any, replace Resends and ResendAfter: how long after each
	// sending the next one follows. It must not change while the query is open.
	Waits []time.Duration

	AnyAddress bool // the answer may come from any source, see Config.AnyAddress
}

// EventKind says what happened.
type EventKind uint8

const (
	Reply      EventKind = iota // answered, maybe after a Late: the query is over
	Late                        // soft deadline passed: the group's slot is free, an answer still counts
	Timeout                     // hard deadline passed: the query is over
	Room                        // a Send that got ErrFull may be tried again
	SendFailed                  // the packet could not be sent, see Err: the query is over
)

func (k EventKind) String() string {
	switch k {
	case Reply:
		return "reply"
	case Late:
		return "late"
	case Timeout:
		return "timeout"
	case Room:
		return "room"
	case SendFailed:
		return "send failed"
	}
	return "unknown"
}

// Event reports what happened to a query, or to a group (Room).
type Event struct {
	Kind    EventKind
	To      netip.AddrPort // the query's destination
	From    netip.AddrPort // Reply: where it came from; differs from To only with AnyAddress
	Tag     uint64
	Payload []byte        // Reply: the datagram; a copy of one's own from Wait, a view in OnEvent
	RTT     time.Duration // since the query was first sent
	Conn    int           // Reply: the conn it arrived on; else the query's
	At      time.Time
	Err     error // SendFailed: why
}

// GroupConfig describes queries that live and die together.
type GroupConfig struct {
	Window int // queries in flight, late ones not counted; 0: only the socket's limits

	// Background groups get at most a quarter of the socket's window between
	// them, and only what foreground groups leave.
	Background bool

	// OnEvent, if set, is called as each event happens, on a read goroutine or
	// the timer's, never on that of a caller, one event of the socket at a time
	// and in order, without the socket's lock: it may call Send and Group.Close,
	// not Socket.Close, and must not block. Returning false keeps the event from
	// being queued for Wait.
	OnEvent func(Event) bool
}
