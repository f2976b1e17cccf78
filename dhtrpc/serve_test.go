package dhtrpc

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// stepped is a node without sockets of its own: the test moves its datagrams and its time.
type stepped struct {
	*Node
	t    *testing.T
	now  time.Time
	sent []outgoing
}

// outgoing is a datagram that a node sends.
type outgoing struct {
	conn int
	to   netip.AddrPort
	b    []byte
}

// step starts a stepped node with sockets at these addresses.
func step(t *testing.T, cfg Config, local ...string) *stepped {
	t.Helper()
	for _, a := range local {
		cfg.Socket.Local = append(cfg.Socket.Local, netip.MustParseAddrPort(a))
	}
	s := &stepped{t: t, now: start}
	cfg.Private = true
	cfg.Socket.Seed = &[32]byte{1}
	cfg.Socket.Now = func() time.Time { return s.now }
	n, err := New(cfg)
	require.NoError(t, err)
	s.Node = n
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	s.pass(0)
	return s
}

func (s *stepped) out(conn int, to netip.AddrPort, b []byte) {
	s.sent = append(s.sent, outgoing{conn, to, bytes.Clone(b)})
}

// take returns what was sent since the last time.
func (s *stepped) take() []outgoing {
	sent := s.sent
	s.sent = nil
	return sent
}

// receive hands the node a datagram and returns what it sends at once.
func (s *stepped) receive(conn int, from netip.AddrPort, b []byte) []outgoing {
	s.take()
	s.Socket().Receive(socket.Datagram{Payload: b, From: from, Conn: conn, At: s.now}, s.out)
	return s.take()
}

// pass lets time go by, and everything happen that is due.
func (s *stepped) pass(d time.Duration) {
	end := s.now.Add(d)
	for {
		next := s.Socket().NextWake()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(s.now) {
			s.now = next
		}
		s.Socket().Advance(s.now, s.out)
	}
	s.now = end
	s.Socket().Advance(s.now, s.out)
}

// sleep lets time go by without the node.
func (s *stepped) sleep(d time.Duration) {
	s.now = s.now.Add(d)
	s.Socket().Advance(s.now, s.out)
}

// reply has a node answer a request that was sent.
func (s *stepped) reply(o outgoing, from netip.AddrPort, m Message) []outgoing {
	q, err := Parse(o.b)
	require.NoError(s.t, err)
	m.Kind, m.TID, m.To = KindResponse, q.TID, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 43111)
	if id := IDOf(from); m.ID != nil {
		m.ID = id[:]
	}
	return s.receive(o.conn, from, m.Append(nil))
}

// persistentP1 is node P1 of the vectors, with its secrets.
func persistentP1(t *testing.T) *stepped {
	s := step(t, Config{}, "127.0.0.1:43111")
	secrets := vectors().Nodes["P1"].Secrets
	s.tokens.Set([IDSize]byte(secrets[0]), [IDSize]byte(secrets[1]), s.now.Add(time.Hour))
	return s
}

// answers leaves out what the node asks of its own accord.
func answers(sent []outgoing) []outgoing {
	return slices.DeleteFunc(sent, func(o outgoing) bool { return o.b[0] == firstRequest })
}

// Node P1 answers every captured request to it with the very bytes of the original, where those depend on nothing else.
func TestServesWhatTheOriginalServes(t *testing.T) {
	s := persistentP1(t)
	var want Message
	s.HandleRest(func(q *Request) { q.Reply(want.Value) })
	handlers := map[string]func(*Request){
		"user.error16.request":          func(q *Request) { q.Error(want.Error) },
		"user.error300.request":         func(q *Request) { q.Error(want.Error) },
		"user.error_with_token.request": func(q *Request) { q.Respond(Response{Code: want.Error, Token: true}) },
		"user.error_bare.request":       func(q *Request) { q.Respond(Response{Code: want.Error, NoCloser: true}) },
		"user.bare_reply.request":       func(q *Request) { q.Respond(Response{Value: want.Value, NoToken: true, NoCloser: true}) },
	}
	replies := make(map[string]vectorMessage)
	for _, v := range vectors().Messages {
		replies[v.Name] = v
	}
	compared := 0
	for _, v := range vectors().Messages {
		reply, ok := replies[v.Name[:max(0, len(v.Name)-len("request"))]+"reply"]
		if !ok || v.Dst.Port != 43111 || reply.From != "P1" {
			continue
		}
		var err error
		want, err = Parse(reply.Hex)
		require.NoError(t, err)
		want.Closer = nil // the table is another one
		if h := handlers[v.Name]; h != nil {
			s.Handle(v.Decoded.Command, h)
		}
		sent := answers(s.receive(0, v.Src.addr(), v.Hex))
		if len(sent) == 0 { // a delayed ping
			s.pass(50 * time.Millisecond)
			sent = answers(s.take())
		}
		require.Len(t, sent, 1, v.Name)
		got, err := Parse(sent[0].b)
		require.NoError(t, err)
		got.Closer = nil
		require.Equal(t, want.Append(nil), got.Append(nil), v.Name)
		require.Equal(t, reply.Dst.addr(), sent[0].to, v.Name)
		compared++
	}
	require.Greater(t, compared, 20)
}

