package mainline

import (
	"net/netip"
	"slices"
	"time"
)

// A round of voting ends, and the votes are counted, after this many votes or this much time (libtorrent's numbers).
const (
	firstRound = 25 // votes, while no address is agreed on
	laterRound = 50 // votes
	roundTime  = 5 * time.Minute
)

// Bounds of a round. Ours, but for maxClaims, which is libtorrent's.
const (
	maxClaims   = 40 // different addresses claimed
	votesFirst  = 2  // that the first address needs
	votesChange = 5  // that another address needs to take the place of the one agreed on
)

// votes finds out the address under which others see us, from what they put into their answers (ip, BEP 42). In a round
// every network (a /24, of IPv6 a /64) has one vote. At its end the address with most votes is agreed on if the second has
// less than two thirds as many; otherwise what was agreed on before stays. It takes answers that matched a query of ours
// only; what others send unasked is no vote. The zero value is ready for use; it is not safe for concurrent use.
type votes struct {
	agreed  netip.AddrPort // not valid before the first decision
	began   time.Time      // of this round's first vote
	claims  []claim        // of this round
	sources []netip.Prefix // networks that have voted in this round
}

// claim is an address that was voted for.
type claim struct {
	addr  netip.Addr
	votes int
	port  uint16 // the one named more often than all others together, if there is one
	lead  int    // by how much at least, of votes
}

// cast counts the vote of the node at source, which sees us at seen (port 0 if it did not say), and reports whether it
// made us agree on another address than before. A vote for an address of the other family, for one that no host can have,
// or for one from elsewhere than the source (public or private) is void.
func (v *votes) cast(seen netip.AddrPort, source netip.Addr, now time.Time) (changed bool) {
	if len(v.sources) > 0 && now.Sub(v.began) >= roundTime {
		changed = v.count()
	}
	ip, source := seen.Addr().Unmap(), source.Unmap()
	if !eligible(ip, source) || !v.register(source) {
		return changed
	}
	if len(v.sources) == 1 {
		v.began = now
	}
	v.add(ip, seen.Port())
	if len(v.sources) >= v.quorum() {
		changed = v.count() || changed
	}
	return changed
}

// external returns our address as others see it, and whether it is agreed on or only what most have claimed so far. The
// port is 0 if most see different ones: a NAT that gives every destination its own. Not valid before any vote.
func (v *votes) external() (addr netip.AddrPort, agreed bool) {
	if v.agreed.IsValid() {
		return v.agreed, true
	}
	if len(v.claims) == 0 {
		return netip.AddrPort{}, false
	}
	return v.leader().addrPort(), false
}

// eligible reports whether a node at source may say that we are at ip.
func eligible(ip, source netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && ip.Is4() == source.Is4() && exempt(ip) == exempt(source)
}

// register notes that a network has voted; false if it had before.
func (v *votes) register(source netip.Addr) bool {
	bits := 24
	if source.Is6() {
		bits = 64
	}
	net, _ := source.Prefix(bits)
	if slices.Contains(v.sources, net) {
		return false
	}
	v.sources = append(v.sources, net)
	return true
}

func (v *votes) add(ip netip.Addr, port uint16) {
	i := slices.IndexFunc(v.claims, func(c claim) bool { return c.addr == ip })
	if i < 0 {
		if len(v.claims) == maxClaims {
			return
		}
		i, v.claims = len(v.claims), append(v.claims, claim{addr: ip})
	}
	c := &v.claims[i]
	c.votes++
	switch { // Boyer and Moore's majority
	case port == c.port:
		c.lead++
	case c.lead == 0:
		c.port, c.lead = port, 1
	default:
		c.lead--
	}
}

func (v *votes) quorum() int {
	if v.agreed.IsValid() {
		return laterRound
	}
	return firstRound
}

// leader returns the claim with most votes, the earliest of several. There is one.
func (v *votes) leader() claim {
	return slices.MaxFunc(v.claims, func(a, b claim) int { return a.votes - b.votes })
}

// count ends the round.
func (v *votes) count() (changed bool) {
	best, second := v.leader(), 0
	for _, c := range v.claims {
		if c.addr != best.addr {
			second = max(second, c.votes)
		}
	}
	need := votesFirst
	if v.agreed.IsValid() && best.addr != v.agreed.Addr() {
		need = votesChange
	}
	if best.votes >= need && 3*second < 2*best.votes {
		changed = best.addr != v.agreed.Addr()
		v.agreed = best.addrPort()
	}
	v.claims, v.sources = v.claims[:0], v.sources[:0]
	return changed
}

func (c claim) addrPort() netip.AddrPort {
	if 3*c.lead < c.votes {
		return netip.AddrPortFrom(c.addr, 0)
	}
	return netip.AddrPortFrom(c.addr, c.port)
}
