package sim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// never is when a node without a timer wakes.
const never = time.Duration(math.MaxInt64)

// Host answers for a range of nodes. Its calls come one at a time; now is the time since the simulation began.
type Host interface {
	// Receive takes a datagram that was sent to one of its nodes. payload is valid during the call.
	Receive(now time.Duration, to, from Node, payload []byte)
	// Wake is called when the timer of one of its nodes expires.
	Wake(now time.Duration, n Node)
}

// Fate is what becomes of a datagram.
type Fate struct {
	Lost  bool
	Delay time.Duration // until it arrives
	Again time.Duration // until a copy of it arrives; 0: there is none
}

// Link decides about datagrams.
type Link interface {
	// Fate is asked as a datagram leaves. draw is a random number, another one each time.
	Fate(now time.Duration, from, to Node, draw uint64) Fate
	// Arrives is asked when it comes: whether to takes it.
	Arrives(now time.Duration, from, to Node) bool
}

// Config of an Engine.
type Config struct {
	Seed uint64
	Link Link // nil: every datagram arrives after a millisecond

	// Opaque keeps the bytes of datagrams out of the trace, only their number counts: for hosts that draw transaction
	// ids or tokens from the operating system.
	Opaque bool

	// Tap, if set, sees each datagram when it is delivered.
	Tap func(now time.Duration, from, to Node, payload []byte)
}

// Stats counts datagrams. Sent + Copies is the sum of the others and those under way.
type Stats struct {
	Sent      uint64
	Bytes     uint64 // of payload sent
	Copies    uint64 // made on the way
	Delivered uint64
	Lost      uint64 // on the way
	Refused   uint64 // at the receiver's NAT or dead link
	Nobody    uint64 // there is no such node
	TooLong   uint64
	Events    uint64 // timers and calls
}

// Engine moves datagrams and time.
type Engine struct {
	cfg   Config
	wheel *wheel
	pool  buffers
	spans []span // by first node
	calls []func()
	idle  []uint32 // indexes of calls to use again

	now   time.Duration
	seq   uint64
	trace trace
	stats Stats
}

// span is a range of nodes and who answers for it.
type span struct {
	first Node
	count int
	host  Host

	// By node, nil before the first SetTimer: when it wants to wake, and when the first event for that is due. Moving a
	// timer back leaves that event where it is.
	want, armed []time.Duration
}

// New returns an engine without nodes at time 0.
func New(cfg Config) *Engine {
	if cfg.Link == nil {
		cfg.Link = plain{}
	}
	return &Engine{cfg: cfg, wheel: newWheel(), trace: trace(cfg.Seed)}
}

// plain is the Link of a network without properties.
type plain struct{}

func (plain) Fate(time.Duration, Node, Node, uint64) Fate { return Fate{Delay: time.Millisecond} }
func (plain) Arrives(time.Duration, Node, Node) bool      { return true }

