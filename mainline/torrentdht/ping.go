package torrentdht

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	theirs "github.com/anacrolix/dht/v2/krpc"
	"golang.org/x/time/rate"
)

// Errors of AddNode, beside ErrClosed.
var (
	ErrAddress = errors.New("torrentdht: no address of a node")
	ErrBusy    = errors.New("torrentdht: too many addresses wait for their ping")
)

// Ours.
const (
	pingsAtOnce   = 8    // queries in flight
	maxWaiting    = 1024 // addresses of AddNode that wait for their ping
	maxFromPeers  = 64   // of Ping: beyond as many in the queue, what peers say is dropped
	pingOnceIn    = time.Minute
	maxRemembered = 4096 // addresses pinged lately
)

// AddNode pings the address, which the client knows from a file or its configuration. A node that answers enters the table,
// under the id that it gives: one in ni counts for nothing. It does not wait. The error is ErrAddress, ErrBusy, ErrClosed
// or nil.
func (s *Server) AddNode(ni theirs.NodeInfo) error {
	addr, ok := FromAddr(ni.Addr)
	if !ok || addr.Port() == 0 {
		return fmt.Errorf("%w: %v", ErrAddress, ni.Addr)
	}
	return s.pings.add(addr, maxWaiting)
}

// Ping pings an address that a peer names as that of its node (BEP 5, PORT message). A node that answers enters the table. It
// does not wait. What peers say is believed only so far: no more than Config.Pings are sent a second, none twice to one
// address within a minute, and what comes too fast is dropped.
func (s *Server) Ping(addr *net.UDPAddr) {
	a := addr.AddrPort() // not valid if addr is nil
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if a.Port() == 0 || !a.Addr().IsValid() || s.pings.add(a, maxFromPeers) != nil {
		s.count.dropped.Add(1)
	}
}

// pinger works off a queue of addresses, with goroutines that exist only while there is something in it.
type pinger struct {
	server *Server
	limit  *rate.Limiter

	mu      sync.Mutex // guards what follows; taken before the Server's
	queue   []netip.AddrPort
	lately  map[netip.AddrPort]time.Time // when an address was put into the queue
	working int
}

func (p *pinger) init(s *Server) {
	p.server, p.lately = s, make(map[netip.AddrPort]time.Time)
	p.limit = rate.NewLimiter(s.cfg.Pings, pingsAtOnce)
}

// add puts an address into the queue, unless that holds max, or the address was in it lately.
func (p *pinger) add(addr netip.AddrPort, max int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if at, known := p.lately[addr]; known && now.Sub(at) < pingOnceIn {
		return nil
	}
	if len(p.queue) >= max || !p.roomLocked(now) {
		return ErrBusy
	}
	if p.working < pingsAtOnce {
		if !p.server.start(p.work) {
			return ErrClosed
		}
		p.working++
	}
	p.lately[addr] = now
	p.queue = append(p.queue, addr)
	return nil
}

// roomLocked forgets what was pinged long ago if the memory is full, and reports whether there is room.
func (p *pinger) roomLocked(now time.Time) bool {
	if len(p.lately) < maxRemembered {
		return true
	}
	for a, at := range p.lately {
		if now.Sub(at) >= pingOnceIn {
			delete(p.lately, a)
		}
	}
	return len(p.lately) < maxRemembered
}

// work is a goroutine that pings until the queue is empty.
func (p *pinger) work() {
	s := p.server
	for addr, ok := p.next(); ok; addr, ok = p.next() {
		if p.limit.Wait(s.ctx) != nil {
			continue // closed: empty the queue
		}
		s.count.pings.Add(1)
		if _, err := s.node.Ping(s.ctx, addr); err == nil {
			s.count.pongs.Add(1)
		} else if !errors.Is(err, context.Canceled) {
			s.cfg.Logger.Debug("torrentdht: ping", "addr", addr, "err", err)
		}
	}
}

func (p *pinger) next() (netip.AddrPort, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.working--
		return netip.AddrPort{}, false
	}
	addr := p.queue[0]
	p.queue = p.queue[1:]
	return addr, true
}
