package socket

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// core decides which queries are open, what is sent when, and what their
// groups are told. It has no lock, no clock and no conn: it is stepped with the
// time, and what is to be done piles up in sends and events, which the shell
// carries out after giving up its lock.
type core struct {
	window     int
	private    bool
	anyAddress bool
	epoch      time.Time
	own        *ownAddrs
	count      *counters

	open       transactions
	background int // open queries of background groups
	rooms      rooms
	packets    limiter                // query packets per second
	newcomers  limiter                // new destinations per minute
	contacted  *generations[struct{}] // nil when newcomers does not limit
	spacing    spacing

	sends       []send
	events      []groupEvent // of groups with OnEvent
	dispatching bool         // somebody is carrying out events, maybe not whoever adds the next
}

// send is a datagram to be written.
type send struct {
	q      *query // nil for a raw one; to be used only while gen is still its own
	gen    uint32
	resend bool
	tid    [4]byte
	packet Packet
	raw    []byte
	conn   int
	to     netip.AddrPort
}

type groupEvent struct {
	group *Group
	event Event
}

func newCore(cfg Config, own *ownAddrs, count *counters, epoch time.Time) *core {
	seed := cfg.Seed
	if seed == nil {
		seed = new([32]byte)
		rand.Read(seed[:]) // never fails
	}
	c := &core{
		window:     cfg.Window,
		private:    cfg.Private,
		anyAddress: cfg.AnyAddress,
		epoch:      epoch,
		own:        own,
		count:      count,
		open: transactions{
			tidLen: cfg.TIDLen,
			rng:    mathrand.NewChaCha8(*seed),
			byTID:  make(map[uint32]*query),
		},
		packets: newLimiter(cfg.Packets, cfg.Burst),
		spacing: newSpacing(cfg.Spacing, cfg.Private),
		rooms:   rooms{retryAt: never},
	}
	if n := cfg.NewPerMinute; n > 0 {
		c.newcomers = newLimiter(rate.Limit(n)/60, n/10)
		c.contacted = newGenerations[struct{}](contactedFor, maxContacted)
	}
	return c
}

func (c *core) moment(now time.Time) moment { return moment(now.Sub(c.epoch)) }

func (c *core) time(m moment) time.Time { return c.epoch.Add(time.Duration(m)) }

// next returns when advance has something to do.
func (c *core) next() moment { return min(c.open.queue.next(), c.rooms.retryAt) }

// permitted applies the address filter to a destination.
func (c *core) permitted(to netip.AddrPort) error {
	if !Routable(to, c.private) {
		c.count.filteredOut.Add(1)
		return ErrFiltered
	}
	if c.own.has(to) {
		c.count.ownAddress.Add(1)
		return ErrFiltered
	}
	return nil
}

// send opens a query of g.
func (c *core) send(g *Group, q Query, now time.Time) error {
	q.To = unmap(q.To)
	if err := c.permitted(q.To); err != nil {
		return err
	}
	if err := c.admit(g, q.To, now); err != nil {
		return err
	}
	x := c.open.add()
	x.fill(q)
	c.link(x, g)
	m := c.moment(now)
	x.sentAt = c.spacing.earliest(q.To, m)
	c.spacing.book(q.To, x.sentAt, m)
	if x.sentAt > m {
		x.state, x.at = delayed, x.sentAt
	} else {
		c.first(x, m)
	}
	c.open.queue.add(x)
	return nil
}

// fill takes over the caller's wishes with their defaults.
func (x *query) fill(q Query) {
	x.to, x.packet, x.conn, x.tag = q.To, q.Packet, q.Conn, q.Tag
	x.hard, x.soft = min(q.Hard, longest), q.Soft
	if x.hard <= 0 {
		x.hard = defaultHard
	}
	if x.soft == 0 {
		x.soft = defaultSoft
	}
	if x.soft >= x.hard {
		x.soft = -1
	}
	x.anyAddress = q.AnyAddress
	x.resends, x.resendAfter, x.waits = q.Resends, min(q.ResendAfter, longest), q.Waits
	if x.resendAfter <= 0 {
		x.resendAfter = defaultResendAfter
	}
	if len(x.waits) > 0 {
		x.resends = len(x.waits)
	}
}

// wait returns how long after a sending the next one follows.
func (x *query) wait() time.Duration {
	if n := len(x.waits); n > 0 {
		return min(max(x.waits[n-x.resends], 0), longest)
	}
	return x.resendAfter
}

// first sends x for the first time: its deadlines run from here.
func (c *core) first(x *query, m moment) {
	x.state, x.sentAt, x.resendAt = inFlight, m, never
	if x.resends > 0 {
		x.resendAt = m + moment(x.wait())
	}
	x.schedule()
	c.write(x, false)
}

func (c *core) write(x *query, again bool) {
	c.sends = append(c.sends, send{
		q: x, gen: x.gen, resend: again, tid: c.open.wire(x),
		packet: x.packet, conn: x.conn, to: x.to,
	})
}

