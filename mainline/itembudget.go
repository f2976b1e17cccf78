package mainline

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// What checking signatures may cost, at some 60 µs each. Ours.
const (
	checkRate  = 20  // signatures a second of one network: a /24 of IPv4, a /64 of IPv6
	checkBurst = 40  // at once
	checkAll   = 500 // a second of all networks together, and at once
	checkSlots = 512 // networks told apart; those that share a slot share its budget
)

// checkBudget limits how many signatures of strangers are verified, so that nobody uses up a core with items that are not
// signed. Its size is fixed.
type checkBudget struct {
	seed maphash.Seed

	mu    sync.Mutex // guards what follows
	all   bucket
	slots *[checkSlots]bucket // made when the first is asked for
}

// bucket is a token bucket that remembers how full it was, and when.
type bucket struct {
	tokens float64
	at     time.Time // zero: full
}

// take takes one token, if there is one, of a bucket that fills with rate tokens a second up to burst.
func (b *bucket) take(rate, burst float64, now time.Time) bool {
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+rate*max(0, now.Sub(b.at).Seconds()))
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func newCheckBudget() *checkBudget { return &checkBudget{seed: maphash.MakeSeed()} }

// spend reports whether a signature that came from this address may be verified now.
func (c *checkBudget) spend(from netip.Addr, now time.Time) bool {
	bits := 24
	if from = from.Unmap(); from.Is6() {
		bits = 64
	}
	net, _ := from.Prefix(bits)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		c.slots = new([checkSlots]bucket)
	}
	slot := &c.slots[maphash.Comparable(c.seed, net)%checkSlots]
	return slot.take(checkRate, checkBurst, now) && c.all.take(checkAll, checkAll, now)
}
