package krpc

import (
	"math"
	"net/netip"
	"time"
)

// Ours, after the mainline digest's section 9.1. The source of a query may be forged: what an answer is longer than its
// query, a victim pays.
const (
	defaultMaxReply = 1200
	defaultAmplify  = 12
	provenFor       = 15 * time.Minute // at least, twice that at most
	maxProven       = 4096             // in that time
)

// Room returns how many bytes the datagram that answers q may have: Config.MaxReply, and so many times the query as
// Config.Amplify allows. A handler need not look: Reply leaves out what does not fit, see there. It looks if it can choose
// better what to leave out.
func (q *Query) Room() int {
	stranger, friend := q.rpc.cfg.rooms(q.size)
	if stranger < friend && q.rpc.isProven(q.From.Addr.Addr(), q.At) {
		return friend
	}
	return stranger
}

// rooms returns how long the answer to a query of so many bytes may be if its source may be forged, and if it is not.
func (c *Config) rooms(query int) (stranger, friend int) {
	friend = math.MaxInt
	if c.MaxReply > 0 {
		friend = c.MaxReply
	}
	stranger = friend
	for _, gain := range []float64{c.Amplify, c.AmplifyStrangers} {
		if most := float64(query) * gain; gain > 0 && most < float64(stranger) {
			stranger = int(most)
		}
	}
	return stranger, friend
}

// Prove says that the query's source is no forgery, because it repeats what only its address was told: a token. For a quarter
// of an hour the length of answers to that address does not depend on that of the queries.
func (q *Query) Prove() {
	r := q.rpc
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proven.put(q.From.Addr.Addr(), struct{}{}, q.At)
}

func (r *RPC) isProven(a netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.proven.get(a, now)
	return ok
}