// match finds the query that a response answers.
func (c *core) match(tid []byte, d Datagram) {
	x := c.open.find(tid)
	switch {
	case x == nil:
		c.count.unmatched.Add(1)
		return
	case x.to != d.From && !c.anyAddress && !x.anyAddress:
		c.count.wrongSource.Add(1)
		return
	}
	c.count.replies.Add(1)
	if x.state == late {
		c.count.lateReplies.Add(1)
	}
	g, ev := x.group, c.event(x, Reply, d.At)
	ev.From, ev.Conn, ev.Payload = d.From, d.Conn, d.Payload
	c.end(x)
	c.emit(g, ev)
	c.serveRooms(d.At)
}

// advance does all that is due.
func (c *core) advance(now time.Time) {
	m := c.moment(now)
	for c.open.queue.next() <= m {
		c.step(c.open.queue[0], m, now)
	}
	c.serveRooms(now)
}

// step does the next thing that is due for x.
func (c *core) step(x *query, m moment, now time.Time) {
	switch {
	case x.state == delayed:
		c.first(x, m)
	case m-x.sentAt >= moment(x.hard):
		c.count.timeouts.Add(1)
		g, ev := x.group, c.event(x, Timeout, now)
		c.end(x)
		c.emit(g, ev)
		return
	case x.state == inFlight && x.soft >= 0 && m-x.sentAt >= moment(x.soft):
		c.late(x, now)
	default:
		c.resend(x, m, now)
	}
	x.schedule()
	c.open.queue.fix(x)
}

func (c *core) late(x *query, now time.Time) {
	c.count.late.Add(1)
	x.state = late
	x.group.inFlight--
	c.emit(x.group, c.event(x, Late, now))
	c.slotFreed(x.group)
}

// resend writes x again, or puts that off as the limits demand.
func (c *core) resend(x *query, m moment, now time.Time) {
	if at := c.spacing.earliest(x.to, m); at > m {
		x.resendAt = at
		return
	}
	if !x.paid {
		left := time.Duration(x.sentAt + moment(x.hard) - m)
		wait, ok := c.packets.reserve(now, left)
		if !ok {
			x.resendAt = never
			return
		}
		if wait > 0 {
			x.paid, x.resendAt = true, m+moment(wait)
			return
		}
	}
	c.spacing.book(x.to, m, m)
	c.write(x, true)
	x.paid, x.resends, x.resendAt = false, x.resends-1, never
	if x.resends > 0 {
		x.resendAt = m + moment(x.wait())
	}
}

// fail ends a query whose first packet could not be written.
func (c *core) fail(s *send, err error, now time.Time) {
	if s.q == nil || s.q.gen != s.gen || s.resend {
		return
	}
	g, ev := s.q.group, c.event(s.q, SendFailed, now)
	ev.Err, ev.RTT = err, 0
	c.end(s.q)
	c.emit(g, ev)
	c.serveRooms(now)
}

func (c *core) event(x *query, k EventKind, now time.Time) Event {
	return Event{
		Kind: k, To: x.to, Tag: x.tag, Conn: x.conn, At: now,
		RTT: time.Duration(c.moment(now) - x.sentAt),
	}
}

// emit hands an event to its group: into its queue, or to be carried out by
// the shell. A view is only good until the datagram has been dealt with; if
// somebody else may be the one to carry the event out, it needs a copy.
func (c *core) emit(g *Group, ev Event) {
	if g.onEvent == nil {
		ev.Payload = slices.Clone(ev.Payload)
		g.push(ev)
		return
	}
	if c.dispatching {
		ev.Payload = slices.Clone(ev.Payload)
	}
	c.events = append(c.events, groupEvent{g, ev})
}

// link puts x among the open queries of g.
func (c *core) link(x *query, g *Group) {
	x.group = g
	if x.next = g.first; x.next != nil {
		x.next.prev = x
	}
	g.first = x
	g.open++
	g.inFlight++
	if g.background {
		c.background++
	}
}

// end takes x out of everything.
func (c *core) end(x *query) {
	g := x.group
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		g.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	}
	g.open--
	if x.state != late {
		g.inFlight--
	}
	if g.background {
		c.background--
	}
	c.open.remove(x)
	c.slotFreed(g)
}

// closeGroup ends all queries of g without an event.
func (c *core) closeGroup(g *Group, now time.Time) {
	g.closed = true
	c.rooms.forget(g)
	for g.first != nil {
		c.count.canceled.Add(1)
		c.end(g.first)
	}
	if g.signal != nil {
		close(g.signal)
	}
	c.serveRooms(now)
}

// closeAll ends all queries of all groups.
func (c *core) closeAll() {
	for _, x := range c.open.byTID {
		c.count.canceled.Add(1)
		c.end(x)
	}
	c.open.free, c.sends, c.events = nil, nil, nil
	c.rooms = rooms{retryAt: never}
}
