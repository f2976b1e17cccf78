package legacy

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dhtkit/dhtkit/socket"
)

// A node behind a NAT does not hear a stranger. Whoever named it to us, the referrer, does reach it, having talked to it: it
// is asked to tell the node of us, who then answers us, which opens the NAT.
//
//	we        -> node      the request, lost
//	we        -> referrer  _holepunch, to the node
//	referrer  -> node      _holepunch, from us
//	node      -> we        an empty response
//	we        -> node      the request again

// From dht-rpc 4: when the referrer is asked for help, counted from the request. With each of its repetitions, and before them
// after half a second, or at once if the request itself is a _holepunch.
var (
	punchAfter  = []time.Duration{500 * time.Millisecond, attempts[0], attempts[0] + attempts[1]}
	punchAtOnce = []time.Duration{0, attempts[0], attempts[0] + attempts[1]}
)

// punchBit marks the rid of a punch that we ask for, so that it is nobody else's: the other bits are the rid of the request.
const punchBit = 1 << 32

func isPunchRID(rid uint64) bool { return rid>>32 == 1 }

// punching is a request that may need help.
type punching struct {
	by             *asker
	tag            uint32
	packet         *packet
	peer, referrer netip.AddrPort
	after          []time.Duration
	over           atomic.Bool // answered, or given up

	begun time.Time // guarded by the lock of punches, as is what follows
	done  int       // how often the referrer was asked
}

// next returns when the referrer is asked next, the zero time for never.
func (p *punching) next() time.Time {
	if p.done == len(p.after) || p.over.Load() {
		return time.Time{}
	}
	return p.begun.Add(p.after[p.done])
}

// punches is what a node knows of requests that may need help.
type punches struct {
	mu   sync.Mutex // guards what follows
	list []*punching
	due  []*punching // scratch of tick
}

// add watches a request that was sent now.
func (s *punches) add(n *Node, p *punching) {
	s.mu.Lock()
	p.begun = n.now()
	s.list = append(slices.DeleteFunc(s.list, func(p *punching) bool { return p.over.Load() }), p)
	at := p.next()
	s.mu.Unlock()
	n.sock.WakeAt(at)
}

// tick asks for the help that is due, and returns when more is, the zero time for never.
func (s *punches) tick(n *Node, now time.Time) (next time.Time) {
	s.mu.Lock()
	s.due = s.due[:0]
	for _, p := range s.list {
		at := p.next()
		if !at.IsZero() && !at.After(now) {
			p.done++
			s.due = append(s.due, p)
			at = p.next()
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	s.mu.Unlock()
	for _, p := range s.due {
		n.askForHelp(p)
	}
	return next
}

// askForHelp sends a _holepunch to the referrer. It has the rid of the request if that is one, too: the node's answer is then
// the answer to it.
func (n *Node) askForHelp(p *punching) {
	rid := p.packet.rid.Load()
	if rid == 0 {
		return // held back by the socket
	}
	if rid--; string(p.packet.message.Command) != CommandHolepunch {
		rid |= punchBit
	}
	var to [peerSize]byte
	m := Message{
		Version: version, Type: TypeQuery, RID: rid, To: appendPeer(to[:0], p.referrer), ID: n.ownID(),
		Command: []byte(CommandHolepunch), Value: appendPunch(nil, fieldPunchTo, p.peer),
	}
	n.sock.SendRaw(0, p.referrer, m.Append(nil)) // not sent: the request is on its own
}

// opened takes the response of a node that was told of us: it hears us now, so the next attempt is made at once. npm dht-rpc
// waits for it.
func (s *punches) opened(rid uint64, from netip.AddrPort) {
	s.mu.Lock()
	i := slices.IndexFunc(s.list, func(p *punching) bool {
		return p.peer == from && !p.over.Load() && p.packet.rid.Load() == rid&^punchBit+1
	})
	var p *punching
	if i >= 0 {
		p = s.list[i]
		s.list = slices.Delete(s.list, i, i+1)
	}
	s.mu.Unlock()
	if p != nil {
		p.by.group.Hurry(uint64(p.tag))
	}
}

// serveHolepunch is the other two parts: the referrer's, to pass a punch on, and the node's, to answer across.
func (n *Node) serveHolepunch(dst []byte, m *Message, d socket.Datagram) []byte {
	p, ok := parsePunch(m.Value)
	if m.Value == nil || !ok {
		return dst
	}
	if p.hasTo {
		if p.to.IsValid() && p.to != d.From {
			n.passOn(m, p.to, d)
		}
		return dst
	}
	to := d.From
	if p.from.IsValid() {
		to = p.from
	}
	answer := n.appendResponse(dst, m.RID, to, d.At, &response{})
	if to == d.From {
		return answer
	}
	if n.mayRelay(d.At) {
		n.sock.SendRaw(0, to, answer[len(dst):])
	}
	return dst
}

// passOn tells a node of whoever wants to be heard by it. The empty error is what npm dht-rpc writes there.
func (n *Node) passOn(m *Message, to netip.AddrPort, d socket.Datagram) {
	if !n.mayRelay(d.At) {
		return
	}
	if n.cfg.OnHolepunch != nil {
		n.cfg.OnHolepunch(d.From, to)
	}
	var addr [peerSize]byte
	fwd := *m
	fwd.Version, fwd.ID, fwd.To = version, n.ownID(), appendPeer(addr[:0], to)
	fwd.Value = appendPunch(nil, fieldPunchFrom, d.From)
	if fwd.Error == nil {
		fwd.Error = []byte{}
	}
	n.sock.SendRaw(0, to, fwd.Append(nil))
}

// mayRelay reports whether we may send something to an address that a stranger has named, and counts it.
func (n *Node) mayRelay(now time.Time) bool {
	if !n.relayed.AllowN(now, 1) {
		return false
	}
	n.mu.Lock()
	n.counts.Relayed++
	n.mu.Unlock()
	return true
}
