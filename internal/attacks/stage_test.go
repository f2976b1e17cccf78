package attacks

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// size returns full, or short under -short.
func size(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}

// stage is a node and the time it lives in. What it sends goes to whoever plays the receiver, and what that answers comes
// back after a twentieth of a second.
type stage struct {
	t    testing.TB
	node *mainline.Node
	rng  *rand.Rand
	now  time.Time

	play   func(to netip.AddrPort, q *krpc.Message) []byte // nil, or an answer of nil: silence
	spy    func(to netip.AddrPort, b []byte)               // sees all that leaves
	onAir  letters
	number int
	served int    // answers that left: responses and errors
	asked  int    // queries that left
	bytes  uint64 // that left
	buf    []byte
}

const roundTrip = 50 * time.Millisecond

func newStage(t testing.TB, cfg mainline.Config) *stage {
	t.Helper()
	if cfg.Seed == nil {
		cfg.Seed = &[32]byte{7}
	}
	if cfg.ID.IsZero() {
		cfg.ID = krpc.ID{0: 0x3c, 1: 0x5a, 19: 1}
	}
	node, err := mainline.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { node.Close() })
	s := &stage{t: t, node: node, rng: rand.New(rand.NewPCG(1, 2)), now: begin}
	s.sock().Advance(s.now, s.out)
	return s
}

func (s *stage) sock() *socket.Socket { return s.node.RPC().Socket() }

// out takes what the node sends.
func (s *stage) out(_ int, to netip.AddrPort, b []byte) {
	s.bytes += uint64(len(b))
	if s.spy != nil {
		s.spy(to, b)
	}
	m, err := krpc.Parse(b)
	require.NoError(s.t, err, "%q", b)
	if m.Kind() != krpc.KindQuery {
		s.served++
		return
	}
	s.asked++
	if s.play == nil {
		return
	}
	if answer := s.play(to, &m); answer != nil {
		s.number++
		heap.Push(&s.onAir, letter{s.now.Add(roundTrip), s.number, to, answer})
	}
}

// letter is an answer under way.
type letter struct {
	at     time.Time
	number int
	from   netip.AddrPort
	b      []byte
}

type letters []letter

func (l letters) Len() int { return len(l) }
func (l letters) Less(i, j int) bool {
	return cmp.Or(l[i].at.Compare(l[j].at), cmp.Compare(l[i].number, l[j].number)) < 0
}
func (l letters) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *letters) Push(x any)   { *l = append(*l, x.(letter)) }
func (l *letters) Pop() any {
	last := len(*l) - 1
	x := (*l)[last]
	*l = (*l)[:last]
	return x
}

// receive hands the node a datagram now, and reports whether it answered.
func (s *stage) receive(from netip.AddrPort, b []byte) bool {
	before := s.served
	s.sock().Receive(socket.Datagram{Payload: b, From: from, At: s.now}, s.out)
	return s.served > before
}

// until lets time pass.
func (s *stage) until(end time.Time) {
	for {
		at, arrives := end, false
		if len(s.onAir) > 0 && !s.onAir[0].at.After(at) {
			at, arrives = s.onAir[0].at, true
		}
		if wake := s.sock().NextWake(); !wake.IsZero() && wake.Before(at) {
			at, arrives = wake, false
		}
		if at.After(s.now) {
			s.now = at
		}
		if arrives {
			l := heap.Pop(&s.onAir).(letter)
			s.receive(l.from, l.b)
			continue
		}
		s.sock().Advance(s.now, s.out)
		if at.Equal(end) {
			return
		}
	}
}

func (s *stage) pass(d time.Duration) { s.until(s.now.Add(d)) }

// ask sends the node a query of a stranger and reports whether it was answered.
func (s *stage) ask(from netip.AddrPort, id krpc.ID, args krpc.Args) bool {
	s.buf = krpc.AppendQuery(s.buf[:0], []byte("abcd"), id[:], args, krpc.Header{})
	return s.receive(from, s.buf)
}

// reply is ask for those who want to know the answer; it fails if there is none.
func (s *stage) reply(from netip.AddrPort, id krpc.ID, args krpc.Args) krpc.Message {
	s.t.Helper()
	var answer []byte
	spy := s.spy
	s.spy = func(to netip.AddrPort, b []byte) { answer = slices.Clone(b) }
	defer func() { s.spy = spy }()
	require.True(s.t, s.ask(from, id, args))
	m, err := krpc.Parse(answer)
	require.NoError(s.t, err)
	return m
}

