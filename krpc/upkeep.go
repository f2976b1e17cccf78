package krpc

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/internal/hosts"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Ours: a join that found fewer than K nodes is tried again after joinRetry, then twice as long each time up to joinRetryMax.
const (
	joinRetry    = 5 * time.Second
	joinRetryMax = 5 * time.Minute
)

// maxNamed is how many introduced nodes are kept for the next join. Ours.
const maxNamed = 64

// upkeep keeps the table alive: it joins through saved nodes and bootstrap addresses, pings what is due and refreshes
// buckets. It is driven by the socket's ticks and events, so that it costs no goroutine; only names that need a resolver
// are resolved by one. Its fields are guarded by the RPC's lock.
type upkeep struct {
	rpc *RPC

	pings *Asker
	due   []routing.Task // scratch

	ticks   time.Time             // when the socket will call tick
	walk    *routing.Walk[*Reply] // the one lookup in progress, nil if none
	asker   *Asker                // of walk
	joining bool                  // walk is a join
	both    bool                  // it asks for nodes of both families
	targets []routing.Key         // lookups that wait for walk to end

	retry    time.Duration
	rejoin   time.Time      // when a node with few neighbours tries again; zero: at once
	known    int            // nodes in the table when the last join began
	tried    bool           // the saved nodes were asked
	named    []routing.Node // introduced, for the next join
	joined   chan struct{}  // closed when the first join ended, however it ended
	reopened bool           // joined was made anew, because introductions came after it
	stopped  bool
}

func (u *upkeep) init(r *RPC) {
	u.rpc, u.retry, u.joined = r, joinRetry, make(chan struct{})
	u.pings = r.newAsker(askerConfig{args: same(PingArgs{}), background: true, onEvent: u.onPing})
}

func (u *upkeep) stop() {
	u.rpc.mu.Lock()
	defer u.rpc.mu.Unlock()
	u.stopped = true
	u.closeJoined()
}

// Ready waits until the first join has ended. With Config.Upkeep off, or nobody to join through, it returns at once.
func (r *RPC) Ready(ctx context.Context) error {
	if r.hasJoined() {
		return nil
	}
	select {
	case <-r.joinEnd():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *RPC) joinEnd() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.up.joined
}

// hasJoined reports whether there is no first join to wait for.
func (r *RPC) hasJoined() bool {
	if !r.cfg.Upkeep || len(r.cfg.Bootstrap) == 0 && len(r.cfg.Nodes) == 0 {
		return true
	}
	select {
	case <-r.joinEnd():
		return true
	default:
		return false
	}
}

// Lonely reports whether the table holds fewer than K nodes, as of the last upkeep.
func (r *RPC) Lonely() bool { return r.lonely.Load() }

// Introduce tells of a node that another RPC heard of: who knows few nodes joins through it, who knows enough looks at it
// like at any other that was named.
func (r *RPC) Introduce(n routing.Node, now time.Time) {
	if n.Addr.Addr().Unmap().Is6() != r.v6 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	u := &r.up
	switch {
	case !r.cfg.Upkeep || r.table.Len() >= r.cfg.K:
		r.table.Heard(n, now)
		u.wakeLocked()
	case u.walk != nil && u.joining:
		u.walk.Add(n)
		u.walk.Start()
	case len(u.named) < maxNamed:
		u.introduced(n)
	}
}

// introduced keeps a node for the next join. The first of them makes a node that has found nobody try at once.
func (u *upkeep) introduced(n routing.Node) {
	u.named = append(u.named, n)
	if u.reopened || u.rpc.table.Len() > 0 {
		return
	}
	u.reopened, u.rejoin = true, time.Time{}
	select {
	case <-u.joined:
		u.joined = make(chan struct{})
	default:
	}
	u.rpc.sock.Wake()
}

// joinAtOnce makes a node that knows few try again now.
func (r *RPC) joinAtOnce() {
	r.mu.Lock()
	r.up.rejoin = time.Time{}
	r.mu.Unlock()
	r.sock.Wake()
}

// lookupSelf makes the node look for its own neighbours when nothing else is going on.
func (u *upkeep) lookupSelf() {
	u.targets = slices.Insert(u.targets, 0, u.rpc.table.Self())
	if u.rpc.cfg.Upkeep {
		u.rpc.sock.Wake()
	}
}

