package krpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Asker sends queries of one lookup and turns what comes back into events of the routing package. Drivers of routing own
// one each; a program with a walk of its own (a crawler) uses it directly. Ask is for one goroutine at a time, and so is
// Wait.
type Asker struct {
	rpc   *RPC
	cfg   askerConfig
	group *socket.Group
	shy   bool // who answers does not enter the table for that, see upkeep.end
	anyID bool // a node may answer under another id than the one it is known by

	mu       sync.Mutex     // guards what follows; taken after the RPC's lock
	nodes    []routing.Node // asked, by tag
	free     []uint32       // tags to use again
	refused  *Error         // last error with a code of 300 to 399 (BEP 44)
	refusals int            // how many of them there were
}

// NewAsker returns an Asker whose query to each node is what args says; an Args that is the same for all costs nothing.
// A background asker gives way to every other one.
func (r *RPC) NewAsker(args func(routing.Node) Args, background bool) *Asker {
	return r.newAsker(askerConfig{args: args, background: background})
}

type askerConfig struct {
	args       func(routing.Node) Args
	background bool
	window     int                     // queries in flight that are not late; 0: no limit of its own
	resend     time.Duration           // a silent query is sent once more after this; 0: never
	onEvent    func(socket.Event) bool // see socket.GroupConfig
}

func (r *RPC) newAsker(cfg askerConfig) *Asker {
	a := &Asker{rpc: r, cfg: cfg}
	a.group = r.sock.Group(socket.GroupConfig{Window: cfg.window, Background: cfg.background, OnEvent: cfg.onEvent})
	return a
}

// Deliver makes every event a call of handle, on a goroutine of the socket, one at a time, instead of something to Wait for.
// handle may Ask and Close and must not block. Call it before the first Ask.
func (a *Asker) Deliver(handle func(routing.Event[*Reply])) {
	a.group = a.rpc.sock.Group(socket.GroupConfig{
		Window:     a.cfg.window,
		Background: a.cfg.background,
		OnEvent: func(ev socket.Event) bool {
			handle(a.event(ev))
			return false
		},
	})
}

// same is the query of a lookup that asks every node the same.
func same(args Args) func(routing.Node) Args {
	return func(routing.Node) Args { return args }
}

// AnyID makes the asker take answers from nodes that have another id than the one they were known by: a crawler wants to
// know who is there now. It returns the asker.
func (a *Asker) AnyID() *Asker {
	a.anyID = true
	return a
}

// packet is one query of ours, encoded when it leaves.
type packet struct {
	args Args
	id   []byte
	head Header
}

// AppendPacket encodes the query (socket.Packet).
func (p *packet) AppendPacket(dst, tid []byte) []byte {
	return AppendQuery(dst, tid, p.id, p.args, p.head)
}

// Ask sends the query to n and never blocks (routing.Asker). A Key of zero means that the node's id is not known. ErrBanned:
// the node is known to make up ids.
func (a *Asker) Ask(n routing.Node, soft, hard time.Duration) error {
	if !a.anyID && !n.Key.IsZero() && a.rpc.barred(n.Addr, a.rpc.sock.Now) {
		return ErrBanned
	}
	return a.send(n, a.cfg.args(n), soft, hard)
}

// Sound asks n for the neighbours of its own id (routing.Sounder).
func (a *Asker) Sound(n routing.Node, soft, hard time.Duration) error {
	return a.send(n, FindNodeArgs{Target: IDOf(n.Key)}, soft, hard)
}

func (a *Asker) send(n routing.Node, args Args, soft, hard time.Duration) error {
	tag := a.tag(n)
	q := socket.Query{
		To:     n.Addr,
		Packet: &packet{args: args, id: a.rpc.ID(), head: Header{Version: a.rpc.cfg.Version, ReadOnly: a.rpc.cfg.ReadOnly}},
		Tag:    uint64(tag),
		Soft:   soft,
		Hard:   hard,
	}
	if a.cfg.resend > 0 {
		q.Resends, q.ResendAfter = 1, a.cfg.resend
	}
	err := a.group.Send(q)
	if err != nil {
		a.release(tag)
	}
	if errors.Is(err, socket.ErrFull) {
		return routing.ErrFull
	}
	return err
}

// tag numbers a query, so that its events can be told whom it was for.
func (a *Asker) tag(n routing.Node) uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last := len(a.free) - 1; last >= 0 {
		tag := a.free[last]
		a.free = a.free[:last]
		a.nodes[tag] = n
		return tag
	}
	a.nodes = append(a.nodes, n)
	return uint32(len(a.nodes) - 1)
}

func (a *Asker) release(tag uint32) {
	a.mu.Lock()
	a.free = append(a.free, tag)
	a.mu.Unlock()
}

