package dhtrpc

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
)

func peer(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 1000)
}

// Of 400 requests that nobody answers 80 leave at once and 80 in the next slot; then the window is full until slots are
// over (dht-rpc 9.2). Attempts after the first count, too.
func TestCongestionWindow(t *testing.T) {
	s := step(t, Config{}, "127.0.0.1:43111")
	for i := range 400 {
		_, err := s.Send(peer(i), Call{CallOptions: CallOptions{Retries: -1, Timeout: time.Minute}}, func(*Reply, error) {})
		require.NoError(t, err)
	}
	var left []int
	for range 5 {
		s.pass(0)
		left = append(left, len(s.take()))
		s.pass(windowSlot)
	}
	require.Equal(t, []int{80, 80, 0, 0, 80}, left)
	require.Equal(t, 400, s.Stats().Requests.Active)
	require.Equal(t, 80, s.Stats().Requests.Waiting)
}

// Answers make room at once.
func TestAnswersMakeRoom(t *testing.T) {
	s := step(t, Config{MaxWindow: 10}, "127.0.0.1:43111")
	answered := 0
	for i := range 30 {
		_, err := s.Send(peer(i), Call{}, func(_ *Reply, err error) {
			require.NoError(t, err)
			answered++
		})
		require.NoError(t, err)
	}
	s.pass(0)
	for sent := s.take(); len(sent) > 0; sent = sent[1:] {
		sent = append(sent, s.reply(sent[0], sent[0].to, Message{})...)
	}
	require.Equal(t, 30, answered)
	require.Zero(t, s.Stats().Requests.Waiting)
}

// A request that waits for room and is not wanted any more is never sent.
func TestStoppedRequestsAreNotSent(t *testing.T) {
	s := step(t, Config{MaxWindow: 1}, "127.0.0.1:43111")
	_, err := s.Send(peer(1), Call{CallOptions: CallOptions{Retries: -1}}, func(*Reply, error) {})
	require.NoError(t, err)
	stop, err := s.Send(peer(2), Call{}, func(*Reply, error) { t.Error("called") })
	require.NoError(t, err)
	stop()
	s.pass(10 * time.Second)
	for _, o := range s.take() {
		require.Equal(t, peer(1), o.to)
	}
	require.Zero(t, s.Stats().Requests.Active)
}

func TestAdaptiveTimeouts(t *testing.T) {
	s := step(t, Config{Timeouts: &Timeouts{Jitter: -1}}, "127.0.0.1:43111")
	times := func() (at []time.Duration) {
		begin, over := s.now, false
		_, err := s.Send(peer(1), Call{}, func(*Reply, error) { over = true })
		require.NoError(t, err)
		for s.take(); !over; {
			s.pass(time.Millisecond)
			for range s.take() {
				at = append(at, s.now.Sub(begin).Truncate(10*time.Millisecond))
			}
		}
		return append(at, s.now.Sub(begin))
	}
	ms := time.Millisecond
	require.Equal(t, []time.Duration{0, 250 * ms, 750 * ms, 1750 * ms, 3750 * ms}, times(), "a stranger")

	_, err := s.Send(peer(1), Call{}, func(_ *Reply, err error) { require.NoError(t, err) })
	require.NoError(t, err)
	s.pass(200 * ms)
	s.reply(s.take()[0], peer(1), Message{})
	require.Equal(t, []time.Duration{0, 400 * ms, 1200 * ms, 2400 * ms, 4000 * ms}, times(), "200 ms, deviation 100")
}

// answer lets every node that is asked answer, under its own id, naming others.
func (s *stepped) answer(closer Addrs, dead ...netip.AddrPort) {
	for range 100 {
		s.pass(0)
		sent := s.take()
		if len(sent) == 0 {
			return
		}
		for len(sent) > 0 {
			o := sent[0]
			sent = sent[1:]
			if m, err := Parse(o.b); err != nil || m.Kind != KindRequest {
				continue
			}
			if !slices.Contains(dead, o.to) {
				sent = append(sent, s.reply(o, o.to, Message{ID: []byte{}, Closer: closer})...)
			}
		}
	}
}

