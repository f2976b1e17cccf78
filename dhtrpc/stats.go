package dhtrpc

import (
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/socket"
)

// Stats says what a node did since it was made.
type Stats struct {
	Requests  RequestStats
	Queries   QueryCounts
	Received  [5]uint64 // requests by internal command, CommandPing to CommandDelayedPing
	Sent      [5]uint64 // requests of ours by internal command, however often each was sent
	User      uint64    // requests received with a command of the application
	BadTokens uint64    // requests received with a token that is not ours, or too old
	Malformed uint64    // datagrams with the front of a request and nothing sensible behind it
	Hints     uint64    // of these, sent: nodes told that another is down
	Socket    socket.Stats
}

// RequestStats counts our own requests.
type RequestStats struct {
	Active    int // in flight or waiting for room
	Waiting   int // of these, for room
	Total     uint64
	Responses uint64
	Timeouts  uint64
	RTT       time.Duration // median round trip of the last 64 answers, 0 before the first
}

// QueryCounts counts our own queries.
type QueryCounts struct {
	Active int
	Total  uint64
}

// counters are Stats while they are counted, under the node's lock.
type counters struct {
	active    int
	total     uint64
	queries   QueryCounts
	rx, tx    [5]uint64
	user      uint64
	badTokens uint64
	malformed uint64
	traffic   traffic
	health    health
}

func (c *counters) begun(m *Message) {
	c.active++
	c.total++
	if m.Internal && m.Command < uint64(len(c.tx)) {
		c.tx[m.Command]++
	}
}

func (c *counters) received(m *Message) {
	switch {
	case !m.Internal:
		c.user++
	case m.Command < uint64(len(c.rx)):
		c.rx[m.Command]++
	}
}

// Stats returns what was counted so far. Those of the socket begin anew with Resume.
func (n *Node) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &n.counts
	return Stats{
		Requests: RequestStats{
			Active: c.active, Waiting: len(n.out.waiting), Total: c.total,
			Responses: c.traffic.responses, Timeouts: c.traffic.timeouts,
			RTT: n.rtts.Median(),
		},
		Queries: c.queries, Received: c.rx, Sent: c.tx, User: c.user,
		BadTokens: c.badTokens, Malformed: c.malformed, Hints: c.tx[CommandDownHint], Socket: n.sock.Stats(),
	}
}

// State is what a node is at the moment.
type State struct {
	Ready      bool // the first lookup is over
	Ephemeral  bool // others do not put us into their tables
	Firewalled bool // nobody has reached our server port yet
	Suspended  bool
	Online     bool // the last requests were answered, as far as there were any
	Degraded   bool // most were not

	Host       netip.Addr     // our public address as others see it; not valid while they disagree
	Port       uint16         // 0 while they disagree
	Randomized bool           // Host is known, but everybody sees another port
	Remote     netip.AddrPort // where others can reach us; not valid if they cannot, or we do not know
	Nodes      int            // in the table
}

// State returns what the node is at the moment.
func (n *Node) State() State {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := &n.net
	s := State{
		Ready: n.up.ready, Ephemeral: w.ephemeral, Firewalled: w.firewalled, Suspended: n.asleep,
		Online: !n.counts.health.offline, Degraded: n.counts.health.degraded,
		Host: w.sampler.host, Port: w.sampler.port, Nodes: n.table.Len(),
	}
	s.Randomized = s.Host.IsValid() && s.Port == 0
	if addr, known := w.sampler.addr(); known && !w.firewalled && (w.fixed || s.Port == n.sock.Addr(serverConn).Port()) {
		s.Remote = addr
	}
	return s
}