func TestServesOddDatagramsAsTheOriginal(t *testing.T) {
	for _, v := range vectors().Datagrams {
		s := persistentP1(t)
		sent := answers(s.receive(0, v.Src.addr(), v.Hex))
		s.pass(11 * time.Second)
		if !v.Answered {
			require.Empty(t, append(sent, answers(s.take())...), v.Name)
			continue
		}
		require.Len(t, sent, 1, v.Name)
		want, err := Parse(v.Reply)
		require.NoError(t, err)
		want.Closer = nil
		require.Equal(t, want.Append(nil), sent[0].b, v.Name)
	}
}

func TestFindNodeAllocatesNothing(t *testing.T) {
	s := persistentP1(t)
	for i := range 200 {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 1)
		s.table.Answered(nodeAt(a), time.Millisecond, s.now)
	}
	asker := netip.MustParseAddrPort("10.0.3.1:1")
	id, target := IDOf(asker), Hash(nil)
	m := Message{Internal: true, Command: CommandFindNode, ID: id[:], Target: target[:]}
	p := &protocol{node: s.Node, served: make([]served, 2)}
	d := socket.Datagram{Payload: m.Append(nil), From: asker, At: s.now}
	buf := make([]byte, 0, MaxMessage)
	requireNoAllocs(t, "find_node", func() {
		if class, _ := p.Classify(d.Payload); class != socket.Request {
			panic("no request")
		}
		if buf = p.Serve(buf[:0], d); len(buf) != 163 {
			panic("not served")
		}
	})
	s.Handle(1, func(q *Request) { q.Reply(q.Value) })
	m = Message{Command: 1, ID: id[:], Target: target[:], Value: make([]byte, 100)}
	d.Payload = m.Append(nil)
	requireNoAllocs(t, "a user's command", func() {
		if buf = p.Serve(buf[:0], d); len(buf) != 195+101 {
			panic("not served")
		}
	})
}

// What a node answers is the exact closest of its table, without the asker, at most 20.
func TestClosestAreExact(t *testing.T) {
	s := persistentP1(t)
	for i := range 100 {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 1)
		s.table.Answered(nodeAt(a), time.Millisecond, s.now)
	}
	asker := s.Contacts(1)[0]
	m := Message{Internal: true, Command: CommandFindNode, Target: asker.ID[:]}
	sent := s.receive(0, asker.Addr, m.Append(nil))
	r, err := Parse(sent[0].b)
	require.NoError(t, err)
	var want Addrs
	for _, c := range s.Closest(asker.ID, 21)[1:] {
		want = want.Append(c.Addr)
	}
	require.Equal(t, 20, r.Closer.Len())
	require.Equal(t, want, r.Closer)
}

// A bad token is answered with a fresh one, reaches no handler, and its sender no table.
func TestBadTokens(t *testing.T) {
	s := persistentP1(t)
	s.Handle(1, func(q *Request) { t.Error("called") })
	from := netip.MustParseAddrPort("10.0.0.9:9")
	id := IDOf(from)
	for _, m := range []Message{
		{Command: 1, ID: id[:], Token: make([]byte, 32)},
		{Internal: true, Command: CommandPing, ID: id[:], Token: make([]byte, 32)},
	} {
		sent := s.receive(0, from, m.Append(nil))
		require.Len(t, sent, 1)
		r, err := Parse(sent[0].b)
		require.NoError(t, err)
		require.EqualValues(t, CodeInvalidToken, r.Error)
		require.True(t, s.tokens.Valid(r.Token, from.Addr(), s.now))
	}
	s.pass(time.Second)
	require.Empty(t, s.take(), "nobody looks at it")
	require.EqualValues(t, 2, s.Stats().BadTokens)
}

