package sim

import "time"

// LinkConfig describes a network. The zero value has the round trips of swarm A and no fault.
type LinkConfig struct {
	Seed uint64
	Flat time.Duration // if set, the round trip between any two nodes, jitter and slow nodes aside

	Loss      float64       // share of datagrams lost, each way
	Jitter    float64       // mean of the exponential part of each access delay, relative to it
	Duplicate float64       // share of datagrams that arrive twice
	Reorder   float64       // share of datagrams held back by up to ReorderBy
	ReorderBy time.Duration // 0 means 200 ms

	Slow                float64 // share of nodes whose datagrams take SlowLeast to SlowMost longer, each node its own time
	SlowLeast, SlowMost time.Duration
}

// SwarmA is the standard network: five regions, 1 % loss each way, 10 % jitter at the access, 5 % slow nodes (0.3 to 2 s).
func SwarmA(seed uint64) LinkConfig {
	return LinkConfig{
		Seed: seed, Loss: 0.01, Jitter: 0.1,
		Slow: 0.05, SlowLeast: 300 * time.Millisecond, SlowMost: 2 * time.Second,
	}
}

// Profile is how a node is connected.
type Profile struct {
	Region Region
	Access time.Duration // its part of every round trip
	Slow   time.Duration // its datagrams take so much longer
}

// Links is the network between nodes: whatever is to be known of a node or of two of them is a hash of the seed and their
// numbers and takes no memory. What is done to single nodes (Pin, SetNAT, SetLoss, SetDown) is kept for these.
type Links struct {
	cfg      LinkConfig
	special  map[Node]*special
	contacts contacts
}

// NewLinks returns a network as described.
func NewLinks(cfg LinkConfig) *Links {
	if cfg.ReorderBy <= 0 {
		cfg.ReorderBy = 200 * time.Millisecond
	}
	return &Links{cfg: cfg, special: make(map[Node]*special)}
}

// Purposes of a hash, so that no two draws are the same.
const (
	drawProfile = 0x50_0000_0000 + iota<<32
	drawSlow
	drawPair
	drawJitter
	drawLoss
	drawDuplicate
	drawReorder
)

// Profile returns how n is connected.
func (l *Links) Profile(n Node) Profile {
	if len(l.special) > 0 {
		if s := l.special[n]; s != nil && s.pinned {
			return s.profile
		}
	}
	h := Mix(l.cfg.Seed, drawProfile|uint64(n))
	p := Profile{Region: regionOfByte[h&1023], Access: accessQuantile[h>>(64-quantileBits)]}
	if l.cfg.Slow > 0 && Unit(h<<20) < l.cfg.Slow {
		u := Unit(Mix(l.cfg.Seed, drawSlow|uint64(n)))
		p.Slow = l.cfg.SlowLeast + time.Duration(u*float64(l.cfg.SlowMost-l.cfg.SlowLeast))
	}
	return p
}

// RTT returns the round trip between two nodes without jitter, slowness of either included.
func (l *Links) RTT(a, b Node) time.Duration {
	p, q := l.Profile(a), l.Profile(b)
	return l.roundTrip(a, b, &p, &q) + p.Slow + q.Slow
}

// roundTrip is the way there and back, and nothing else.
func (l *Links) roundTrip(a, b Node, p, q *Profile) time.Duration {
	if l.cfg.Flat > 0 {
		return l.cfg.Flat
	}
	pair := Mix(l.cfg.Seed^drawPair, uint64(min(a, b))<<32|uint64(max(a, b)))
	base := regionRTT[p.Region][q.Region] * (0.75 + 0.5*Unit(pair))
	return time.Duration(base*float64(time.Millisecond)) + p.Access + q.Access
}

// Fate implements Link.
func (l *Links) Fate(now time.Duration, from, to Node, draw uint64) Fate {
	loss := l.cfg.Loss
	if len(l.special) > 0 {
		var lost bool
		if lost, loss = l.leaves(now, from, to); lost {
			return Fate{Lost: true}
		}
	}
	if loss > 0 && Unit(Mix(draw, drawLoss)) < loss {
		return Fate{Lost: true}
	}
	p, q := l.Profile(from), l.Profile(to)
	fixed := l.roundTrip(from, to, &p, &q)/2 + p.Slow
	f := Fate{Delay: fixed + l.jitter(&p, &q, draw)}
	if l.cfg.Reorder > 0 && Unit(Mix(draw, drawReorder)) < l.cfg.Reorder {
		f.Delay += time.Duration(Unit(Mix(draw, drawReorder+1)) * float64(l.cfg.ReorderBy))
	}
	if l.cfg.Duplicate > 0 && Unit(Mix(draw, drawDuplicate)) < l.cfg.Duplicate {
		f.Again = fixed + l.jitter(&p, &q, Mix(draw, drawDuplicate+1))
	}
	return f
}

// jitter is what a datagram waits for others at the access of either end.
func (l *Links) jitter(p, q *Profile, draw uint64) time.Duration {
	if l.cfg.Jitter == 0 {
		return 0
	}
	relative := l.cfg.Jitter * Exp(Mix(draw, drawJitter)).Seconds()
	return time.Duration(relative * float64(p.Access+q.Access) / 2)
}

// Arrives implements Link.
func (l *Links) Arrives(now time.Duration, from, to Node) bool {
	return len(l.special) == 0 || l.enters(now, from, to)
}
