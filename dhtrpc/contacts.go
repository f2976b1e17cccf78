package dhtrpc

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// answered lets the table and the sampler know of a node that answered under its own id.
func (n *Node) answered(r *Reply, ev socket.Event) {
	node := r.From.node()
	if !n.wanted(node) {
		return
	}
	n.table.Answered(node, ev.RTT, ev.At)
	n.net.sampleReply(n, node, r.To, ev.Conn)
}

// tableConfig is Config.Table with the events of the table.
func (n *Node) tableConfig() routing.Config {
	cfg, on := n.cfg.Table, &n.cfg.On
	if on.AddNode == nil && on.RemoveNode == nil {
		return cfg
	}
	cfg.OnMember = func(node routing.Node, in bool) {
		tell := on.RemoveNode
		if in {
			tell = on.AddNode
		}
		if tell != nil {
			n.later(func() { tell(contactOf(node)) })
		}
	}
	return cfg
}

// failed tells the table that a node was silent.
func (n *Node) failed(node routing.Node) {
	if node.Key.IsZero() {
		node = nodeAt(node.Addr)
	}
	n.table.Failed(node, n.clock)
}

// internal sends one of the protocol's own commands, in four attempts.
func (n *Node) internal(to netip.AddrPort, command uint64, target *ID, value []byte, settled func(*Reply, error)) error {
	c := &call{session: n.up.session, to: nodeAt(to), settled: settled}
	c.query.Conn = n.net.sendConn()
	n.deadlines(c, callRetries+1, time.Second, -1)
	m := Message{Internal: true, Command: command, Value: value}
	if target != nil {
		m.Target = target[:]
	}
	return n.begin(c, &m)
}

// pingNode sees whether a node of the table, or one that would like to be, is there. done may be nil.
func (n *Node) pingNode(node routing.Node, done func(alive bool)) {
	err := n.internal(node.Addr, CommandPing, nil, nil, func(r *Reply, err error) {
		if done != nil {
			done(err == nil && r.From.ID.Key() == node.Key)
		}
	})
	if err == nil {
		return
	}
	n.table.Remove(node) // it can never be asked
	if done != nil {
		done(false)
	}
}

// checks are pings of nodes that others say are down (dht-rpc 6).
type checks struct {
	running int
	recent  map[routing.Key]struct{} // checked in this tick
}

const (
	maxChecks   = 10
	maxRecently = 1024 // checks in one tick
)

// hinted takes a hint. Only nodes of the table are checked, once a tick; one that answers stays.
func (c *checks) hinted(n *Node, a netip.AddrPort, now time.Time) {
	node := nodeAt(a)
	if c.running >= maxChecks || len(c.recent) >= maxRecently || !n.knows(node) {
		return
	}
	if _, twice := c.recent[node.Key]; twice {
		return
	}
	if c.recent == nil {
		c.recent = make(map[routing.Key]struct{})
	}
	c.recent[node.Key] = struct{}{}
	c.running++
	n.pingNode(node, func(bool) { c.running-- })
}

func (c *checks) tick() { clear(c.recent) }

// delayed holds answers to delayed pings, the next one first.
type delayed struct {
	queue []delayedPing
}

type delayedPing struct {
	at   time.Time
	to   netip.AddrPort
	conn int
	tid  uint16
}

func (q *delayed) add(n *Node, d socket.Datagram, tid uint16, delay time.Duration) {
	if len(q.queue) >= n.cfg.MaxDelayed {
		return
	}
	p := delayedPing{at: d.At.Add(delay), to: d.From, conn: d.Conn, tid: tid}
	i, _ := slices.BinarySearchFunc(q.queue, p.at, func(o delayedPing, at time.Time) int { return o.at.Compare(at) })
	q.queue = slices.Insert(q.queue, i, p)
}

