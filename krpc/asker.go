package krpc

import (
	"context"
	"errors"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Asker sends queries of one lookup and turns what comes back into events of the routing package. Drivers of routing own
// one each; a program with a walk of its own (a crawler) uses it directly. It is not safe for concurrent use.
type Asker struct {
	rpc   *RPC
	group *socket.Group
	args  func(routing.Node) Args
	nodes []routing.Node // asked, by tag
	free  []uint32       // tags to use again

	resends int    // of a silent query
	anyID   bool   // a node may answer under another id than the one it is known by
	refused *Error // last error with a code of 300 to 399 (BEP 44)
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
	resends    int                     // of a silent query
	onEvent    func(socket.Event) bool // see socket.GroupConfig
}

func (r *RPC) newAsker(cfg askerConfig) *Asker {
	a := &Asker{rpc: r, args: cfg.args, resends: cfg.resends}
	a.group = r.sock.Group(socket.GroupConfig{Window: cfg.window, Background: cfg.background, OnEvent: cfg.onEvent})
	return a
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

// Ask sends the query to n and never blocks (routing.Asker). A Key of zero means that the node's id is not known.
func (a *Asker) Ask(n routing.Node, soft, hard time.Duration) error {
	tag := a.tag(n)
	err := a.group.Send(socket.Query{
		To:      n.Addr,
		Packet:  &packet{args: a.args(n), id: a.rpc.ID(), head: Header{Version: a.rpc.cfg.Version, ReadOnly: a.rpc.cfg.ReadOnly}},
		Tag:     uint64(tag),
		Soft:    soft,
		Hard:    hard,
		Resends: a.resends,
	})
	if err != nil {
		a.free = append(a.free, tag)
	}
	if errors.Is(err, socket.ErrFull) {
		return routing.ErrFull
	}
	return err
}

func (a *Asker) tag(n routing.Node) uint32 {
	if last := len(a.free) - 1; last >= 0 {
		tag := a.free[last]
		a.free = a.free[:last]
		a.nodes[tag] = n
		return tag
	}
	a.nodes = append(a.nodes, n)
	return uint32(len(a.nodes) - 1)
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
	a.rpc.mu.Lock()
	defer a.rpc.mu.Unlock()
	return a.eventLocked(ev), nil
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
	n := a.nodes[ev.Tag]
	out := routing.Event[*Reply]{Node: n, RTT: ev.RTT}
	if ev.Kind == socket.Late {
		out.Outcome = routing.Late
		return out
	}
	a.free = append(a.free, uint32(ev.Tag))
	switch ev.Kind {
	case socket.Reply:
		if a.anyID {
			n.Key = routing.Key{}
		}
		out.Reply, out.Err = a.rpc.replyLocked(n, ev)
	case socket.Timeout:
		a.rpc.failedLocked(n, ev.At)
		out.Err = ErrTimeout
	default:
		out.Err = ev.Err
	}
	if e, ok := out.Err.(*Error); ok && e.Code >= 300 && e.Code < 400 {
		a.refused = e
	}
	out.Outcome = routing.Alive
	if out.Err != nil {
		out.Outcome = routing.Failed
	}
	return out
}

func (r *RPC) failedLocked(n routing.Node, now time.Time) {
	if !n.Key.IsZero() {
		r.table.Failed(n, now)
		r.up.wakeLocked()
	}
}

// replyLocked reads the answer of n, and lets the table know.
func (r *RPC) replyLocked(n routing.Node, ev socket.Event) (*Reply, error) {
	m, err := Parse(ev.Payload)
	if err != nil {
		r.counts.BadReplies++
		return nil, ErrBadReply
	}
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
		r.counts.Mismatches++
		r.table.Remove(n)
		r.up.wakeLocked()
		return nil, &IDMismatchError{Addr: ev.From, Want: n.Key, Got: key}
	}
	r.answeredLocked(from, ev)
	return &Reply{Message: m.Clone(), From: from, RTT: ev.RTT, idLen: r.cfg.IDLen, v6: r.v6}, nil
}

func (r *RPC) answeredLocked(n routing.Node, ev socket.Event) {
	if n.Key.IsZero() {
		return
	}
	before := r.table.Len()
	if r.table.Answered(n, ev.RTT, ev.At) && r.table.Len() > before && r.cfg.OnNode != nil {
		r.cfg.OnNode(n)
	}
	r.up.wakeLocked()
}
