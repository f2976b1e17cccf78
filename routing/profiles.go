package routing

import "time"

// LookupConfig shapes one lookup. The zero value works; Fast, Thorough and Economy are what we recommend.
type LookupConfig struct {
	K     int // how many of the closest to find; 0 means 8
	Alpha int // queries counted as outstanding at once; 0 means 8

	// Extra is how many nodes behind the K-th that answered are asked, too: they may know nearer ones that the dead
	// crowd out of the replies of others. They are not part of the result. 0 means none.
	Extra int

	// CountAll counts every query in flight that is not late against Alpha. Without it a query counts only while it may
	// beat the one to be sent: if its node is nearer than that one's, and so nearer than the K-th that answered. A
	// reply that names eight nearer nodes has them asked at once.
	CountAll bool

	// Stack asks whoever was named last first, near or far, and ends when nothing at all is outstanding: the way of npm's
	// dht-rpc, for comparisons. It wants CountAll, and MaxCandidates that are never reached.
	Stack bool

	// PerReply and PerTimeout replace the fixed window by one that grows: Alpha queries to begin with, then each
	// reply allows PerReply more and each query that turns late or fails PerTimeout more. Both 0: fixed window.
	PerReply, PerTimeout int

	// Sound has the K closest that answered asked once more, for the neighbours of their own ids, when nothing but late nodes
	// is waited for: a young node is known to its neighbours only. Whom they name has failed after this, instead of
	// Hard. Only an Asker that is a Sounder can do it. 0: they are not asked.
	Sound time.Duration

	// WaitLate keeps the lookup open while a late node nearer than the k-th answered one may still answer.
	WaitLate bool

	Soft time.Duration // a query is late after this; 0 means adaptive, see RTTs
	Hard time.Duration // a query has failed after this; 0 means 5 s
	RTTs *RTTs         // where round trips are noted and the adaptive Soft comes from; nil: the walk's own

	// ResendAfter is for whoever makes the Asker: an unanswered query is sent once more after this, so that a lost
	// datagram is not a lost node; 0: never. The drivers do not look at it.
	ResendAfter time.Duration

	MaxQueries    int // queries of the whole lookup; 0 means 500
	MaxCandidates int // nodes remembered; 0 means 256, at least K

	// ShareNets allows several nodes of one address or one /24 (IPv6: /64) in a lookup: networks on one machine.
	ShareNets bool

	// Eligible says which nodes may be part of the result; nil: all. Others are asked and what they name is followed, but
	// their answers do not count among the K closest.
	Eligible func(Node) bool

	Keep int // replies that a Walk remembers for Kept; 0 means K

	Self  Key       // the own id: never a candidate; zero: none
	Trace func(Hop) // called for every query and outcome; nil: none
}

// Hop is one line of a lookup's trace.
type Hop struct {
	Node    Node
	From    Node // who named it; zero: ourselves
	Bits    int  // leading bits its id shares with the target; 0 for a seed
	Asked   bool // a query goes out now; otherwise Outcome tells how it went
	Outcome Outcome
}

// Fast is the profile for finding and getting: eight in flight, only queries that can change the result count, two nodes
// behind the closest are asked too, and the soft deadline adapts. In a simulated network of a million, 40 % of whose
// contacts are dead, it ends in 0.65 s (p95 0.95 s) with 9 of 10 of the true closest nodes.
func Fast() LookupConfig { return LookupConfig{Extra: 2} }

// Thorough is the profile for announcing, putting and estimating: three queries to begin with, each reply opens three,
// each timeout one, late nodes near the target are waited for, what is not answered is asked once more, and the closest are
// asked for their own neighbours meanwhile. It finds 98 of 100 of the true closest nodes in two seconds, young ones or not.
func Thorough() LookupConfig {
	return LookupConfig{
		Alpha: 3, PerReply: 3, PerTimeout: 1, WaitLate: true,
		Hard: 1650 * time.Millisecond, Sound: 1200 * time.Millisecond, ResendAfter: 700 * time.Millisecond,
	}
}

// Economy is the profile for those who count packets: less than half of Fast's queries for twice its time.
func Economy() LookupConfig { return LookupConfig{Alpha: 4, CountAll: true, Extra: 1} }

func (c LookupConfig) withDefaults() LookupConfig {
	c.K = positive(c.K, 8)
	c.Keep = max(c.Keep, c.K)
	c.Alpha = positive(c.Alpha, 8)
	c.Hard = positive(c.Hard, 5*time.Second)
	c.MaxQueries = positive(c.MaxQueries, 500)
	c.MaxCandidates = min(max(positive(c.MaxCandidates, 256), c.K), maxSlab)
	return c
}