func TestAnswersLaterAndElsewhere(t *testing.T) {
	s := persistentP1(t)
	from, third := netip.MustParseAddrPort("10.0.0.9:9"), netip.MustParseAddrPort("10.0.0.10:10")
	target := Hash(nil)
	var kept *Request
	s.Handle(1, func(q *Request) {
		kept = q.Clone()
		require.Zero(t, s.Stats().BadTokens, "a handler may call the node")
	})
	m := Message{Command: 1, TID: 77, Target: target[:], Value: []byte("value")}
	datagram := m.Append(nil)
	require.Empty(t, s.receive(0, from, datagram))
	clear(datagram)
	require.Equal(t, "value", string(kept.Value))
	require.Equal(t, target, *kept.Target)
	require.NoError(t, kept.Reply(kept.Value))
	require.NoError(t, kept.Error(3), "the first answer counts")
	s.pass(0)
	sent := s.take()
	require.Len(t, sent, 1)
	require.Equal(t, from, sent[0].to)
	r, _ := Parse(sent[0].b)
	require.EqualValues(t, 77, r.TID)
	require.Equal(t, from, r.To)

	s.Handle(1, func(q *Request) {
		require.ErrorIs(t, q.Reply(make([]byte, MaxMessage)), ErrTooLong)
		require.NoError(t, q.Respond(Response{Code: 5, To: third, Token: true}))
	})
	sent = s.receive(0, from, m.Append(nil))
	require.Len(t, sent, 1)
	require.Equal(t, third, sent[0].to)
	r, _ = Parse(sent[0].b)
	require.Equal(t, third, r.To)
	require.True(t, s.tokens.Valid(r.Token, third.Addr(), s.now), "the token is for the one it is sent to")
	require.False(t, s.tokens.Valid(r.Token, from.Addr(), s.now))

	s.Handle(1, func(q *Request) { require.NoError(t, q.Relay([]byte("for you"), third)) })
	sent = s.receive(0, from, m.Append(nil))
	require.Len(t, sent, 1)
	r, _ = Parse(sent[0].b)
	own, _ := s.ID()
	require.Equal(t, Message{TID: 77, To: third, ID: own[:], Command: 1, Target: target[:], Value: []byte("for you")}, r)

	s.HandleRest(func(q *Request) { q.Error(q.Command) })
	m.Command = 40
	sent = s.receive(0, from, m.Append(nil))
	r, _ = Parse(sent[0].b)
	require.EqualValues(t, 40, r.Error)
}

// A relay's answer comes from elsewhere, and only for commands that can be relayed.
func TestAnswersFromElsewhere(t *testing.T) {
	s := persistentP1(t)
	to, third := netip.MustParseAddrPort("10.0.0.9:9"), netip.MustParseAddrPort("10.0.0.10:10")
	var got []*Reply
	done := func(r *Reply, err error) { require.NoError(t, err); got = append(got, r) }
	_, err := s.Send(to, Call{Command: 1}, done)
	require.NoError(t, err)
	s.pass(0)
	asked := s.take()
	require.Len(t, asked, 1)
	s.reply(asked[0], third, Message{ID: []byte{}, Value: []byte("hello")})
	require.Len(t, got, 1)
	require.Equal(t, third, got[0].From.Addr)

	require.NoError(t, s.internal(to, CommandPing, nil, nil, done))
	s.pass(0)
	asked = s.take()
	s.reply(asked[0], third, Message{})
	require.Len(t, got, 1)
	s.reply(asked[0], to, Message{})
	require.Len(t, got, 2)
	s.reply(asked[0], to, Message{})
	require.Len(t, got, 2, "once")
}

func TestDelayedPings(t *testing.T) {
	s := step(t, Config{MaxDelayed: 3}, "127.0.0.1:43111")
	from := netip.MustParseAddrPort("10.0.0.9:9")
	for i, ms := range []time.Duration{300, 100, 10000, 200, 10001} {
		m := Message{Internal: true, Command: CommandDelayedPing, TID: uint16(i), Value: milliseconds(ms * time.Millisecond)}
		require.Empty(t, s.receive(0, from, m.Append(nil)))
	}
	var tids []uint16
	for range 100 {
		s.pass(101 * time.Millisecond)
		for _, o := range s.take() {
			m, err := Parse(o.b)
			require.NoError(t, err)
			if m.Kind == KindResponse {
				tids = append(tids, m.TID)
			}
		}
	}
	require.Equal(t, []uint16{1, 0, 2}, tids, "three at most, in the order in which they are due")
}

func TestNewcomersAreLookedAt(t *testing.T) {
	s := persistentP1(t)
	good, bad, liar := netip.MustParseAddrPort("10.0.0.9:9"), netip.MustParseAddrPort("10.0.1.9:9"), netip.MustParseAddrPort("10.0.2.9:9")
	for _, a := range []netip.AddrPort{good, bad, liar} {
		id := IDOf(a)
		if a == liar {
			id[0]++
		}
		m := Message{Internal: true, Command: CommandPing, ID: id[:]}
		s.receive(0, a, m.Append(nil))
	}
	require.Zero(t, s.Len(), "what asks is not believed")
	s.pass(0)
	pings := s.take()
	require.Len(t, pings, 2)
	for _, o := range pings {
		m, err := Parse(o.b)
		require.NoError(t, err)
		require.True(t, m.Internal)
		require.EqualValues(t, CommandPing, m.Command)
		if o.to == good {
			s.reply(o, good, Message{ID: []byte{}})
		}
	}
	s.pass(10 * time.Second)
	require.Equal(t, []Contact{contactAt(good)}, s.Contacts(0))
	require.Equal(t, routing.Key(IDOf(netip.MustParseAddrPort("127.0.0.1:43111"))), s.table.Self())
}