// Attach makes host answer for count nodes from first on. It panics if one of them has a host: that is a mistake in the
// experiment.
func (e *Engine) Attach(first Node, count int, host Host) {
	for i := range e.spans {
		s := &e.spans[i]
		if uint64(first) < uint64(s.first)+uint64(s.count) && uint64(s.first) < uint64(first)+uint64(count) {
			panic(fmt.Sprintf("sim: nodes %d to %d have a host", s.first, uint64(s.first)+uint64(s.count)-1))
		}
	}
	e.spans = append(e.spans, span{first: first, count: count, host: host})
	slices.SortFunc(e.spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
}

// span returns the range that n is in, nil if nobody answers for it.
func (e *Engine) span(n Node) *span {
	for i := range e.spans {
		if s := &e.spans[i]; n >= s.first && uint32(n-s.first) < uint32(s.count) {
			return s
		}
	}
	return nil
}

// Seed returns the seed that the engine was made with.
func (e *Engine) Seed() uint64 { return e.cfg.Seed }

// Now returns the time since the simulation began.
func (e *Engine) Now() time.Duration { return e.now }

// Hash returns the hash of all datagrams delivered so far.
func (e *Engine) Hash() uint64 { return uint64(e.trace) }

// Stats returns the counters so far.
func (e *Engine) Stats() Stats { return e.stats }

// Pending returns how many events are under way, timers that were moved included.
func (e *Engine) Pending() int { return e.wheel.len() }

// Draw returns a random number, another one each time.
func (e *Engine) Draw() uint64 {
	e.seq++
	return Mix(e.cfg.Seed, e.seq)
}

// Send sends a datagram from one node to another. b may be used again at once.
func (e *Engine) Send(from, to Node, b []byte) {
	e.stats.Sent++
	e.stats.Bytes += uint64(len(b))
	if len(b) > MaxDatagram {
		e.stats.TooLong++
		return
	}
	f := e.cfg.Link.Fate(e.now, from, to, e.Draw())
	switch {
	case f.Lost:
		e.stats.Lost++
		return
	case e.span(to) == nil:
		e.stats.Nobody++
		return
	}
	e.carry(from, to, b, f.Delay)
	if f.Again > 0 {
		e.stats.Copies++
		e.carry(from, to, b, f.Again)
	}
}

func (e *Engine) carry(from, to Node, b []byte, delay time.Duration) {
	e.add(event{
		at: e.now + max(delay, 0), from: from, to: to,
		buf: e.pool.put(b), size: uint16(len(b)), kind: packet,
	})
}

func (e *Engine) add(ev event) {
	e.seq++
	ev.seq = e.seq
	e.wheel.add(ev)
}

// SetTimer sets when n's host is called to wake it, in place of what was set before; a negative time means never.
func (e *Engine) SetTimer(n Node, at time.Duration) {
	s := e.span(n)
	if s == nil {
		return
	}
	if s.want == nil {
		s.want, s.armed = filled(s.count), filled(s.count)
	}
	i := n - s.first
	if at < 0 {
		s.want[i] = never
		return
	}
	s.want[i] = max(at, e.now)
	if s.want[i] < s.armed[i] {
		s.armed[i] = s.want[i]
		e.add(event{at: s.want[i], to: n, kind: wake})
	}
}

func filled(n int) []time.Duration {
	return slices.Repeat([]time.Duration{never}, n)
}

// At calls f at a time, which may have passed: then at once.
func (e *Engine) At(at time.Duration, f func()) {
	var i uint32
	if n := len(e.idle); n > 0 {
		i, e.idle = e.idle[n-1], e.idle[:n-1]
		e.calls[i] = f
	} else {
		i = uint32(len(e.calls))
		e.calls = append(e.calls, f)
	}
	e.add(event{at: max(at, e.now), buf: handle(i), kind: call})
}

// Run lets time pass until that moment.
func (e *Engine) Run(until time.Duration) {
	e.RunWhile(until, func() bool { return true })
}

// RunWhile lets time pass until that moment, as long as more says so: it is asked before every event. It reports whether
// the moment was reached.
func (e *Engine) RunWhile(until time.Duration, more func() bool) bool {
	for more() {
		ev, ok := e.wheel.pop(until)
		if !ok {
			e.now = max(e.now, until)
			return true
		}
		e.now = ev.at
		e.happen(&ev)
	}
	return false
}

func (e *Engine) happen(ev *event) {
	switch ev.kind {
	case packet:
		e.deliver(ev)
	case wake:
		e.stats.Events++
		e.wake(ev)
	default:
		e.stats.Events++
		i := uint32(ev.buf)
		f := e.calls[i]
		e.calls[i] = nil
		e.idle = append(e.idle, i)
		f()
	}
}

func (e *Engine) deliver(ev *event) {
	b := e.pool.bytes(ev.buf)[:ev.size]
	defer e.pool.release(ev.buf)
	if !e.cfg.Link.Arrives(e.now, ev.from, ev.to) {
		e.stats.Refused++
		return
	}
	s := e.span(ev.to)
	if s == nil {
		e.stats.Nobody++
		return
	}
	e.stats.Delivered++
	if e.cfg.Opaque {
		e.trace = e.trace.packet(e.now, ev.from, ev.to, nil).fold(uint64(ev.size), 1)
	} else {
		e.trace = e.trace.packet(e.now, ev.from, ev.to, b)
	}
	if e.cfg.Tap != nil {
		e.cfg.Tap(e.now, ev.from, ev.to, b)
	}
	s.host.Receive(e.now, ev.to, ev.from, b)
}

// wake calls the host of a node whose timer has expired. A timer that was moved back is set anew.
func (e *Engine) wake(ev *event) {
	s := e.span(ev.to)
	i := ev.to - s.first
	if s.armed[i] != ev.at {
		return
	}
	s.armed[i] = never
	switch want := s.want[i]; {
	case want <= e.now:
		s.want[i] = never
		s.host.Wake(e.now, ev.to)
	case want != never:
		s.armed[i] = want
		e.add(event{at: want, to: ev.to, kind: wake})
	}
}
