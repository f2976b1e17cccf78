package socket

import (
	"net/netip"
	"slices"
)

// Output takes the datagrams of a stepped socket. b is valid during the call.
type Output = func(conn int, to netip.AddrPort, b []byte)

// batch is a list of datagrams on its way out, and the buffer to write them in.
type batch struct {
	sends []send
	buf   []byte
}

// unlock is how each step of the socket's own goroutines and of a simulator
// ends: it takes what the core wants done, releases the lock, and does it.
// Events come before packets. What OnEvent sends leaves with its own unlock, or,
// in the stepped form, with the last one of the step.
func (s *Socket) unlock(out Output) { s.release(out, true) }

// unlockCaller ends a step made for a caller. OnEvent does not run on his
// goroutine, since he may hold a lock that it takes: the timer's does it at once.
func (s *Socket) unlockCaller() { s.release(nil, false) }

func (s *Socket) release(out Output, mayDispatch bool) {
	b := s.takeLocked(out)
	dispatch := mayDispatch && !s.core.dispatching && len(s.core.events) > 0
	if dispatch {
		s.core.dispatching = true
	}
	s.armLocked()
	s.mu.Unlock()

	if dispatch {
		s.dispatch()
	}
	s.flush(b, out, mayDispatch)
}

// takeLocked takes the list of what to send, leaving an empty one. In the
// stepped form it stays until there is an output.
func (s *Socket) takeLocked(out Output) *batch {
	if len(s.core.sends) == 0 || s.stepped() && out == nil {
		return nil
	}
	var b *batch
	if n := len(s.spare); n > 0 {
		b, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		b = new(batch)
	}
	b.sends, s.core.sends = s.core.sends, b.sends
	return b
}

// flush writes a batch, without the lock, and keeps it for the next.
func (s *Socket) flush(b *batch, out Output, mayDispatch bool) {
	if b == nil {
		return
	}
	for i := range b.sends {
		if err := s.transmit(b, &b.sends[i], out); err != nil {
			s.mu.Lock()
			s.core.fail(&b.sends[i], err, s.nowLocked())
			s.release(out, mayDispatch)
		}
	}
	clear(b.sends)
	b.sends = b.sends[:0]
	s.mu.Lock()
	s.spare = append(s.spare, b)
	s.mu.Unlock()
}

func (s *Socket) transmit(b *batch, x *send, out Output) error {
	if x.q == nil {
		return s.write(x.conn, x.to, x.raw, out)
	}
	b.buf = x.packet.AppendPacket(b.buf[:0], x.tid[:s.cfg.TIDLen])
	if len(b.buf) == 0 {
		return ErrNoPacket
	}
	if err := s.write(x.conn, x.to, b.buf, out); err != nil {
		return err
	}
	s.count.queries.Add(1)
	if x.resend {
		s.count.resends.Add(1)
	}
	return nil
}

// write writes one datagram and counts it.
func (s *Socket) write(conn int, to netip.AddrPort, b []byte, out Output) error {
	if out != nil {
		out(conn, to, b)
	} else if _, err := s.conns[conn].WriteToUDPAddrPort(b, to); err != nil {
		s.count.sendErrors.Add(1)
		return err
	}
	s.count.sent.Add(1)
	s.count.sentBytes.Add(uint64(len(b)))
	if s.in != nil && s.in.budget != nil {
		s.in.spend(len(b), s.nowLocked()) // a stepped socket writes in its steps only, a running one asks the clock
	}
	return nil
}

// dispatch calls OnEvent for one event after the other until there is none
// left, also those that others add meanwhile. Only one goroutine is in it.
func (s *Socket) dispatch() {
	s.mu.Lock()
	for len(s.core.events) > 0 {
		events := s.core.events
		s.core.events, s.spareQueue = s.spareQueue, nil
		for i := range events {
			s.dispatchLocked(&events[i])
		}
		clear(events)
		s.spareQueue = events[:0]
	}
	s.core.dispatching = false
	s.unlockIdle()
}

// unlockIdle ends a step that left nothing but a deadline.
func (s *Socket) unlockIdle() {
	s.armLocked()
	s.mu.Unlock()
}

// dispatchLocked gives up the lock for the call of OnEvent.
func (s *Socket) dispatchLocked(e *groupEvent) {
	if e.group.closed || s.closed {
		return
	}
	s.mu.Unlock()
	keep := e.group.onEvent(e.event)
	s.mu.Lock()
	if keep && !e.group.closed {
		e.event.Payload = slices.Clone(e.event.Payload)
		e.group.push(e.event)
	}
}

// SendRaw writes a datagram that no answer is waited for. It is not limited,
// but filtered: ErrFiltered.
func (s *Socket) SendRaw(conn int, to netip.AddrPort, b []byte) error {
	if !s.hasConn(conn) {
		return ErrNoConn
	}
	to = unmap(to)
	if err := s.core.permitted(to); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.stepped() {
		s.core.sends = append(s.core.sends, send{raw: slices.Clone(b), conn: conn, to: to})
	}
	s.mu.Unlock()
	if !s.stepped() {
		if err := s.write(conn, to, b, nil); err != nil {
			return err
		}
	}
	s.count.raw.Add(1)
	return nil
}