// id draws an id that shares bits with another.
func (s *stage) id(prefix krpc.ID, bits int) krpc.ID {
	return krpc.IDOf(routing.RandomKey(s.rng, krpc.IDSize, prefix.Key(), bits))
}

func (s *stage) randomID() krpc.ID { return s.id(krpc.ID{}, 0) }

// stranger returns the i-th address of a series in which everybody has a /24 of his own.
func stranger(i int) netip.AddrPort {
	var ip [4]byte
	binary.BigEndian.PutUint32(ip[:], 0x20000000+uint32(i)<<8)
	ip[3] = 9
	return netip.AddrPortFrom(netip.AddrFrom4(ip), 6881)
}

// neighbour returns the i-th address, 1 to 254, of one /24.
func neighbour(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{91, 7, 7, byte(i)}), 6881)
}

// public is a network of honest nodes, which answer as BEP 5 says.
type public struct {
	nodes []krpc.Node
	at    map[netip.AddrPort]krpc.ID
	peers []netip.AddrPort // what they give to whoever asks for peers
}

func (s *stage) public(n int) *public {
	p := &public{at: make(map[netip.AddrPort]krpc.ID)}
	for i := range n {
		p.add(krpc.Node{ID: s.randomID(), Addr: stranger(100_000 + i)})
	}
	return p
}

func (p *public) add(n krpc.Node) {
	p.nodes = append(p.nodes, n)
	p.at[n.Addr] = n.ID
}

// closest returns the n nodes closest to target.
func (p *public) closest(target krpc.ID, n int) []routing.Node {
	key := target.Key()
	all := make([]routing.Node, len(p.nodes))
	for i, c := range p.nodes {
		all[i] = routing.Node{Key: c.ID.Key(), Addr: c.Addr}
	}
	slices.SortFunc(all, func(a, b routing.Node) int { return routing.CompareDistance(key, a.Key, b.Key) })
	return all[:min(n, len(all))]
}

// play answers for the honest nodes.
func (p *public) play(to netip.AddrPort, q *krpc.Message) []byte {
	id, ok := p.at[to]
	if !ok {
		return nil
	}
	target, has := q.Target(krpc.IDSize)
	if !has {
		return krpc.AppendResponse(nil, q.TID(), id[:], krpc.PingResults{}, krpc.Header{})
	}
	res := &krpc.GetPeersResults{NodesResults: krpc.NodesResults{Nodes: p.closest(krpc.IDOf(target), 8), WantNodes: true}}
	if string(q.Method()) == krpc.MethodGetPeers {
		res.Token, res.Values = []byte("token"), p.peers
	}
	return krpc.AppendResponse(nil, q.TID(), id[:], res, krpc.Header{})
}

// know fills the node's table with honest nodes.
func (s *stage) know(p *public) {
	for _, n := range p.nodes {
		s.node.RPC().AddAnswered(routing.Node{Key: n.ID.Key(), Addr: n.Addr}, roundTrip, s.now)
	}
}

// lookup lets the node look for target and returns the closest it found. It is to end within a minute.
func (s *stage) lookup(target krpc.ID, profile routing.LookupConfig) (*mainline.NodeLookup, []krpc.Node) {
	s.t.Helper()
	l := s.node.FindNodeWith(target, profile)
	ended := false
	l.Drive(func(*krpc.Reply) {}, func(error) { ended = true })
	s.sock().Advance(s.now, s.out)
	for end := s.now.Add(time.Minute); !ended && s.now.Before(end); {
		s.pass(100 * time.Millisecond)
	}
	require.True(s.t, ended)
	return l, l.Closest()
}

// table returns the nodes in buckets.
func (s *stage) table() (nodes []krpc.Node) {
	for _, n := range s.node.RPC().Nearest(s.node.ID().Key(), 10_000) {
		nodes = append(nodes, krpc.Node{ID: krpc.IDOf(n.Key), Addr: n.Addr})
	}
	return nodes
}

func distinct(nodes []krpc.Node, want func(krpc.Node) bool) (n int) {
	for _, c := range nodes {
		if want(c) {
			n++
		}
	}
	return n
}