// flush answers what is due.
func (q *delayed) flush(n *Node, now time.Time) {
	for len(q.queue) > 0 && !q.queue[0].at.After(now) {
		p := q.queue[0]
		q.queue = slices.Delete(q.queue, 0, 1)
		m := Message{TID: p.tid}
		d := socket.Datagram{From: p.to, Conn: p.conn, At: now}
		n.sock.SendRaw(p.conn, p.to, n.respond(nil, new(served), &m, d, answer{}))
	}
}

func (q *delayed) next() time.Time {
	if len(q.queue) == 0 {
		return time.Time{}
	}
	return q.queue[0].at
}

func (q *delayed) clear() { q.queue = nil }

// hint tells a node that another one is down.
func (n *Node) hint(to, down netip.AddrPort) {
	if n.up.hints++; n.up.hints > n.cfg.DownHints {
		return
	}
	n.internal(to, CommandDownHint, nil, appendAddr(nil, down), func(*Reply, error) {})
}

// milliseconds is the value of a delayed ping.
func milliseconds(d time.Duration) []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(min(d.Milliseconds(), 1<<32-1)))
}

// recent returns up to max verified nodes of the table, those heard last first; all if max is 0.
func (n *Node) recent(max int) []netip.AddrPort {
	contacts := n.contacts(max)
	addrs := make([]netip.AddrPort, len(contacts))
	for i, c := range contacts {
		addrs[i] = c.Addr
	}
	return addrs
}

func (n *Node) contacts(max int) []Contact {
	var all []routing.Contact
	for c := range n.table.All() {
		if c.Verified {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b routing.Contact) int { return b.Seen.Compare(a.Seen) })
	if max > 0 && len(all) > max {
		all = all[:max]
	}
	contacts := make([]Contact, len(all))
	for i, c := range all {
		contacts[i] = contactOf(c.Node)
	}
	return contacts
}

// Contacts returns the nodes of the table, the ones heard last first; at most limit of them, 0 for all. Save their addresses
// (SaveNodes), and give them to the next run as Config.Nodes.
func (n *Node) Contacts(limit int) []Contact {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.contacts(limit)
}

// appendRows appends count nodes of a table as npm's dht-rpc chooses them (dht-rpc 11.4): of the row of the target, of those
// before it, the nearest row first, then of those behind it, by id within a row.
func appendRows(dst []routing.Node, table *routing.Table, target routing.Key, count int) []routing.Node {
	first, self := len(dst), table.Self()
	home := routing.CommonBits(self, target)
	rank := func(k routing.Key) int {
		row := routing.CommonBits(self, k)
		if row > home {
			return row
		}
		return home - row
	}
	for c := range table.All() {
		if len(dst) == first+table.Len() {
			break // those that only wait for a place
		}
		dst = append(dst, c.Node)
	}
	slices.SortFunc(dst[first:], func(a, b routing.Node) int {
		return cmp.Or(cmp.Compare(rank(a.Key), rank(b.Key)), a.Key.Compare(b.Key))
	})
	return dst[:min(len(dst), first+count)]
}

// Len returns the number of nodes in the table.
func (n *Node) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.table.Len()
}

// Closest returns up to limit nodes of the table, the nearest to target first.
func (n *Node) Closest(target ID, limit int) []Contact {
	n.mu.Lock()
	defer n.mu.Unlock()
	nodes := n.table.AppendClosest(nil, target.Key(), limit)
	contacts := make([]Contact, len(nodes))
	for i := range nodes {
		contacts[i] = contactOf(nodes[i])
	}
	return contacts
}

// AddNode names a node for the table, which it enters when it has answered a ping.
func (n *Node) AddNode(a netip.AddrPort) {
	n.mu.Lock()
	defer n.unlock()
	if node := nodeAt(a); !n.closed && n.wanted(node) {
		n.clock = n.now()
		n.table.Heard(node, n.clock)
		n.wake()
	}
}

// Refresh looks for the own neighbourhood soon, in the background.
func (n *Node) Refresh() {
	n.mu.Lock()
	defer n.unlock()
	if n.closed || n.asleep {
		return
	}
	n.clock = n.now()
	n.up.refreshSoon = true
	n.nextRefresh()
}
