package routing

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// WideFar are the capacities that make first hops short: half of all nodes fall into the farthest bucket, so a table
// that keeps 128 of them starts a lookup seven bits nearer. Buckets past the list hold K.
var WideFar = []int{128, 64, 32, 16}

// Config shapes a Table. The zero value is a Mainline table.
type Config struct {
	KeyLen int   // bytes of an id, 1..32; 0 means 20
	K      int   // capacity of a bucket; 0 means 8
	Far    []int // capacities of the buckets from the far end on, then K; nil: K everywhere; see WideFar
	Cache  int   // candidates kept beside each bucket; 0 means K, negative none

	// One machine, or one network, may not fill the table. Net is the /24 of an IPv4, the /64 of an IPv6 address.
	PerIP        int // entries and candidates of one address; 0 means 1, negative: no limit
	PerNetBucket int // entries of one net in a bucket; 0 means 2, negative: no limit
	PerNetTable  int // entries of one net in the table; 0 means 10, negative: no limit

	GoodFor      time.Duration // an entry silent for longer is questionable and pinged; 0 means 15 min (BEP 5)
	RefreshAfter time.Duration // a bucket untouched for longer is refreshed; 0 means 15 min (BEP 5)

	// VerifyDelay is how long after it first sent us something a node is pinged: by then a NAT has forgotten us, unless it
	// keeps talking to us, so only reachable nodes pass. 0 means 90 s. Negative: at once and without pacing, for networks
	// without strangers.
	VerifyDelay time.Duration

	MaxFails   int // queries failed in a row that remove an entry; 0 means 3
	MaxBuckets int // 0 means 50

	// Prefer says which nodes are better than others for their id and address alone, as those whose id suits their address
	// (BEP 42): in a full bucket one of them takes the place of one that is not, and what is decided by round trip or age is
	// decided by this before. nil: no such difference.
	Prefer func(Node) bool

	// OnFull replaces the built-in choice in a full bucket, as k-rpc's "ping" event does: old are the bucket's nodes,
	// longest unheard first, newcomer has answered us and waits in the cache. The receiver owns old, and calls Swap,
	// now or later, if one of them turns out dead. nil: built-in policy.
	OnFull func(old []Node, newcomer Node)

	// OnChange hears of an entry or candidate that had answered, and answers under another id now: it is evicted.
	OnChange func(old, now Node, at time.Time)

	// OnMember hears of every node that enters a bucket (in) and of every one that leaves it. It must not call the table.
	// A split or a Rebase that leaves a node in some bucket is no news, and Clear tells nothing.
	OnMember func(n Node, in bool)

	Rand *rand.Rand // draws refresh targets; nil: seeded from the own key
}

func (c Config) withDefaults(self Key) Config {
	c.KeyLen = min(positive(c.KeyLen, 20), KeySize)
	c.K = positive(c.K, 8)
	c.Far = slices.Clone(c.Far)
	c.Cache = limit(c.Cache, c.K, 0)
	c.PerIP = limit(c.PerIP, 1, math.MaxInt)
	c.PerNetBucket = limit(c.PerNetBucket, 2, math.MaxInt)
	c.PerNetTable = limit(c.PerNetTable, 10, math.MaxInt)
	c.GoodFor = positive(c.GoodFor, 15*time.Minute)
	c.RefreshAfter = positive(c.RefreshAfter, 15*time.Minute)
	if c.VerifyDelay == 0 {
		c.VerifyDelay = 90 * time.Second
	}
	c.MaxFails = min(positive(c.MaxFails, 3), math.MaxUint8)
	c.MaxBuckets = min(positive(c.MaxBuckets, 50), 8*c.KeyLen)
	if c.Rand == nil {
		c.Rand = rand.New(rand.NewPCG(self.word(0), self.word(1)))
	}
	return c
}

// capacity returns how many nodes the bucket at depth i holds.
func (c *Config) capacity(i int) int {
	if i < len(c.Far) {
		return max(c.Far[i], 1)
	}
	return c.K
}

// positive returns v, or otherwise if v is not above zero.
func positive[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// limit returns v, zero if v is 0, none if v is negative.
func limit(v, zero, none int) int {
	switch {
	case v == 0:
		return zero
	case v < 0:
		return none
	}
	return v
}
