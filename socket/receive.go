package socket

import "time"

// Receive is the stepped form of reading: it deals with one datagram, and
// hands what is to be sent to out, before it returns. With Advance it lets a
// simulator run a socket without goroutine, clock or conn; it decides the same
// as a running one. Not safe for concurrent use with itself or Advance, and out
// must not call back into the socket's Receive or Advance.
func (s *Socket) Receive(d Datagram, out Output) {
	s.mu.Lock()
	if d.At.IsZero() {
		d.At = s.nowLocked()
	}
	s.stepTime = d.At
	s.mu.Unlock()
	s.scratch = s.receive(d, s.scratch, out)
	s.mu.Lock()
	s.unlock(out) // what Serve and OnEvent sent
}

// Feed deals with a datagram that the caller has read, from a socket that he shares with this one or by whatever way it came,
// as if conn d.Conn had: what is to be sent leaves from there. It runs on the caller's goroutine, at the same time as the read
// goroutines, and calls Serve and OnEvent on it. ErrNoConn: there is no such conn, or the socket is a stepped one, which has Receive.
func (s *Socket) Feed(d Datagram) error {
	if d.Conn < 0 || d.Conn >= len(s.conns) {
		return ErrNoConn
	}
	select {
	case <-s.done:
		return ErrClosed
	default:
	}
	if d.At.IsZero() {
		d.At = s.now()
	}
	s.receive(d, nil, nil)
	return nil
}

// Advance is the stepped form of passing time: it does what is due at now, the
// protocol's Tick included, sends what Sends since the last step have left, and
// returns when it wants to be called next, the zero time for never. A Send
// between steps may bring that forward: see NextWake.
func (s *Socket) Advance(now time.Time, out Output) (next time.Time) {
	s.mu.Lock()
	s.stepTime = now
	s.core.advance(now)
	s.unlock(out)
	s.upkeep(now, out)
	return s.NextWake()
}

// NextWake returns when Advance is due, the zero time for never. What was sent
// since the last step is due at once.
func (s *Socket) NextWake() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.core.sends) > 0 && s.stepped() {
		return s.nowLocked()
	}
	if next := s.nextLocked(); next != never && !s.closed {
		return s.core.time(next)
	}
	return time.Time{}
}

// receive deals with one datagram. scratch is the buffer for the response; it
// returns it, maybe grown.
func (s *Socket) receive(d Datagram, scratch []byte, out Output) []byte {
	s.count.received.Add(1)
	s.count.receivedBytes.Add(uint64(len(d.Payload)))
	d.From = unmap(d.From)
	if !s.wanted(d) {
		return scratch
	}
	class, tid := s.proto.Classify(d.Payload)
	switch class {
	case Request:
		return s.serve(d, scratch, out)
	case Response:
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return scratch
		}
		s.core.match(tid, d)
		s.unlock(out)
	case Foreign:
		s.count.foreign.Add(1)
		if s.cfg.Foreign != nil {
			s.cfg.Foreign(d)
		}
	default:
		s.count.malformed.Add(1)
	}
	return scratch
}

// wanted applies what can be said without looking inside, and counts what it
// turns away.
func (s *Socket) wanted(d Datagram) bool {
	switch {
	case len(d.Payload) > s.cfg.MaxRead:
		s.count.tooLong.Add(1)
	case !d.From.IsValid():
		s.count.badSource.Add(1)
	case !Routable(d.From, s.cfg.Private):
		s.count.filteredIn.Add(1)
	case s.core.own.has(d.From):
		s.count.ownAddress.Add(1)
	default:
		return true
	}
	return false
}

func (s *Socket) serve(d Datagram, scratch []byte, out Output) []byte {
	if s.in != nil && !s.admit(d) {
		return scratch
	}
	s.count.requests.Add(1)
	response := s.proto.Serve(scratch[:0], d)
	if len(response) == 0 {
		return scratch
	}
	if s.write(d.Conn, d.From, response, out) == nil {
		s.count.responses.Add(1)
	}
	return response
}

// admit applies the limits on requests, and counts what it turns away.
func (s *Socket) admit(d Datagram) bool {
	switch s.in.admit(d.From.Addr(), d.At, s.core.moment(d.At)) {
	case overRate:
		s.count.overRate.Add(1)
	case silenced:
		s.count.silenced.Add(1)
	case overNet:
		s.count.overNet.Add(1)
	case overBudget:
		s.count.overBudget.Add(1)
	default:
		return true
	}
	return false
}
