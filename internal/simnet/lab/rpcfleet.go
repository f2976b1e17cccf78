package lab

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/socket"
)

// RPCFleet is a host of full dht-rpc nodes, from node 0 on: each is a dhtrpc.Node whose datagrams and timers the engine moves.
type RPCFleet struct {
	engine *sim.Engine
	ships  []rpcShip
	at     sim.Node // whose datagrams go out now
	out    socket.Output
	starts uint64 // nodes that were started, so that each has a seed of its own
}

// rpcShip is a place for a node.
type rpcShip struct {
	node *dhtrpc.Node // nil: nobody is there
	sock *socket.Socket
	busy bool // it is looking up something
}

// NewRPCFleet makes room for count nodes, none of which is there yet.
func NewRPCFleet(e *sim.Engine, count int) *RPCFleet {
	f := &RPCFleet{engine: e, ships: make([]rpcShip, count)}
	f.out = func(_ int, to netip.AddrPort, b []byte) {
		if n, ok := sim.NodeAt(to); ok {
			e.Send(f.at, n, b)
		}
	}
	e.Attach(0, count, f)
	return f
}

// Node returns the node at a place, nil if there is none.
func (f *RPCFleet) Node(n sim.Node) *dhtrpc.Node { return f.ships[n].node }

// Start puts a node at a place where nobody is: one that knows its address and can be reached.
func (f *RPCFleet) Start(n sim.Node, cfg dhtrpc.Config) error {
	cfg.Public, cfg.Mode = sim.Addr(n), dhtrpc.Persistent
	cfg.Socket.Seed, cfg.Socket.Now = f.seed(), f.now
	node, err := dhtrpc.New(cfg)
	if err != nil {
		return err
	}
	s := &f.ships[n]
	s.node, s.sock = node, node.Socket()
	f.Wake(f.engine.Now(), n)
	return nil
}

// seed returns what the next node draws its transaction ids and targets from.
func (f *RPCFleet) seed() *[32]byte {
	var seed [32]byte
	for i := range 4 {
		f.starts++
		binary.LittleEndian.PutUint64(seed[8*i:], sim.Mix(f.engine.Seed()^0x59c, f.starts))
	}
	return &seed
}

func (f *RPCFleet) now() time.Time { return epoch.Add(f.engine.Now()) }

// Crash takes the node from a place. What is sent there reaches nobody.
func (f *RPCFleet) Crash(n sim.Node) {
	s := &f.ships[n]
	if s.node != nil {
		s.node.Close()
		*s = rpcShip{}
	}
	f.engine.SetTimer(n, -1)
}

// Do has something done to a node that is there, and sends what comes of it.
func (f *RPCFleet) Do(n sim.Node, what func(*dhtrpc.Node)) {
	f.Wake(f.engine.Now(), n)
	if node := f.Node(n); node != nil {
		what(node)
		f.Wake(f.engine.Now(), n)
	}
}

// Receive implements sim.Host.
func (f *RPCFleet) Receive(now time.Duration, to, from sim.Node, payload []byte) {
	s := &f.ships[to]
	if s.node == nil {
		return
	}
	f.at = to
	s.sock.Receive(socket.Datagram{Payload: payload, From: sim.Addr(from), At: epoch.Add(now)}, f.out)
	f.rearm(to, s)
}

// Wake implements sim.Host.
func (f *RPCFleet) Wake(now time.Duration, n sim.Node) {
	s := &f.ships[n]
	if s.node == nil {
		return
	}
	f.at = n
	s.sock.Advance(epoch.Add(now), f.out)
	f.rearm(n, s)
}

func (f *RPCFleet) rearm(n sim.Node, s *rpcShip) {
	if s.node == nil {
		return
	}
	next := s.sock.NextWake()
	if next.IsZero() {
		f.engine.SetTimer(n, -1)
		return
	}
	f.engine.SetTimer(n, max(next.Sub(epoch), 0))
}
