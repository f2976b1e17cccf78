package sim

import "time"

// NAT says from whom a node can be reached.
type NAT uint8

const (
	Open       NAT = iota // everybody
	FullCone              // everybody, while it has sent anything in the last two minutes
	Restricted            // those it has sent something to in the last two minutes
	Firewalled            // those it has sent something to in the last 30 seconds
	natClasses
)

// How long a NAT lets answers in after a packet out. Ours.
var natMemory = [natClasses]time.Duration{FullCone: 2 * time.Minute, Restricted: 2 * time.Minute, Firewalled: 30 * time.Second}

// special is what was done to a node.
type special struct {
	profile Profile
	pinned  bool
	down    bool
	nat     NAT
	loss    float64       // besides that of the network
	sent    time.Duration // last datagram out
}

func (l *Links) of(n Node) *special {
	s := l.special[n]
	if s == nil {
		s = &special{sent: -time.Hour}
		l.special[n] = s
	}
	return s
}

// Pin gives a node a connection of the experiment's choice.
func (l *Links) Pin(n Node, p Profile) {
	s := l.of(n)
	s.pinned, s.profile = true, p
}

// SetDown cuts a node off, or connects it again: nothing leaves it and nothing arrives.
func (l *Links) SetDown(n Node, down bool) { l.of(n).down = down }

// SetLoss makes a node lose a share of its datagrams, in both directions, besides what the network loses.
func (l *Links) SetLoss(n Node, share float64) { l.of(n).loss = share }

// SetNAT puts a node behind a NAT or firewall.
func (l *Links) SetNAT(n Node, class NAT) { l.of(n).nat = class }

// Reset takes back what was done to a node.
func (l *Links) Reset(n Node) { delete(l.special, n) }

// leaves applies faults as a datagram goes out, and opens NATs.
func (l *Links) leaves(now time.Duration, from, to Node) (lost bool, loss float64) {
	loss = l.cfg.Loss
	if s := l.special[from]; s != nil {
		if s.down {
			return true, 0
		}
		loss = 1 - (1-loss)*(1-s.loss)
		if s.nat != Open {
			s.sent = now
			l.contacts.note(now, from, to)
		}
	}
	if s := l.special[to]; s != nil {
		loss = 1 - (1-loss)*(1-s.loss)
	}
	return false, loss
}

// enters applies faults as a datagram comes in.
func (l *Links) enters(now time.Duration, from, to Node) bool {
	s := l.special[to]
	switch {
	case s == nil:
		return true
	case s.down:
		return false
	}
	switch s.nat {
	case FullCone:
		return now-s.sent <= natMemory[FullCone]
	case Restricted, Firewalled:
		return l.contacts.within(now, to, from, natMemory[s.nat])
	}
	return true
}

// contacts remembers for two to four minutes to whom nodes behind a NAT have sent something.
type contacts struct {
	young, old map[uint64]time.Duration
	turn       time.Duration
}

func (c *contacts) note(now time.Duration, from, to Node) {
	if c.young == nil || now >= c.turn {
		c.young, c.old = make(map[uint64]time.Duration), c.young
		c.turn = now + natMemory[Restricted]
	}
	c.young[pairOf(from, to)] = now
}

func (c *contacts) within(now time.Duration, from, to Node, span time.Duration) bool {
	at, ok := c.young[pairOf(from, to)]
	if !ok {
		at, ok = c.old[pairOf(from, to)]
	}
	return ok && now-at <= span
}

func pairOf(a, b Node) uint64 { return uint64(a)<<32 | uint64(b) }

// NAT returns behind what NAT a node is.
func (l *Links) NAT(n Node) NAT {
	if s := l.special[n]; s != nil {
		return s.nat
	}
	return Open
}
