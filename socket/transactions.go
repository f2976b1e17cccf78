package socket

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// moment is a time as the core keeps it: nanoseconds since its epoch.
type moment int64

const never = moment(1<<63 - 1)

// query is one transaction, from Send to its last event.
type query struct {
	group *Group
	tid   uint32
	gen   uint32 // how often this struct was used before, so that a stale pointer shows
	state state

	to         netip.AddrPort
	anyAddress bool
	packet     Packet
	conn       int
	tag        uint64

	soft, hard  time.Duration // soft negative: none
	resendAfter time.Duration
	waits       []time.Duration // instead of resendAfter, from the first sending on
	resends     int             // left
	paid        bool            // the next resend already has its token of the packet rate

	sentAt   moment // first sent
	resendAt moment // next resend, never when none is left
	at       moment // next thing to do: the key in the heap
	heap     int    // index there

	prev, next *query // in the group's list
}

type state uint8

const (
	delayed  state = iota // not sent yet: waits for the spacing of its address
	inFlight              // sent, before its soft deadline
	late                  // past it, before its hard deadline
)

// schedule sets when x is looked at next.
func (x *query) schedule() {
	x.at = min(x.sentAt+moment(x.hard), x.resendAt)
	if x.state == inFlight && x.soft >= 0 {
		x.at = min(x.at, x.sentAt+moment(x.soft))
	}
}

// transactions is the table of open queries: by transaction id and by what has
// to be done next. An id is drawn at random, never one that is open, and is gone
// from memory with its query.
type transactions struct {
	tidLen int
	rng    *rand.ChaCha8
	byTID  map[uint32]*query
	queue  deadlines
	free   []*query // to use again
}

func (t *transactions) len() int { return len(t.byTID) }

// add gives a new query its id. The window keeps at least three quarters of the
// ids free, so the draw ends after 4/3 tries on average.
func (t *transactions) add() *query {
	var x *query
	if n := len(t.free); n > 0 {
		x, t.free = t.free[n-1], t.free[:n-1]
	} else {
		x = new(query)
	}
	for {
		x.tid = uint32(t.rng.Uint64()) & (1<<(8*t.tidLen) - 1)
		if _, taken := t.byTID[x.tid]; !taken {
			break
		}
	}
	t.byTID[x.tid] = x
	return x
}

// remove wipes x and keeps it for the next query.
func (t *transactions) remove(x *query) {
	delete(t.byTID, x.tid)
	t.queue.remove(x)
	*x = query{gen: x.gen + 1}
	t.free = append(t.free, x)
}

// find returns the open query of a transaction id as it came over the wire.
func (t *transactions) find(tid []byte) *query {
	if len(tid) != t.tidLen {
		return nil
	}
	var id uint32
	for _, b := range tid {
		id = id<<8 | uint32(b)
	}
	x := t.byTID[id]
	if x == nil || x.state == delayed { // nobody can know the id of one not sent
		return nil
	}
	return x
}

// wire writes x's id as it is sent, in the first tidLen bytes.
func (t *transactions) wire(x *query) (tid [4]byte) {
	for i := range t.tidLen {
		tid[i] = byte(x.tid >> (8 * (t.tidLen - 1 - i)))
	}
	return tid
}
