package dhtrpc

import "net/netip"

const (
	samplerRing = 16 // opinions held
	samplerBack = 4  // how far back one looks for the same again
)

// sampler guesses our own public address from what others say they send to (dht-rpc 8.1). The zero value is ready.
type sampler struct {
	ring [samplerRing]*sample
	at   int // where the next one goes
	size int
	full *sample // address with the most hits so far
	only *sample // host with the most hits so far

	host netip.Addr // what it amounts to; not valid: not known
	port uint16     // 0: not known, or different for everybody
}

// sample is one opinion, with how many of those held share it.
type sample struct {
	addr netip.AddrPort // port 0 in an entry for a host alone
	hits int
	host *sample // entry for the host alone
}

// add notes one opinion and reports whether the result has changed.
func (s *sampler) add(a netip.AddrPort) (changed bool) {
	full, host := s.find(a)
	if host == nil {
		host = &sample{addr: netip.AddrPortFrom(a.Addr(), 0)}
	}
	if full == nil {
		full = &sample{addr: a, host: host}
	}
	full.hits++
	host.hits++
	if old := s.ring[s.at]; old != nil {
		old.hits--
		old.host.hits--
	}
	s.ring[s.at] = full
	s.at = (s.at + 1) % samplerRing
	s.size = min(s.size+1, samplerRing)
	if s.full == nil || full.hits > s.full.hits {
		s.full = full
	}
	if s.only == nil || host.hits > s.only.hits {
		s.only = host
	}
	return s.judge()
}

// find returns the entries of the last few opinions that say the same, nil if none does.
func (s *sampler) find(a netip.AddrPort) (full, host *sample) {
	for i := 1; i <= min(samplerBack, s.size); i++ {
		e := s.ring[(s.at-i+samplerRing)%samplerRing]
		if e.addr == a {
			return e, e.host
		}
		if host == nil && e.addr.Addr() == a.Addr() {
			host = e.host
		}
	}
	return nil, host
}

// judge draws the conclusion: nearly all must agree.
func (s *sampler) judge() (changed bool) {
	need := s.size - min(s.size/4, 3)
	host, port := netip.Addr{}, uint16(0)
	switch {
	case s.full.hits >= need:
		host, port = s.full.addr.Addr(), s.full.addr.Port()
	case s.only.hits >= need:
		host = s.only.addr.Addr()
	}
	changed = host != s.host || port != s.port
	s.host, s.port = host, port
	return changed
}

// addr returns the address, if it is known with its port.
func (s *sampler) addr() (netip.AddrPort, bool) {
	return netip.AddrPortFrom(s.host, s.port), s.host.IsValid() && s.port != 0
}
