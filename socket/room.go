package socket

import (
	"net/netip"
	"time"
)

// grantFor is how long a group that was told Room has the slot to itself, so
// that others, quicker to send, do not take it away again and again. Ours.
const grantFor = 20 * time.Millisecond

// debt says where a group stands that was refused and has not been told Room.
type debt uint8

const (
	noDebt  debt = iota
	ownDebt      // waits for its own window, or for its events to be read
	queued       // waits for the socket's limits, in rooms.owed
	granted      // was told, and has a slot reserved, in rooms.grants
)

// rooms keeps who is owed a Room event. A group is in one list at most.
type rooms struct {
	owed    [2]groupList // foreground, background: first come, first served
	grants  groupList    // in the order in which they lapse
	retryAt moment       // when to serve again if nothing happens before
}

// forget takes g out of its list and gives up its reservation.
func (r *rooms) forget(g *Group) {
	switch g.debt {
	case queued:
		r.owed[g.class()].remove(g)
	case granted:
		r.grants.remove(g)
	}
	g.debt = noDebt
}

// lapse ends reservations that were not used in time.
func (r *rooms) lapse(m moment) {
	for g := r.grants.first; g != nil && g.grantEnd <= m; g = r.grants.first {
		r.forget(g)
	}
}

// refusal is why there is no room.
type refusal uint8

const (
	admitted refusal = iota
	groupFull
	socketFull
	packetRate
	newcomerRate
)

// admit takes the tokens and the slot for a query of g, or writes down that it
// is owed a Room.
func (c *core) admit(g *Group, to netip.AddrPort, now time.Time) error {
	m := c.moment(now)
	c.rooms.lapse(m)
	if g.debt == granted {
		c.rooms.forget(g)
	}
	fresh := c.fresh(to, m)
	why, _ := c.refuses(g, fresh, now)
	if why == admitted {
		c.packets.take(now)
		if c.contacted != nil {
			c.contacted.put(to, struct{}{}, m)
		}
		if fresh {
			c.newcomers.take(now)
		}
		return nil
	}
	if why == packetRate || why == newcomerRate {
		c.count.limited.Add(1)
	} else {
		c.count.full.Add(1)
	}
	c.owe(g, why, fresh)
	c.serveRooms(now)
	return ErrFull
}

// fresh reports whether to would count as a new destination.
func (c *core) fresh(to netip.AddrPort, m moment) bool {
	if c.contacted == nil {
		return false
	}
	_, known := c.contacted.get(to, m)
	return !known
}

// refuses tells why g may not send a query now, leaving others what they have
// reserved, and if it is for a rate, how long that lasts at least.
func (c *core) refuses(g *Group, fresh bool, now time.Time) (refusal, time.Duration) {
	reserved := &c.rooms.grants
	if g.full() {
		return groupFull, forever
	}
	if c.open.len()+reserved.len >= c.window {
		return socketFull, forever
	}
	if g.background {
		quarter := max(1, c.window/backgroundPart)
		if c.background+reserved.background >= quarter || c.rooms.owed[0].len > 0 {
			return socketFull, forever
		}
	}
	if wait := c.packets.wait(now, 1+reserved.len); wait > 0 {
		return packetRate, wait
	}
	if fresh {
		if wait := c.newcomers.wait(now, 1+reserved.fresh); wait > 0 {
			return newcomerRate, wait
		}
	}
	return admitted, 0
}

// owe notes that g is to be told when there is room. Asking again does not
// cost it its place.
func (c *core) owe(g *Group, why refusal, fresh bool) {
	if why == groupFull {
		c.rooms.forget(g)
		g.debt, g.fresh = ownDebt, fresh
		return
	}
	if g.debt == queued {
		c.rooms.owed[g.class()].recount(g, fresh)
		return
	}
	g.debt, g.fresh = queued, fresh
	c.rooms.owed[g.class()].push(g)
}

// slotFreed moves a group that waited for itself to those that wait for the
// socket. The caller serves them afterwards.
func (c *core) slotFreed(g *Group) {
	if g.debt == ownDebt && !g.full() && !g.closed {
		g.debt = queued
		c.rooms.owed[g.class()].push(g)
	}
}

// serveRooms tells groups Room, in turn, as far as there is any. Background
// groups are served when no foreground group waits.
func (c *core) serveRooms(now time.Time) {
	r := &c.rooms
	r.retryAt = never
	if r.owed[0].len+r.owed[1].len == 0 {
		return
	}
	m := c.moment(now)
	r.lapse(m)
	for class := range r.owed {
		wait := c.serveClass(&r.owed[class], m, now)
		if r.owed[class].len == 0 {
			continue
		}
		if wait < time.Duration(never-m) {
			r.retryAt = m + moment(wait)
		}
		if g := r.grants.first; g != nil {
			r.retryAt = min(r.retryAt, g.grantEnd)
		}
		return
	}
}

// serveClass serves one list and returns after what time a rate may have room
// for who is left.
func (c *core) serveClass(l *groupList, m moment, now time.Time) (wait time.Duration) {
	wait = forever
	for g := l.first; g != nil; {
		next := g.later
		why, w := c.refuses(g, g.fresh, now)
		switch why {
		case admitted:
			c.grant(g, m, now)
		case groupFull:
			c.owe(g, groupFull, g.fresh)
		case newcomerRate:
			wait = min(wait, w)
			if l.fresh == l.len {
				return wait
			}
		default: // then there is none for those behind either
			return min(wait, w)
		}
		g = next
	}
	return wait
}

func (c *core) grant(g *Group, m moment, now time.Time) {
	c.rooms.forget(g)
	g.debt, g.grantEnd = granted, m+moment(grantFor)
	c.rooms.grants.push(g)
	c.emit(g, Event{Kind: Room, At: now})
}

// groupList is a queue of groups, linked through them, with counts of what is
// in it.
type groupList struct {
	first, last            *Group
	len, background, fresh int
}

func (l *groupList) push(g *Group) {
	g.earlier, g.later = l.last, nil
	if l.last != nil {
		l.last.later = g
	} else {
		l.first = g
	}
	l.last = g
	l.tally(g, 1)
}

func (l *groupList) remove(g *Group) {
	if g.earlier != nil {
		g.earlier.later = g.later
	} else {
		l.first = g.later
	}
	if g.later != nil {
		g.later.earlier = g.earlier
	} else {
		l.last = g.earlier
	}
	g.earlier, g.later = nil, nil
	l.tally(g, -1)
}

func (l *groupList) tally(g *Group, n int) {
	l.len += n
	if g.background {
		l.background += n
	}
	if g.fresh {
		l.fresh += n
	}
}

// recount changes whether g waits for a new destination.
func (l *groupList) recount(g *Group, fresh bool) {
	l.tally(g, -1)
	g.fresh = fresh
	l.tally(g, 1)
}
