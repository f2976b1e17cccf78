package dhtrpc

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/routing"
)

const (
	tickEvery   = 5 * time.Second
	sleepAfter  = 15 * time.Second // a tick that comes so late means that the machine slept
	stableFirst = 240              // ticks (20 min) before an adaptive node tries to turn persistent
	stableAgain = 720              // ticks (60 min) before it tries again
	smallRound  = 64               // ticks after which a node with fewer than 20 others looks around
	idleRound   = 60               // ticks without any query after which one refreshes
	emptyRound  = 8                // ticks after which a node that knows nobody asks its bootstrap nodes again
)

// upkeep is what a node does without being asked: it joins, ticks, and keeps the table (dht-rpc 12, 13). It costs no
// goroutine, but for names to be resolved.
type upkeep struct {
	session  *session // of pings and probes
	ticks    int
	nextTick time.Time
	lastTick time.Time // wall clock, so that sleep shows
	stable   int       // ticks until an adaptive node tries
	wakes    time.Time // when the socket will call tick
	due      []routing.Task

	ready       bool   // the first lookup is over
	joinedAt    int    // tick of that
	join        *Query // the first lookup, or nil
	probe       bool   // the quick probe was sent
	probed      bool   // and answered
	resolving   bool
	refresh     *Query
	targets     []routing.Key // refreshes to come
	refreshSoon bool
	lastQuery   int // tick
	hints       int // sent in this tick
}

// init begins: with the first lookup, or after a suspension with a refresh.
func (u *upkeep) init(n *Node) {
	u.session = n.newSession(false)
	u.nextTick = n.clock.Add(tickEvery)
	u.lastTick = n.clock.Round(0)
	if u.ready {
		u.refreshSoon = true
		return
	}
	u.ticks = 51 + n.rand.IntN(50)
	u.stable = stableFirst
	for _, a := range slices.Backward(n.cfg.Nodes) {
		if node := nodeAt(a); n.wanted(node) {
			n.table.Heard(node, n.clock)
		}
	}
	n.resolveThen(n.startJoin)
}

// resolveThen calls next with the lock held, after names were resolved if any have to be.
func (n *Node) resolveThen(next func()) {
	u := &n.up
	if _, asking := n.boot.known(n.clock); !asking || n.stepped() {
		next()
		return
	}
	if u.resolving {
		return
	}
	u.resolving = true
	n.wg.Go(func() { // the resolving goroutine: ends after one resolution or when the node is closed
		n.boot.resolve(n.life, time.Now())
		n.mu.Lock()
		n.clock = n.now()
		u.resolving = false
		if !n.closed && !n.asleep {
			next()
			n.wake()
		}
		n.unlock()
	})
}

// startJoin begins the first lookup, for our own neighbourhood; with few nodes known it starts at bootstrap nodes.
func (n *Node) startJoin() {
	u := &n.up
	q := n.newQuery(ID(n.table.Self()), CommandFindNode, nil, QueryOptions{Nodes: n.cfg.Nodes})
	q.internal = true
	u.join = q
	q.onReply = n.quickProbe
	q.onEnd = func(err error) {
		u.join = nil
		if errors.Is(err, routing.ErrNoAnswer) {
			n.boot.silent()
		}
		n.joined(q)
	}
	q.start()
}

// quickProbe asks the first node that answers whether our server port can be reached (dht-rpc 8.4).
func (n *Node) quickProbe(r *Reply) {
	u := &n.up
	if u.probe || n.cfg.NoQuickProbe || n.cfg.Mode == Persistent || n.cfg.Mode == Ephemeral || !n.net.firewalled {
		return
	}
	u.probe = true
	n.pingNAT(r.From.Addr, func(r *Reply, err error) {
		u.probed = u.probed || err == nil && r.Conn == serverConn
	})
}

// joined goes on after a round of the first lookup.
func (n *Node) joined(q *Query) {
	again := func(changed bool) {
		if changed {
			n.refreshNow(ID(n.table.Self()).Key(), n.isReady)
			return
		}
		n.isReady()
	}
	switch {
	case n.up.ready || n.closed:
	case n.cfg.Mode == Persistent && n.net.ephemeral:
		n.updateNetwork(false, again)
	case n.up.probed:
		n.updateNetwork(true, again)
	default:
		n.isReady()
	}
}

func (n *Node) isReady() {
	if n.up.ready {
		return
	}
	n.up.ready, n.up.joinedAt = true, n.up.ticks
	close(n.ready)
	n.later(n.cfg.On.Ready)
}

