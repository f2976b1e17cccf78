package legacy

import (
	"time"

	"github.com/dhtkit/dhtkit/internal/hosts"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Ours: a join that found fewer than k nodes is tried again after joinRetry, then twice as long each time up to joinRetryMax.
const (
	joinRetry    = 5 * time.Second
	joinRetryMax = 5 * time.Minute
)

// upkeep keeps the table alive: it joins through saved and bootstrap nodes, pings what is due and refreshes buckets. It is
// driven by the socket's ticks and events, so that it costs no goroutine. Its fields are guarded by the node's lock.
type upkeep struct {
	node *Node

	pings *asker
	due   []routing.Task // scratch
	ticks time.Time      // when the socket will call tick

	busy    bool // a walk is in progress
	targets []ID // refreshes that wait for its end

	retry   time.Duration
	rejoin  time.Time     // when a node with few neighbours tries again
	known   int           // nodes in the table when the last join began
	joined  chan struct{} // closed when the first join ended, however it ended
	stopped bool
}

func (u *upkeep) init(n *Node) {
	u.node, u.retry, u.joined = n, joinRetry, make(chan struct{})
	u.pings = n.newAsker(ask{kind: TypeQuery, command: CommandPing}, true, nil, u.onPing)
}

// stop ends the upkeep; the node's lock is held.
func (u *upkeep) stop() {
	u.stopped = true
	u.closeJoined()
}

func (u *upkeep) closeJoined() {
	select {
	case <-u.joined:
	default:
		close(u.joined)
	}
}

// onNews is called when a bootstrap name has got addresses.
func (n *Node) onNews() {
	n.mu.Lock()
	n.up.rejoin = time.Time{}
	n.mu.Unlock()
	n.sock.Wake()
}

// tick does what is due now and says when it wants to be called again.
func (u *upkeep) tick(now time.Time) time.Time {
	n := u.node
	n.mu.Lock()
	if u.stopped {
		n.mu.Unlock()
		return time.Time{}
	}
	var next time.Time
	u.due, next = n.table.Due(u.due[:0], now)
	for _, task := range u.due {
		if task.Kind == routing.Ping {
			u.pings.Ask(task.Node, -1, timeout) // no room: Due names it again
		} else {
			u.targets = append(u.targets, ID(task.Target))
		}
	}
	walk := u.nextWalk(now)
	if !u.busy && u.few() && u.rejoin.Before(next) {
		next = u.rejoin
	}
	u.ticks = next
	n.mu.Unlock()
	if walk != nil {
		walk.Drive(func(*Reply) {}, func(error) { u.end(walk.join) })
	}
	return next
}

// wakeLocked asks for a tick if the table has got something to do before the next one.
func (u *upkeep) wakeLocked() {
	if next := u.node.table.Next(); next.Before(u.ticks) {
		u.ticks = next
		u.node.sock.WakeAt(next)
	}
}

// few reports whether the table is too small to rely on, although there is somebody to learn of others from.
func (u *upkeep) few() bool {
	cfg, known := &u.node.cfg, u.node.table.Len()
	return known < k && known+len(cfg.Bootstrap)+len(cfg.Nodes) > 0
}

// nextWalk returns the walk that is to begin now, nil if none: for the own neighbours while they are few, at once and then ever
// more seldom as long as nobody new is found; else for a bucket that was left alone too long.
func (u *upkeep) nextWalk(now time.Time) *Query {
	n := u.node
	switch {
	case u.busy:
		return nil
	case u.few() && !now.Before(u.rejoin):
		resolving := n.boot.Begin(now) != nil
		if resolving && len(n.boot.Known())+len(n.cfg.Nodes)+n.table.Len() == 0 {
			u.rejoin = now.Add(2 * hosts.ResolvingTime) // news of the names come before
			return nil
		}
		if known := n.table.Len(); known > u.known {
			u.known, u.retry = known, joinRetry
		}
		u.rejoin = now.Add(u.retry)
		u.retry = min(2*u.retry, joinRetryMax)
		u.busy = true
		return n.find(n.cfg.ID)
	case len(u.targets) > 0:
		walk := n.find(u.targets[0])
		walk.join, walk.behind = false, true
		u.targets = u.targets[1:]
		u.busy = true
		return walk
	}
	return nil
}

// end notes that a walk is over.
func (u *upkeep) end(join bool) {
	n := u.node
	n.mu.Lock()
	u.busy = false
	if join {
		n.table.RefreshAll()
		u.closeJoined()
	}
	n.mu.Unlock()
	n.sock.Wake()
}

// onPing takes an event of a maintenance ping: all it does is tell the table.
func (u *upkeep) onPing(by *asker, ev socket.Event) { by.event(ev) }
