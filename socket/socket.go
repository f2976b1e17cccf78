package socket

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Socket carries a Protocol's datagrams over its conns. It is safe for
// concurrent use, but for the stepped form (Receive, Advance).
type Socket struct {
	cfg   Config // with defaults
	proto Protocol
	conns []Conn
	local []netip.AddrPort
	count counters
	in    *inbound       // nil: requests are not limited
	done  chan struct{}  // closed by Close
	wg    sync.WaitGroup // read goroutines and timer calls

	mu     sync.Mutex // a leaf: nothing foreign is called while it is held, and no conn
	closed bool
	core   *core

	timer   *time.Timer // nil until Start
	armedAt moment      // when it fires, never if it does not
	tickAt  moment      // when the protocol wants its Tick
	ticking bool        // it is in it

	spare      []*batch     // send lists to use again
	spareQueue []groupEvent // event list to use again
	stepTime   time.Time    // last time stepped to, see nowLocked
	scratch    []byte       // stepped form: response under construction
}

// New makes a socket that is not running yet: packets are sent, but nothing is
// read and no time passes before Start. Without conns it is stepped by its
// owner, see Receive.
func New(cfg Config, p Protocol, conns ...Conn) *Socket {
	cfg = cfg.withDefaults()
	s := &Socket{
		cfg: cfg, proto: p, conns: conns,
		done: make(chan struct{}), armedAt: never,
	}
	s.local = append(s.local, cfg.Local...)
	for i, c := range conns {
		if i == len(s.local) {
			s.local = append(s.local, netip.AddrPort{})
		}
		s.local[i] = localAddr(c)
	}
	s.stepTime = time.Unix(0, 0).UTC()
	epoch := s.nowLocked()
	s.core = newCore(cfg, newOwnAddrs(s.local), &s.count, epoch)
	if cfg.Inbound != (Inbound{}) {
		s.in = newInbound(cfg.Inbound, s.core.open.rng.Uint64())
	}
	s.tickAt = s.core.moment(epoch)
	return s
}

func localAddr(c Conn) netip.AddrPort {
	a := c.LocalAddr()
	if a == nil {
		return netip.AddrPort{}
	}
	if ap := addrPortOf(a); ap.IsValid() {
		return ap
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return unmap(ap)
}

// stepped: no conns, so its owner moves packets and time.
func (s *Socket) stepped() bool { return len(s.conns) == 0 }

func (s *Socket) hasConn(i int) bool { return i >= 0 && (s.stepped() || i < len(s.conns)) }

// nowLocked: without a clock of its own, a stepped socket lives in the time it
// was last stepped to.
func (s *Socket) nowLocked() time.Time {
	switch {
	case s.cfg.Now != nil:
		return s.cfg.Now()
	case s.stepped():
		return s.stepTime
	}
	return time.Now()
}

// Start begins to read, with a goroutine for each conn, and lets time pass,
// with one timer. It does nothing for a socket without conns, nor a second time.
func (s *Socket) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stepped() || s.closed || s.timer != nil {
		return
	}
	s.timer = time.AfterFunc(soonest, s.onTimer)
	for i := range s.conns {
		s.wg.Go(func() { s.read(i) }) // ends when Close closes the conn
	}
}

// Close ends all queries, whose groups get ErrClosed, closes the conns and
// waits until no goroutine of the socket is left. It must not be called from
// Serve, Tick or OnEvent.
func (s *Socket) Close() error {
	s.mu.Lock()
	first := !s.closed
	if first {
		s.closed = true
		s.core.closeAll()
		close(s.done)
		if s.timer != nil {
			s.timer.Stop()
		}
	}
	s.mu.Unlock()
	var errs []error
	if first {
		for _, c := range s.conns {
			errs = append(errs, c.Close())
		}
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

// Addr returns the local address of a conn: the unspecified one if it is
// bound to all, the zero AddrPort if it is not known.
func (s *Socket) Addr(conn int) netip.AddrPort {
	if conn < 0 || conn >= len(s.local) {
		return netip.AddrPort{}
	}
	return s.local[conn]
}

// SetExternal says under which address others see us, one a family, so that
// no packet goes there and none is taken from there.
func (s *Socket) SetExternal(a netip.AddrPort) { s.core.own.setExternal(unmap(a)) }

// InFlight returns the number of open queries, late ones included.
func (s *Socket) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.open.len()
}

// Now returns what time it is for the socket: that of its clock, or, in the
// stepped form without one, of the last step.
func (s *Socket) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked()
}