// asked returns the node of a query, and whether more events of it follow.
func (a *Asker) asked(ev socket.Event) (n routing.Node, ended bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, ended = a.nodes[ev.Tag], ev.Kind != socket.Late
	if ended {
		a.free = append(a.free, uint32(ev.Tag))
	}
	return n, ended
}

// Wait returns the next event (routing.Asker).
func (a *Asker) Wait(ctx context.Context) (routing.Event[*Reply], error) {
	ev, err := a.group.Wait(ctx)
	if err != nil {
		if errors.Is(err, socket.ErrClosed) {
			err = ErrClosed
		}
		return routing.Event[*Reply]{}, err
	}
	return a.event(ev), nil
}

func (a *Asker) event(ev socket.Event) routing.Event[*Reply] {
	a.rpc.mu.Lock()
	defer a.rpc.mu.Unlock()
	return a.eventLocked(ev)
}

// Close frees every query in flight (routing.Asker).
func (a *Asker) Close() { a.group.Close() }

// InFlight returns the number of this asker's queries that are neither answered nor failed.
func (a *Asker) InFlight() int { return a.group.Open() }

// eventLocked translates an event of the socket and tells the table what it means.
func (a *Asker) eventLocked(ev socket.Event) routing.Event[*Reply] {
	if ev.Kind == socket.Room {
		return routing.Event[*Reply]{Outcome: routing.Room}
	}
	n, ended := a.asked(ev)
	out := routing.Event[*Reply]{Node: n, RTT: ev.RTT}
	if !ended {
		out.Outcome = routing.Late
		return out
	}
	switch ev.Kind {
	case socket.Reply:
		if a.anyID {
			n.Key = routing.Key{}
		}
		out.Reply, out.Err = a.rpc.replyLocked(n, ev, a.shy)
	case socket.Timeout:
		a.rpc.failedLocked(n, ev.At)
		out.Err = ErrTimeout
	default:
		out.Err = ev.Err
	}
	out.Outcome = routing.Alive
	if out.Err != nil {
		out.Outcome = routing.Failed
		a.note(out.Err)
	}
	return out
}

// note keeps the errors that QueryAll surfaces.
func (a *Asker) note(err error) {
	if e, ok := err.(*Error); ok && e.Code >= 300 && e.Code < 400 {
		a.mu.Lock()
		a.refused, a.refusals = e, a.refusals+1
		a.mu.Unlock()
	}
}

func (r *RPC) failedLocked(n routing.Node, now time.Time) {
	if !n.Key.IsZero() {
		r.table.Failed(n, now)
		r.up.wakeLocked()
	}
}

// replyLocked reads the answer of n, and lets the table know; shy: only if it is in there.
func (r *RPC) replyLocked(n routing.Node, ev socket.Event, shy bool) (*Reply, error) {
	m, err := Parse(ev.Payload)
	if err != nil {
		r.counts.BadReplies++
		return nil, ErrBadReply
	}
	r.addressLocked(&m, ev)
	if e := m.Err(); e != nil {
		// Neither a success nor a failure for the table: it lives, but this says nothing of its id.
		r.counts.Errors++
		return nil, e
	}
	key, ok := m.Key(r.cfg.IDLen)
	if !ok || key == r.table.Self() {
		r.counts.BadReplies++
		return nil, ErrBadReply
	}
	from := routing.Node{Key: key, Addr: ev.From}
	if !n.Key.IsZero() && key != n.Key {
		r.strangeLocked(n, from, ev)
		return nil, &IDMismatchError{Addr: ev.From, Want: n.Key, Got: key}
	}
	if r.liars.observe(from.Addr, from.Key, false, ev.At) && !n.Key.IsZero() {
		r.table.Remove(from)
		return nil, ErrBanned
	}
	if !shy || r.table.Knows(from) {
		r.answeredLocked(from, ev.RTT, ev.At)
	}
	return &Reply{Message: m.Clone(), From: from, RTT: ev.RTT, idLen: r.cfg.IDLen, v6: r.v6}, nil
}

// addressLocked passes on how the node sees us.
func (r *RPC) addressLocked(m *Message, ev socket.Event) {
	seen, ok := m.IP()
	if !ok || r.cfg.OnAddress == nil {
		return
	}
	if id := r.cfg.OnAddress(seen, ev.From, ev.At); len(id) == r.cfg.IDLen {
		r.rebaseLocked(id, ev.At)
	}
}

func (r *RPC) answeredLocked(n routing.Node, rtt time.Duration, at time.Time) {
	if n.Key.IsZero() {
		return
	}
	before := r.table.Len()
	if r.table.Answered(n, rtt, at) && r.table.Len() > before && r.cfg.OnNode != nil {
		r.cfg.OnNode(n)
	}
	r.up.wakeLocked()
}