// Who names a dead node hears of it, once each; the budget for that is limited.
func TestDownHints(t *testing.T) {
	for _, budget := range []int{0, 1, -1} {
		s := step(t, Config{DownHints: budget}, "127.0.0.1:43111")
		dead := peer(9)
		closer := Addrs{}.Append(dead)
		q := s.FindNode(IDOf(dead), QueryOptions{Nodes: []netip.AddrPort{peer(1), peer(2)}, Only: false})
		var ended error
		over := false
		q.Drive(func(*Reply) {}, func(err error) { ended, over = err, true })
		s.answer(closer, dead)
		require.False(t, over, "with two answers it waits for the third node")
		var hints []netip.AddrPort
		for range 100 {
			s.pass(100 * time.Millisecond)
			for _, o := range s.take() {
				if m, _ := Parse(o.b); m.Kind == KindRequest && m.Internal && m.Command == CommandDownHint {
					require.Equal(t, appendAddr(nil, dead), m.Value)
					hints = append(hints, o.to)
					s.reply(o, o.to, Message{ID: []byte{}})
				}
			}
		}
		require.True(t, over)
		require.NoError(t, ended)
		require.Equal(t, 1, q.Stats().Timeouts)
		want := map[int]int{0: 2, 1: 1, -1: 0}[budget]
		require.Len(t, hints, want)
		require.EqualValues(t, want, s.Stats().Hints)
	}
}

// A hint about a node of the table has it looked at: it stays if it answers, it goes after four seconds if not.
func TestHintsAreChecked(t *testing.T) {
	s := step(t, Config{}, "127.0.0.1:43111")
	s.table.Answered(nodeAt(peer(1)), time.Millisecond, s.now)
	s.table.Answered(nodeAt(peer(2)), time.Millisecond, s.now)
	hint := func(about netip.AddrPort) []outgoing {
		m := Message{Internal: true, Command: CommandDownHint, Value: appendAddr(nil, about)}
		return s.receive(0, peer(5), m.Append(nil))
	}
	require.Len(t, hint(peer(7)), 1, "not known: answered, not looked at")
	sent := hint(peer(1))
	require.Len(t, sent, 2)
	require.Len(t, hint(peer(1)), 1, "once a tick")
	for _, o := range sent {
		if o.to == peer(1) {
			s.reply(o, peer(1), Message{ID: []byte{}})
		}
	}
	require.Equal(t, 2, s.Len())
	hint(peer(2))
	s.pass(3990 * time.Millisecond)
	require.Equal(t, 2, s.Len())
	s.pass(20 * time.Millisecond)
	require.Equal(t, []Contact{contactAt(peer(1))}, s.Contacts(0))

	s.pass(5 * time.Second)
	for _, o := range hint(peer(1)) {
		if o.to == peer(1) {
			s.reply(o, peer(1), Message{}) // no id: it is not what it was
		}
	}
	require.Zero(t, s.Len())
}

// Hints are a stranger's word: he cannot have us send more than ten pings at a time.
func TestHintsAreBounded(t *testing.T) {
	s := step(t, Config{}, "127.0.0.1:43111")
	for i := range 19 {
		s.table.Answered(nodeAt(peer(i)), time.Millisecond, s.now)
	}
	pings := 0
	for i := range 19 {
		m := Message{Internal: true, Command: CommandDownHint, Value: appendAddr(nil, peer(i))}
		for _, o := range s.receive(0, peer(99), m.Append(nil)) {
			if m, _ := Parse(o.b); m.Kind == KindRequest {
				pings++
			}
		}
	}
	require.Equal(t, maxChecks, pings)
}

// A query that was given enough nodes leaves the table out and begins slowly.
func TestSlowStart(t *testing.T) {
	s := step(t, Config{}, "127.0.0.1:43111")
	s.table.Answered(nodeAt(peer(500)), time.Millisecond, s.now)
	var nodes []netip.AddrPort
	for i := range 25 {
		nodes = append(nodes, peer(i))
	}
	q := s.FindNode(Hash(nil), QueryOptions{Nodes: nodes})
	q.Drive(func(*Reply) {}, func(error) {})
	s.pass(0)
	sent := s.take()
	require.Len(t, sent, slowAlpha)
	s.sent = sent
	s.answer(nil)
	require.GreaterOrEqual(t, q.Stats().Answered, 20)
	require.Len(t, q.ClosestNodes(), 20)
	require.NotContains(t, addrsOf(q.ClosestNodes()), peer(500))
}

func addrsOf(contacts []Contact) (addrs []netip.AddrPort) {
	for _, c := range contacts {
		addrs = append(addrs, c.Addr)
	}
	return addrs
}