// refreshNow looks up a target in the background; then is called, with the lock held, when that is over.
func (n *Node) refreshNow(target routing.Key, then func()) {
	u := &n.up
	q := n.newQuery(ID(target), CommandFindNode, nil, QueryOptions{Background: n.up.ready})
	q.internal = true
	u.refresh = q
	q.onEnd = func(err error) {
		u.refresh = nil
		if errors.Is(err, routing.ErrNoAnswer) {
			n.boot.silent()
		}
		if n.cfg.Mode == Persistent && n.net.ephemeral && u.ready {
			n.updateNetwork(false, func(bool) {})
		}
		if then != nil {
			then()
		}
		n.nextRefresh()
	}
	q.start()
}

func (n *Node) nextRefresh() {
	u := &n.up
	if u.refresh != nil || u.join != nil || n.closed || n.asleep {
		return
	}
	if u.refreshSoon && u.ready {
		u.refreshSoon = false
		n.resolveThen(func() { n.refreshNow(n.table.Self(), nil) })
		return
	}
	if len(u.targets) > 0 && u.ready {
		target := u.targets[0]
		u.targets = u.targets[1:]
		n.refreshNow(target, nil)
	}
}

// tick does what is due now and says when it wants to be called again.
func (n *Node) tick(now time.Time) time.Time {
	n.mu.Lock()
	defer n.unlock()
	u := &n.up
	if n.closed || n.asleep {
		return time.Time{}
	}
	n.clock = now
	n.delayed.flush(n, now)
	n.out.flush(now)
	for !now.Before(u.nextTick) {
		n.everyTick(now)
		if u.nextTick = u.nextTick.Add(tickEvery); now.Sub(u.nextTick) > tickEvery {
			u.nextTick = now.Add(tickEvery)
		}
	}
	n.keepTable(now)
	n.nextRefresh()
	u.wakes = n.next()
	return u.wakes
}

// keepTable does what the table wants: pings at once, lookups one after the other.
func (n *Node) keepTable(now time.Time) {
	u := &n.up
	u.due, _ = n.table.Due(u.due[:0], now)
	for _, task := range u.due {
		if task.Kind == routing.Refresh {
			if len(u.targets) < routing.KeySize {
				u.targets = append(u.targets, task.Target)
			}
			continue
		}
		n.pingNode(task.Node, nil)
	}
}

// next returns when there is something to do.
func (n *Node) next() time.Time {
	next := n.up.nextTick
	for _, t := range [...]time.Time{n.table.Next(), n.out.next(), n.delayed.next()} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next
}

// wake has the socket call tick in time.
func (n *Node) wake() {
	if next := n.next(); next.Before(n.up.wakes) {
		n.up.wakes = next
		n.sock.WakeAt(next)
	}
}

// everyTick is what happens every five seconds.
func (n *Node) everyTick(now time.Time) {
	u := &n.up
	wall := now.Round(0)
	slept := wall.Sub(u.lastTick) > sleepAfter
	u.lastTick = wall
	if slept {
		n.wakeup()
	} else {
		u.ticks++
	}
	n.watch.poll(n)
	if !u.ready {
		return
	}
	n.adapt()
	known := n.table.Len()
	switch {
	case u.ticks == u.joinedAt+1, // who joined together with us was not named yet
		known == 0 && u.ticks%emptyRound == 0,
		known < nodesPerBucket && u.ticks%smallRound == 0,
		u.ticks-u.lastQuery >= idleRound:
		u.refreshSoon = true
	}
	u.hints = 0
	n.checks.tick()
	if n.counts.health.tick(n.counts.traffic) {
		n.later(n.cfg.On.NetworkUpdate)
	}
}

// adapt counts the ticks until an adaptive node tries to turn persistent.
func (n *Node) adapt() {
	u := &n.up
	if n.cfg.Mode != Adaptive || !n.net.ephemeral {
		return
	}
	if u.stable--; u.stable > 0 {
		return
	}
	u.stable = stableAgain
	if n.net.sampler.host.IsValid() && n.net.sampler.host == n.net.checked {
		return // it failed there before, nothing is different now
	}
	n.updateNetwork(false, func(bool) {})
}

// wakeup: the machine slept, others may have forgotten us and we may be elsewhere (dht-rpc 15.1).
func (n *Node) wakeup() {
	u := &n.up
	u.ticks += stableAgain
	u.ticks += (6 - u.ticks%8 + 8) % 8
	u.stable, u.refreshSoon = stableAgain, true
	n.net.checked = netip.Addr{}
	n.counts.health.reset()
	if n.cfg.Mode == Adaptive && !n.net.ephemeral {
		n.net.ephemeral = true
		n.later(n.cfg.On.Ephemeral)
	}
	n.later(n.cfg.On.Wakeup)
}