// Stats returns the counters so far.
func (s *Socket) Stats() Stats { return s.count.stats() }

// Wake asks for the protocol's Tick soon.
func (s *Socket) Wake() { s.WakeAt(time.Time{}) }

// WakeAt asks for the protocol's Tick at a time, if none is due before.
func (s *Socket) WakeAt(at time.Time) {
	s.mu.Lock()
	s.tickAt = min(s.tickAt, max(s.core.moment(at), s.core.moment(s.nowLocked())))
	s.unlockCaller()
}

// maxReadErrors in a row end a read goroutine, so that a conn that is broken
// for good does not keep it spinning.
const maxReadErrors = 100

// read is the goroutine that reads one conn, until it is closed.
func (s *Socket) read(conn int) {
	buf := make([]byte, s.cfg.MaxRead+1) // a byte more shows what is too long
	var scratch []byte
	for failed := 0; ; {
		n, from, err := s.conns[conn].ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.count.readErrors.Add(1)
			if failed++; failed == maxReadErrors {
				s.cfg.Logger.Error("socket: giving up reading", "conn", conn, "err", err)
				return
			}
			continue
		}
		failed = 0
		d := Datagram{Payload: buf[:n], From: from, Conn: conn, At: s.now()}
		scratch = s.receive(d, scratch, nil)
	}
}

func (s *Socket) now() time.Time {
	if s.cfg.Now != nil {
		return s.cfg.Now()
	}
	return time.Now()
}

// onTimer runs on the timer's goroutine when something is due.
func (s *Socket) onTimer() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.wg.Add(1)
	defer s.wg.Done()
	s.armedAt = never
	now := s.nowLocked()
	s.core.advance(now)
	s.unlock(nil)
	s.upkeep(now, nil)
}

// leastTick keeps a protocol that always wants its Tick at once from spinning.
const leastTick = moment(time.Millisecond)

// upkeep calls the protocol's Tick if it is due.
func (s *Socket) upkeep(now time.Time, out Output) {
	s.mu.Lock()
	m := s.core.moment(now)
	if s.closed || s.ticking || s.tickAt > m {
		s.unlock(out)
		return
	}
	s.ticking, s.tickAt = true, never
	s.mu.Unlock()

	next := s.proto.Tick(now)

	s.mu.Lock()
	s.ticking = false
	if !next.IsZero() {
		s.tickAt = min(s.tickAt, max(s.core.moment(next), m+leastTick))
	}
	s.unlock(out)
}

// nextLocked returns when something is due.
func (s *Socket) nextLocked() moment {
	if len(s.core.events) > 0 && !s.core.dispatching {
		return s.core.moment(s.nowLocked())
	}
	if s.ticking {
		return s.core.next()
	}
	return min(s.core.next(), s.tickAt)
}

// soonest is when the timer fires if something is due already. It is not 0: inside
// a testing/synctest bubble the runtime would run the timer on the spot, and with
// the race detector two goroutines that do so at once crash it (Go 1.26).
const soonest = time.Nanosecond

// armLocked sets the timer if something is due before it fires. One that
// fires too early finds nothing to do.
func (s *Socket) armLocked() {
	next := s.nextLocked()
	if s.timer == nil || s.closed || next >= s.armedAt {
		return
	}
	s.armedAt = next
	s.timer.Reset(max(soonest, s.core.time(next).Sub(s.nowLocked())))
}