// tick does what is due now and says when it wants to be called again.
func (u *upkeep) tick(now time.Time) time.Time {
	r := u.rpc
	if !r.cfg.Upkeep {
		return time.Time{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if u.stopped {
		return time.Time{}
	}
	var next time.Time
	u.due, next = r.table.Due(u.due[:0], now)
	for _, task := range u.due {
		if task.Kind == routing.Refresh {
			u.targets = append(u.targets, task.Target)
		} else if err := u.pings.Ask(task.Node, -1, r.cfg.Timeout); errors.Is(err, ErrBanned) {
			r.table.Remove(task.Node)
		} // no room: Due names it again
	}
	u.joinIfFew(now)
	u.nextRefresh()
	r.lonely.Store(r.table.Len() < r.cfg.K)
	if u.walk == nil && u.fewLocked() && u.rejoin.Before(next) {
		next = u.rejoin
	}
	u.ticks = next
	return next
}

// wakeLocked asks for a tick if the table has got something to do before the next one.
func (u *upkeep) wakeLocked() {
	if next := u.rpc.table.Next(); u.rpc.cfg.Upkeep && next.Before(u.ticks) {
		u.ticks = next
		u.rpc.sock.WakeAt(next)
	}
}

// fewLocked reports whether the table is too small to rely on, although there is somebody to learn of others from.
func (u *upkeep) fewLocked() bool {
	cfg, known := &u.rpc.cfg, u.rpc.table.Len()
	return known < cfg.K && known+len(cfg.Bootstrap)+len(cfg.Nodes)+len(u.named) > 0
}

// joinIfFew looks for the own neighbourhood while it is small: at once, then ever more seldom as long as nobody new is
// found. The first time it asks the saved nodes alone: with those alive, no bootstrap address is bothered.
func (u *upkeep) joinIfFew(now time.Time) {
	if u.walk != nil || !u.fewLocked() || now.Before(u.rejoin) {
		return
	}
	r := u.rpc
	if len(r.cfg.Nodes) > 0 && !u.tried {
		u.rejoin = now.Add(u.retry)
		u.begin(r.table.Self(), true, nil)
		return
	}
	u.tried = true
	resolving := r.boot.Begin(now) != nil
	addrs := r.boot.Known()
	if resolving && len(addrs)+len(u.named)+r.table.Len() == 0 {
		u.rejoin = now.Add(2 * hosts.ResolvingTime) // news of the names come before
		return
	}
	if known := r.table.Len(); known > u.known {
		u.known, u.retry = known, joinRetry
	}
	u.rejoin = now.Add(u.retry)
	u.retry = min(2*u.retry, joinRetryMax)
	u.begin(r.table.Self(), true, addrs)
}

func (u *upkeep) nextRefresh() {
	if u.walk != nil || len(u.targets) == 0 {
		return
	}
	target := u.targets[0]
	u.targets = u.targets[1:]
	u.begin(target, false, nil)
}

// begin starts a find_node lookup; it is over when its last event said so.
func (u *upkeep) begin(target routing.Key, join bool, addrs []netip.AddrPort) {
	r := u.rpc
	u.both = r.cfg.OnOther != nil && (join || r.cfg.WantOther != nil && r.cfg.WantOther())
	var a *Asker
	a = r.newAsker(askerConfig{
		args:       same(findNode(target, r.cfg.IDLen, u.both)),
		background: !join,
		onEvent:    func(ev socket.Event) bool { return u.onWalk(a, ev) },
	})
	a.shy = !join && !r.cfg.Private
	profile := routing.LookupConfig{}
	if !join {
		profile = routing.Economy()
	}
	u.asker, u.walk = a, routing.NewWalk(target, r.profile(profile), a)
	u.joining = join
	for _, n := range r.table.AppendClosest(nil, target, 4*r.cfg.K) {
		u.walk.Add(n)
	}
	if join {
		r.seedFromConfig(u.walk, addrs)
		for _, n := range u.named {
			u.walk.Add(n)
		}
		u.named = nil
	}
	if u.walk.Start(); u.walk.Done() {
		u.end()
	}
}

// findNode is the find_node query of a network with ids of idLen bytes, for nodes of both families or of the transport's.
func findNode(target routing.Key, idLen int, both bool) Args {
	if idLen != len(ID{}) {
		return RawArgs{Name: "find_node", Fields: map[string]any{"target": string(target[:idLen])}}
	}
	args := FindNodeArgs{Target: IDOf(target)}
	if both {
		args.Want = WantBoth
	}
	return args
}

// end closes the walk in progress and begins the next. Of the nodes that a refresh meets on a public network only the closest
// that it finds enter the table: on the way there more are liars, who name each other and are always there, than elsewhere.
func (u *upkeep) end() {
	answered := u.walk.Stats().Answered
	if u.asker.shy {
		for _, r := range u.walk.ClosestReplies() {
			u.rpc.answeredLocked(r.From, r.RTT, u.rpc.sock.Now())
		}
	}
	u.asker.Close()
	u.walk, u.asker = nil, nil
	if u.joining {
		u.joining = false
		u.endJoin(answered)
	}
	u.nextRefresh()
	u.wakeLocked()
}

// endJoin notes that a join is over. When all saved nodes are gone the bootstrap addresses are tried next, as part of it.
func (u *upkeep) endJoin(answered int) {
	if first := !u.tried; first {
		u.tried = true
		if answered == 0 && len(u.rpc.cfg.Bootstrap) > 0 {
			u.rejoin = time.Time{}
			u.rpc.sock.Wake()
			return
		}
	}
	u.rpc.table.RefreshAll()
	u.closeJoined()
}

func (u *upkeep) closeJoined() {
	select {
	case <-u.joined:
	default:
		close(u.joined)
	}
}

// onWalk takes an event of the walk of asker a (socket.GroupConfig.OnEvent). A walk that has ended wants none.
func (u *upkeep) onWalk(a *Asker, ev socket.Event) bool {
	r := u.rpc
	var others []routing.Node
	r.mu.Lock()
	if u.asker == a && !u.stopped {
		out := a.eventLocked(ev)
		if out.Outcome == routing.Alive && u.both {
			others = out.Reply.others()
		}
		if u.walk.Step(out) {
			u.end()
		}
	}
	r.mu.Unlock()
	for _, n := range others {
		r.cfg.OnOther(n, ev.At)
	}
	return false
}

// onPing takes an event of a maintenance ping: all it does is tell the table.
func (u *upkeep) onPing(ev socket.Event) bool {
	u.rpc.mu.Lock()
	u.pings.eventLocked(ev)
	u.rpc.mu.Unlock()
	return false
}