// Without any answer from the nodes it was given, a query turns to the table.
func TestTableIsTheFallback(t *testing.T) {
	s := step(t, Config{}, "127.0.0.1:43111")
	s.table.Answered(nodeAt(peer(500)), time.Millisecond, s.now)
	var nodes []netip.AddrPort
	for i := range 20 {
		nodes = append(nodes, peer(i))
	}
	q := s.FindNode(Hash(nil), QueryOptions{Nodes: nodes, Retries: -1})
	var ended error
	q.Drive(func(*Reply) {}, func(err error) { ended = err })
	for range 40 {
		s.answer(nil, nodes...)
		s.pass(time.Second)
	}
	require.NoError(t, ended)
	require.Equal(t, 20, q.Stats().Timeouts)
	require.Equal(t, []Contact{contactAt(peer(500))}, q.ClosestNodes())
}

// Who reads slowly has no more requests sent for him.
func TestBackPressure(t *testing.T) {
	s := step(t, Config{}, "127.0.0.1:43111")
	for i := range 100 {
		s.table.Answered(nodeAt(peer(i)), time.Millisecond, s.now)
	}
	q := s.FindNode(Hash(nil), QueryOptions{Concurrency: 1})
	require.NoError(t, q.prepare(t.Context()))
	s.answer(nil)
	require.Equal(t, unreadLimit, q.Stats().Answered)
	for range 4 {
		r, over, err := q.next()
		require.NotNil(t, r)
		require.False(t, over)
		require.NoError(t, err)
		s.answer(nil)
	}
	require.Equal(t, 20, q.Stats().Answered)
}

func TestMapAndOnly(t *testing.T) {
	s := step(t, Config{Filter: func(a netip.AddrPort) bool { return a != peer(3) }}, "127.0.0.1:43111")
	s.table.Answered(nodeAt(peer(500)), time.Millisecond, s.now)
	var replies []*Reply
	for i := range 5 {
		replies = append(replies, &Reply{From: contactAt(peer(i))})
	}
	odd := func(r *Reply) *Reply {
		if r.From.Addr == peer(1) {
			return nil
		}
		r.Value = []byte("mapped")
		return r
	}
	q := s.FindNode(Hash(nil), QueryOptions{Replies: replies, Only: true, Map: odd})
	got := make(map[netip.AddrPort]bool)
	q.Drive(func(r *Reply) {
		require.Equal(t, "mapped", string(r.Value))
		got[r.From.Addr] = true
	}, func(error) {})
	s.answer(Addrs{}.Append(peer(77)))
	require.Equal(t, map[netip.AddrPort]bool{peer(0): true, peer(2): true, peer(4): true}, got)
	require.Len(t, q.ClosestReplies(), 4, "what is not streamed still counts")
}

// A node that nobody names for the target, since dead ones are nearer, is found through its neighbours.
func TestThoroughQueriesLookAround(t *testing.T) {
	target := Hash(nil)
	var peers []netip.AddrPort
	for i := range 21 {
		peers = append(peers, peer(i))
	}
	slices.SortFunc(peers, func(a, b netip.AddrPort) int {
		return routing.CompareDistance(target.Key(), IDOf(a).Key(), IDOf(b).Key())
	})
	hidden := peers[18]
	for _, thorough := range []bool{false, true} {
		s := step(t, Config{}, "127.0.0.1:43111")
		for _, a := range peers {
			if a != hidden {
				s.table.Answered(nodeAt(a), time.Millisecond, s.now)
			}
		}
		q := s.FindNode(target, QueryOptions{Thorough: thorough})
		over := false
		q.Drive(func(*Reply) {}, func(err error) { require.NoError(t, err); over = true })
		for i := 0; !over && i < 100; i++ {
			s.pass(0)
			for sent := s.take(); len(sent) > 0; sent = sent[1:] {
				m, err := Parse(sent[0].b)
				require.NoError(t, err)
				r := Message{ID: []byte{}}
				if m.Target != nil && ID(m.Target) != target {
					r.Closer = r.Closer.Append(hidden)
				}
				sent = append(sent, s.reply(sent[0], sent[0].to, r)...)
			}
		}
		require.True(t, over)
		want := slices.Clone(peers)
		if !thorough {
			want = slices.DeleteFunc(want, func(a netip.AddrPort) bool { return a == hidden })
		}
		require.Equal(t, want[:20], addrsOf(q.ClosestNodes()))
	}
}
