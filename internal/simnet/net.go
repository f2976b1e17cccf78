package simnet

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"
)

// Config describes a network. The zero value is one without loss, with
// latencies of 20 to 200 ms.
type Config struct {
	Seed uint64

	// Latency is how long a datagram takes; nil means a fixed time for each
	// direction of each link, hashed from the seed, 20 to 200 ms.
	Latency func(from, to netip.AddrPort) time.Duration

	Loss  float64 // share of datagrams lost, 0 to 1
	Queue int     // datagrams a conn holds unread, more are dropped; 0 means 1024

	// OnPacket, if set, sees each datagram as it is written, before its fate is
	// decided. b is valid during the call. Calls may come at the same time.
	OnPacket func(from, to netip.AddrPort, b []byte)
}

// Stats counts datagrams. Sent is the sum of the others and those under way.
type Stats struct {
	Sent        uint64
	Delivered   uint64 // put into the queue of a conn
	Lost        uint64 // by Config.Loss
	Unreachable uint64 // nobody listened when it arrived
	Overflow    uint64 // the conn's queue was full
	Refused     uint64 // the conn's NAT did not let it in
}

// Net is a network.
type Net struct {
	cfg Config

	mu     sync.Mutex // guards what follows; never held while a conn's lock is taken
	conns  map[netip.AddrPort]*Conn
	links  map[link]uint64 // datagrams written so far
	sentTo map[netip.AddrPort]uint64
	stats  Stats
	next   uint16 // port for the next Listen that asks for none
}

type link struct{ from, to netip.AddrPort }

const (
	defaultQueue = 1024
	minLatency   = 20 * time.Millisecond
	maxLatency   = 200 * time.Millisecond
	firstPort    = 20000 // of those given out by Listen
)

// New returns an empty network.
func New(cfg Config) *Net {
	if cfg.Queue <= 0 {
		cfg.Queue = defaultQueue
	}
	return &Net{
		cfg:    cfg,
		conns:  make(map[netip.AddrPort]*Conn),
		links:  make(map[link]uint64),
		sentTo: make(map[netip.AddrPort]uint64),
		next:   firstPort,
	}
}

// Listen binds addr, which must not be bound: it panics otherwise, as that is
// a mistake in the test. Port 0 takes a free port.
func (n *Net) Listen(addr netip.AddrPort) *Conn { return n.listen(addr, nil, addr) }

func (n *Net) listen(addr netip.AddrPort, behind *nat, local netip.AddrPort) *Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr.Port() == 0 {
		addr = n.freePortLocked(addr.Addr())
		if behind == nil {
			local = addr
		}
	}
	if n.conns[addr] != nil {
		panic(fmt.Sprintf("simnet: %v is in use", addr))
	}
	c := newConn(n, addr, local, behind)
	n.conns[addr] = c
	return c
}

func (n *Net) freePortLocked(ip netip.Addr) netip.AddrPort {
	for {
		addr := netip.AddrPortFrom(ip, n.next)
		if n.next++; n.next == 0 {
			n.next = firstPort
		}
		if n.conns[addr] == nil {
			return addr
		}
	}
}

// Close closes all conns. Datagrams under way reach nobody.
func (n *Net) Close() {
	n.mu.Lock()
	conns := make([]*Conn, 0, len(n.conns))
	for _, c := range n.conns {
		conns = append(conns, c)
	}
	n.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// Stats returns the counters so far.
func (n *Net) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

// SentTo returns how many datagrams were written to addr, whatever became of
// them.
func (n *Net) SentTo(addr netip.AddrPort) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sentTo[addr]
}

// Destinations returns how many different addresses were written to.
func (n *Net) Destinations() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sentTo)
}

func (n *Net) send(from, to netip.AddrPort, b []byte) {
	if n.cfg.OnPacket != nil {
		n.cfg.OnPacket(from, to, b)
	}
	if !n.account(link{from, to}) {
		return
	}
	p := packet{from: from, b: append([]byte(nil), b...)}
	time.AfterFunc(n.latency(from, to), func() { n.deliver(to, p) })
}

// account counts a datagram and reports whether it survives the link.
func (n *Net) account(l link) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	nth := n.links[l]
	n.links[l] = nth + 1
	n.sentTo[l.to]++
	n.stats.Sent++
	if n.cfg.Loss > 0 && n.draw(l, nth+1) < n.cfg.Loss {
		n.stats.Lost++
		return false
	}
	return true
}

func (n *Net) deliver(to netip.AddrPort, p packet) {
	n.mu.Lock()
	c := n.conns[to]
	n.mu.Unlock()
	var counter *uint64
	switch {
	case c == nil:
		counter = &n.stats.Unreachable
	case c.nat != nil && !c.nat.admits(p.from):
		counter = &n.stats.Refused
	case c.push(p):
		counter = &n.stats.Delivered
	default:
		counter = &n.stats.Overflow
	}
	n.mu.Lock()
	*counter++
	n.mu.Unlock()
}

func (n *Net) forget(c *Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns[c.addr] == c {
		delete(n.conns, c.addr)
	}
}

func (n *Net) latency(from, to netip.AddrPort) time.Duration {
	if n.cfg.Latency != nil {
		return n.cfg.Latency(from, to)
	}
	return minLatency + time.Duration(n.draw(link{from, to}, 0)*float64(maxLatency-minLatency))
}

// draw hashes the seed, a link and a number into [0, 1).
func (n *Net) draw(l link, nth uint64) float64 {
	var b [52]byte
	binary.LittleEndian.PutUint64(b[:], n.cfg.Seed)
	binary.LittleEndian.PutUint64(b[8:], nth)
	a := l.from.Addr().As16()
	copy(b[16:], a[:])
	a = l.to.Addr().As16()
	copy(b[32:], a[:])
	binary.LittleEndian.PutUint16(b[48:], l.from.Port())
	binary.LittleEndian.PutUint16(b[50:], l.to.Port())
	return float64(mix(b[:])>>11) / math.Exp2(53)
}
