package legacy

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// ask is what one request says, but for what depends on who is asked.
type ask struct {
	kind    Type
	command string
	target  []byte
	value   []byte
	tokens  map[netip.AddrPort][]byte // of an update
}

// packet is one request of ours.
type packet struct {
	message Message
	to      [peerSize]byte
	rid     atomic.Uint64 // as it was sent, plus 1; 0: it was not yet
}

// newPacket returns the request to one node.
func (n *Node) newPacket(a *ask, to routing.Node) *packet {
	p := new(packet)
	p.message = Message{
		Version: version, Type: a.kind, To: appendPeer(p.to[:0], to.Addr), ID: n.ownID(), Target: a.target,
		Token: a.tokens[to.Addr], Command: []byte(a.command), Value: a.value,
	}
	if a.command == CommandPing && !to.Key.IsZero() {
		p.message.Value = to.Key[:]
	}
	return p
}

// AppendPacket encodes the request (socket.Packet).
func (p *packet) AppendPacket(dst, tid []byte) []byte {
	rid := uint64(binary.BigEndian.Uint32(tid))
	p.rid.Store(rid + 1)
	return p.append(dst, rid)
}

func (p *packet) append(dst []byte, rid uint64) []byte {
	m := p.message
	m.RID = rid
	return m.Append(dst)
}

// asker sends the same request to many nodes and turns what comes back into events of the routing package. Ask is for one
// goroutine at a time, and so is Wait.
type asker struct {
	node  *Node
	ask   ask
	group *socket.Group

	mu    sync.Mutex // guards what follows; taken after the node's lock
	slots []slot     // by tag
	free  []uint32   // tags to use again
	refs  referrers  // nil: no hole punching
}

// slot is a request that is open.
type slot struct {
	node routing.Node
	help *punching // nil: nobody is known who could
}

// referrers says who named a node first, by its address.
type referrers map[netip.AddrPort]netip.AddrPort

// maxReferrers bounds what is remembered of who named whom in one query. Ours.
const maxReferrers = 4096

// newAsker returns an asker. onEvent, if not nil, is called for each event instead of Wait giving it, see
// socket.GroupConfig.
func (n *Node) newAsker(a ask, background bool, refs referrers, onEvent func(*asker, socket.Event)) *asker {
	s := &asker{node: n, ask: a, refs: refs}
	cfg := socket.GroupConfig{Background: background}
	if onEvent != nil {
		cfg.OnEvent = func(ev socket.Event) bool {
			onEvent(s, ev)
			return false
		}
	}
	s.group = n.sock.Group(cfg)
	return s
}

// Ask sends the request to a node and never blocks (routing.Asker). A Key of zero means that its id is not known.
func (s *asker) Ask(to routing.Node, soft, hard time.Duration) error {
	if !isIPv4(to.Addr) {
		return ErrNotIPv4
	}
	p := s.node.newPacket(&s.ask, to)
	tag, help := s.open(to, p)
	err := s.group.Send(socket.Query{
		To: to.Addr, Packet: p, Tag: uint64(tag), Soft: soft, Hard: hard, Waits: attempts, AnyAddress: true,
	})
	switch {
	case err != nil:
		s.close(tag)
	case help != nil:
		s.node.punches.add(s.node, help)
	}
	if errors.Is(err, socket.ErrFull) {
		return routing.ErrFull
	}
	return err
}

// open numbers a request, so that its events can be told whom it was for, and returns the hole punching that may go with it.
func (s *asker) open(to routing.Node, p *packet) (tag uint32, help *punching) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.free) - 1; last >= 0 {
		tag, s.free = s.free[last], s.free[:last]
	} else {
		tag = uint32(len(s.slots))
		s.slots = append(s.slots, slot{})
	}
	if ref := s.refs[to.Addr]; ref.IsValid() {
		help = &punching{by: s, tag: tag, packet: p, peer: to.Addr, referrer: ref, after: punchAfter}
		if s.ask.command == CommandHolepunch {
			help.after = punchAtOnce
		}
	}
	s.slots[tag] = slot{node: to, help: help}
	return tag, help
}

// close frees a tag and returns whom it was for.
func (s *asker) close(tag uint32) routing.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.slots[tag]
	s.slots[tag] = slot{}
	s.free = append(s.free, tag)
	if x.help != nil {
		x.help.over.Store(true)
	}
	return x.node
}

// Wait returns the next event (routing.Asker).
func (s *asker) Wait(ctx context.Context) (routing.Event[*Reply], error) {
	ev, err := s.group.Wait(ctx)
	if err != nil {
		if errors.Is(err, socket.ErrClosed) {
			err = ErrClosed
		}
		return routing.Event[*Reply]{}, err
	}
	return s.event(ev), nil
}

// Close frees every request in flight (routing.Asker).
func (s *asker) Close() {
	s.group.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.slots {
		if p := s.slots[i].help; p != nil {
			p.over.Store(true)
		}
	}
}

func (s *asker) event(ev socket.Event) routing.Event[*Reply] {
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	return s.eventLocked(ev)
}

// eventLocked translates an event of the socket and tells the table what it means.
func (s *asker) eventLocked(ev socket.Event) routing.Event[*Reply] {
	n := s.node
	n.tell(ev.At)
	switch ev.Kind {
	case socket.Room:
		return routing.Event[*Reply]{Outcome: routing.Room}
	case socket.Late:
		return routing.Event[*Reply]{Node: s.late(uint32(ev.Tag)), Outcome: routing.Late, RTT: ev.RTT}
	}
	out := routing.Event[*Reply]{Node: s.close(uint32(ev.Tag)), RTT: ev.RTT, Outcome: routing.Failed, Err: ev.Err}
	switch ev.Kind {
	case socket.Reply:
		out.Outcome, out.Reply = routing.Alive, n.replyLocked(s.ask.kind, out.Node, ev)
		s.learn(out.Reply)
	case socket.Timeout:
		out.Err = ErrTimeout
		if !out.Node.Key.IsZero() {
			n.table.Failed(out.Node, ev.At)
			n.up.wakeLocked()
		}
	}
	return out
}

func (s *asker) late(tag uint32) routing.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots[tag].node
}

// learn notes who named whom.
func (s *asker) learn(r *Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs == nil {
		return
	}
	for c := range r.Contacts {
		if _, known := s.refs[c.Addr]; !known && c.Addr != r.From.Addr && len(s.refs) < maxReferrers {
			s.refs[c.Addr] = r.From.Addr
		}
	}
}
