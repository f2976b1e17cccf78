package lab

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/socket"
)

// epoch is the wall clock's time when a simulation begins, for nodes whose clock is right.
var epoch = time.Unix(0, 0).UTC()

// Fleet is a host of full nodes: each is a mainline.Node whose datagrams and timers the engine moves.
type Fleet struct {
	engine *sim.Engine
	first  sim.Node
	ships  []ship
	at     sim.Node // whose datagrams go out now
	out    socket.Output
	starts uint64 // nodes that were started, so that each has a seed of its own
}

// ship is a place for a node.
type ship struct {
	node  *mainline.Node // nil: nobody is there
	sock  *socket.Socket
	clock time.Duration // how far the node's clock is ahead
}

// NewFleet makes room for count nodes from first on, none of which is there yet.
func NewFleet(e *sim.Engine, first sim.Node, count int) *Fleet {
	f := &Fleet{engine: e, first: first, ships: make([]ship, count)}
	f.out = func(_ int, to netip.AddrPort, b []byte) {
		if n, ok := sim.NodeAt(to); ok {
			e.Send(f.at, n, b)
		}
	}
	e.Attach(first, count, f)
	return f
}

// First returns the number of the first place, Len how many there are.
func (f *Fleet) First() sim.Node { return f.first }

// Len returns the number of places.
func (f *Fleet) Len() int { return len(f.ships) }

// Node returns the node at a place, nil if there is none.
func (f *Fleet) Node(n sim.Node) *mainline.Node { return f.ships[n-f.first].node }

// Start puts a new node at a place; one that is there is closed before, without a word to others: a crash.
func (f *Fleet) Start(n sim.Node, cfg mainline.Config) (*mainline.Node, error) {
	f.Crash(n)
	if cfg.Seed == nil {
		cfg.Seed = f.seed()
	}
	node, err := mainline.New(cfg)
	if err != nil {
		return nil, err
	}
	s := &f.ships[n-f.first]
	s.node, s.sock = node, node.RPC().Socket()
	f.rearm(n, s)
	return node, nil
}

// seed returns what the next node draws its ids, transaction ids and tokens from.
func (f *Fleet) seed() *[32]byte {
	var seed [32]byte
	for i := range 4 {
		f.starts++
		binary.LittleEndian.PutUint64(seed[8*i:], sim.Mix(f.engine.Seed()^0x5eed, f.starts))
	}
	return &seed
}

// Crash takes the node from a place. What is sent there reaches nobody.
func (f *Fleet) Crash(n sim.Node) {
	s := &f.ships[n-f.first]
	if s.node != nil {
		s.node.Close()
		s.node, s.sock = nil, nil
	}
	f.engine.SetTimer(n, -1)
}

// StepClock moves a node's clock, forward or back.
func (f *Fleet) StepClock(n sim.Node, by time.Duration) {
	s := &f.ships[n-f.first]
	s.clock += by
	if s.node != nil {
		f.rearm(n, s)
	}
}

// Time returns what time it is for a node.
func (f *Fleet) Time(n sim.Node) time.Time { return f.ships[n-f.first].time(f.engine.Now()) }

func (s *ship) time(now time.Duration) time.Time { return epoch.Add(now + s.clock) }

// Do has something done to a node from outside, a lookup started for instance. A stepped node lives in the time of its last
// step, so it is stepped before, and again for what it has to send then.
func (f *Fleet) Do(n sim.Node, what func(*mainline.Node)) {
	f.Wake(f.engine.Now(), n)
	if node := f.Node(n); node != nil {
		what(node)
		f.Wake(f.engine.Now(), n)
	}
}

// Receive implements sim.Host.
func (f *Fleet) Receive(now time.Duration, to, from sim.Node, payload []byte) {
	s := &f.ships[to-f.first]
	if s.node == nil {
		return
	}
	f.at = to
	s.sock.Receive(socket.Datagram{Payload: payload, From: sim.Addr(from), At: s.time(now)}, f.out)
	f.rearm(to, s)
}

// Wake implements sim.Host.
func (f *Fleet) Wake(now time.Duration, n sim.Node) {
	s := &f.ships[n-f.first]
	if s.node == nil {
		return
	}
	f.at = n
	s.sock.Advance(s.time(now), f.out)
	f.rearm(n, s)
}

// rearm sets the timer to when the node wants to be stepped next. A callback in the step may have taken the node away.
func (f *Fleet) rearm(n sim.Node, s *ship) {
	if s.node == nil {
		return
	}
	next := s.sock.NextWake()
	if next.IsZero() {
		f.engine.SetTimer(n, -1)
		return
	}
	f.engine.SetTimer(n, max(next.Sub(epoch)-s.clock, 0))
}
