package krpc

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Ours: a join that found fewer than K nodes is tried again after joinRetry, then twice as long each time up to joinRetryMax.
const (
	joinRetry    = 5 * time.Second
	joinRetryMax = 5 * time.Minute
)

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
	targets []routing.Key         // refreshes that wait for walk to end

	retry   time.Duration
	rejoin  time.Time     // when a node with few neighbours tries again; zero: it has not tried yet
	known   int           // nodes in the table when the last join began
	joined  chan struct{} // closed when the first join ended, however it ended
	stopped bool

	cancel context.CancelFunc
	wg     sync.WaitGroup // the resolving goroutine
}

func (u *upkeep) init(r *RPC) {
	u.rpc, u.retry, u.joined = r, joinRetry, make(chan struct{})
	u.pings = r.newAsker(askerConfig{args: same(PingArgs{}), background: true, onEvent: u.onPing})
}

// start begins the upkeep. Names are resolved beside it; everything else happens in ticks.
func (u *upkeep) start() {
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	if !u.rpc.cfg.Upkeep {
		return
	}
	if _, all := u.rpc.boot.literals(); all {
		u.rpc.sock.Wake()
		return
	}
	u.wg.Go(func() { // the resolving goroutine: ends after one resolution or with cancel
		u.rpc.boot.resolve(ctx, time.Now())
		u.rpc.sock.Wake()
	})
}

func (u *upkeep) stop() {
	u.rpc.mu.Lock()
	u.stopped = true
	u.rpc.mu.Unlock()
	if u.cancel != nil {
		u.cancel()
	}
	u.wg.Wait()
}

// Ready waits until the first join has ended. With Config.Upkeep off, or nobody to join through, it returns at once.
func (r *RPC) Ready(ctx context.Context) error {
	if r.hasJoined() {
		return nil
	}
	select {
	case <-r.up.joined:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hasJoined reports whether there is no first join to wait for.
func (r *RPC) hasJoined() bool {
	if !r.cfg.Upkeep || len(r.cfg.Bootstrap) == 0 && len(r.cfg.Nodes) == 0 {
		return true
	}
	select {
	case <-r.up.joined:
		return true
	default:
		return false
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
		if task.Kind == routing.Ping {
			u.pings.Ask(task.Node, -1, r.cfg.Timeout) // no room: Due names it again
		} else {
			u.targets = append(u.targets, task.Target)
		}
	}
	u.joinIfFew(now)
	u.nextRefresh()
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
	return known < cfg.K && known+len(cfg.Bootstrap)+len(cfg.Nodes) > 0
}

// joinIfFew looks for the own neighbourhood while it is small: at once, then ever more seldom as long as nobody new is found.
func (u *upkeep) joinIfFew(now time.Time) {
	if u.walk != nil || !u.fewLocked() || now.Before(u.rejoin) {
		return
	}
	if known := u.rpc.table.Len(); known > u.known {
		u.known, u.retry = known, joinRetry
	}
	u.rejoin = now.Add(u.retry)
	u.retry = min(2*u.retry, joinRetryMax)
	addrs, all := u.rpc.boot.literals()
	if !all {
		addrs = u.rpc.boot.cached(addrs)
	}
	u.begin(u.rpc.table.Self(), true, addrs)
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
	var a *Asker
	a = r.newAsker(askerConfig{
		args:       same(findNode(target, r.cfg.IDLen)),
		background: !join,
		onEvent:    func(ev socket.Event) bool { return u.onWalk(a, ev) },
	})
	u.asker, u.walk = a, routing.NewWalk(target, r.profile(routing.LookupConfig{}), a)
	u.joining = join
	for _, n := range r.table.AppendClosest(nil, target, 4*r.cfg.K) {
		u.walk.Add(n)
	}
	if join {
		r.seedFromConfig(u.walk, addrs)
	}
	if u.walk.Start(); u.walk.Done() {
		u.end()
	}
}

// findNode is the find_node query of a network with ids of idLen bytes.
func findNode(target routing.Key, idLen int) Args {
	if idLen == len(ID{}) {
		return FindNodeArgs{Target: IDOf(target)}
	}
	return RawArgs{Name: "find_node", Fields: map[string]any{"target": string(target[:idLen])}}
}

// end closes the walk in progress and begins the next.
func (u *upkeep) end() {
	u.asker.Close()
	u.walk, u.asker = nil, nil
	if u.joining {
		u.joining = false
		u.rpc.table.RefreshAll()
		select {
		case <-u.joined:
		default:
			close(u.joined)
		}
	}
	u.nextRefresh()
	u.wakeLocked()
}

// onWalk takes an event of the walk of asker a (socket.GroupConfig.OnEvent). A walk that has ended wants none.
func (u *upkeep) onWalk(a *Asker, ev socket.Event) bool {
	r := u.rpc
	r.mu.Lock()
	if u.asker == a && !u.stopped && u.walk.Step(a.eventLocked(ev)) {
		u.end()
	}
	r.mu.Unlock()
	return false
}

// onPing takes an event of a maintenance ping: all it does is tell the table.
func (u *upkeep) onPing(ev socket.Event) bool {
	u.rpc.mu.Lock()
	u.pings.eventLocked(ev)
	u.rpc.mu.Unlock()
	return false
}
