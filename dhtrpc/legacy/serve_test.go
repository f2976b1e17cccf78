package legacy

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

var (
	stranger = netip.MustParseAddrPort("127.0.0.9:999")
	another  = netip.MustParseAddrPort("127.0.0.8:999")
	target32 = make([]byte, IDSize)
)

// doubleC is node C of the vectors, which knows A and D.
func doubleC(t testing.TB) *double {
	v := readVectors(t)
	return v.newDouble(t, v.Nodes["C"].Addr, "A", "D")
}

// request is a datagram of a stranger.
func request(kind Type, command string, token, value []byte) []byte {
	m := Message{Version: 1, Type: kind, RID: 5, Target: target32, Token: token, Command: []byte(command), Value: value}
	return m.Append(nil)
}

// answer asks the double at a time and returns its answer.
func (d *double) answer(t *testing.T, from netip.AddrPort, b []byte, at time.Time) (Message, bool) {
	t.Helper()
	d.sent = nil
	d.sock.Receive(socket.Datagram{Payload: b, From: from, At: at}, d.out)
	if len(d.sent) == 0 {
		return Message{}, false
	}
	require.Equal(t, from, d.sent[0].to)
	m, err := Parse(d.sent[0].b)
	require.NoError(t, err)
	require.EqualValues(t, 5, m.RID)
	return m, true
}

func TestUpdatesNeedATokenOfOurs(t *testing.T) {
	d := doubleC(t)
	calls := 0
	d.OnUpdate("kv", func(r *Request) {
		calls++
		r.Reply(nil)
	})
	first, ok := d.answer(t, stranger, request(TypeQuery, CommandPing, nil, nil), epoch)
	require.True(t, ok)

	_, ok = d.answer(t, another, request(TypeUpdate, "kv", first.Token, nil), epoch)
	require.False(t, ok, "the token of another host")
	sameHost := netip.AddrPortFrom(stranger.Addr(), 1)
	_, ok = d.answer(t, sameHost, request(TypeUpdate, "kv", first.Token, nil), epoch)
	require.True(t, ok, "another port of the host")
	_, ok = d.answer(t, stranger, request(TypeUpdate, "kv", first.Token, nil), epoch.Add(10*time.Minute-1))
	require.True(t, ok)
	_, ok = d.answer(t, stranger, request(TypeUpdate, "kv", first.Token, nil), epoch.Add(10*time.Minute))
	require.False(t, ok, "out of date")
	require.Equal(t, 2, calls)
	require.EqualValues(t, 2, d.Counts().BadTokens)
}

func TestAskersAreListedWhileTheTableIsSmall(t *testing.T) {
	d := doubleC(t)
	named := func() (all []netip.AddrPort) {
		m, ok := d.answer(t, stranger, request(TypeQuery, CommandFindNode, nil, nil), epoch)
		require.True(t, ok)
		for n := range m.CloserNodes {
			all = append(all, n.Addr)
		}
		return all
	}
	require.Len(t, named(), 2)
	asker := Message{Version: 1, Type: TypeQuery, RID: 5, ID: slices.Repeat([]byte{0x77}, IDSize), Command: []byte(CommandPing)}
	d.answer(t, another, asker.Append(nil), epoch)
	require.Contains(t, named(), another)
	require.Len(t, d.Nodes(), 2, "it has not answered us")

	for i := range 19 {
		d.AddNode(Contact{ID: ID{0xff, byte(i)}, Addr: netip.AddrPortFrom(another.Addr(), uint16(i+1))})
	}
	require.Len(t, named(), 20)
	require.NotContains(t, named(), another, "now there are better ones")
}

func TestClosestNodesAreTheOriginals(t *testing.T) {
	v := readVectors(t)
	n, err := New(Config{ID: ID(v.Closest.Own), Private: true})
	require.NoError(t, err)
	for i, id := range v.Closest.Added {
		require.True(t, n.AddNode(Contact{ID: ID(id), Addr: netip.AddrPortFrom(stranger.Addr(), uint16(i+1))}))
	}
	for _, list := range v.Closest.Lists {
		var got []hexBytes
		n.mu.Lock()
		for _, c := range n.closestLocked(routing.KeyOf(list.Target)) {
			got = append(got, c.Key[:])
		}
		n.mu.Unlock()
		require.Equal(t, list.IDs, got)
	}
	require.NoError(t, n.Close())
}

func TestAnswersAcross(t *testing.T) {
	d := doubleC(t)
	query := func(value string) []byte {
		var b []byte
		if value != "absent" {
			b = []byte(value)
		}
		return request(TypeQuery, CommandHolepunch, nil, b)
	}
	for _, test := range []struct {
		name, value string
		to          netip.AddrPort // of what goes out; not valid: nothing
		command     string         // of it; empty: a response
	}{
		{"no value", "absent", netip.AddrPort{}, ""},
		{"no payload", "\xff", netip.AddrPort{}, ""},
		{"an empty one", "", stranger, ""},
		{"from another", string(appendPunch(nil, fieldPunchFrom, another)), another, ""},
		{"from nowhere", "\x12\x06\x7f\x00\x00\x08\x00\x00", stranger, ""},
		{"to another", string(appendPunch(nil, fieldPunchTo, another)), another, CommandHolepunch},
		{"to nowhere", "\x1a\x06\x7f\x00\x00\x08\x00\x00", netip.AddrPort{}, ""},
		{"to itself", string(appendPunch(nil, fieldPunchTo, stranger)), netip.AddrPort{}, ""},
	} {
		got := d.receive(stranger, query(test.value))
		if !test.to.IsValid() {
			require.Empty(t, got, test.name)
			continue
		}
		require.Len(t, got, 1, test.name)
		require.Equal(t, test.to, got[0].to, test.name)
		m, err := Parse(got[0].b)
		require.NoError(t, err)
		require.Equal(t, test.command, string(m.Command), test.name)
		require.EqualValues(t, 5, m.RID, test.name)
		if test.command == "" {
			require.Equal(t, TypeResponse, m.Type)
			require.True(t, d.tokens.Valid(m.Token, test.to.Addr(), epoch), "the token of whoever gets it")
		}
	}
}

func TestLateAnswers(t *testing.T) {
	d := doubleC(t)
	var kept *Request
	d.OnQuery("slow", func(r *Request) { kept = r.Clone() })
	_, ok := d.answer(t, stranger, request(TypeQuery, "slow", nil, []byte("x")), epoch)
	require.False(t, ok, "not yet")
	d.receive(another, request(TypeQuery, "kv", nil, []byte("something else")))
	require.Equal(t, "x", string(kept.Value))
	require.Equal(t, "slow", kept.Command)

	d.sent = nil
	kept.Reply([]byte("late"))
	kept.Fail("twice", nil)
	d.sock.Advance(epoch.Add(time.Second), d.out)
	require.Len(t, d.sent, 1)
	m, err := Parse(d.sent[0].b)
	require.NoError(t, err)
	require.Equal(t, stranger, d.sent[0].to)
	require.Equal(t, "late", string(m.Value))
	require.NotEmpty(t, m.Nodes)
}

func TestOneHandlerEach(t *testing.T) {
	d := doubleC(t)
	d.OnUpdate("only", func(r *Request) { r.Reply([]byte("updated")) })
	m, ok := d.answer(t, stranger, request(TypeQuery, "only", nil, nil), epoch)
	require.True(t, ok)
	require.Nil(t, m.Value)
	require.Nil(t, m.Error)
	d.OnQuery("only", func(r *Request) { r.Reply([]byte("queried")) })
	m, _ = d.answer(t, stranger, request(TypeQuery, "only", nil, nil), epoch)
	require.Equal(t, "queried", string(m.Value))
	m, _ = d.answer(t, stranger, request(TypeUpdate, "only", m.Token, nil), epoch)
	require.Equal(t, "updated", string(m.Value), "setting the other one left it alone")
}

func TestServingAllocatesNothing(t *testing.T) {
	d := doubleC(t)
	value := []byte("value")
	d.OnQuery("kv", func(r *Request) { r.Reply(value) })
	discard := func(int, netip.AddrPort, []byte) {}
	for _, n := range []int{0, 100} { // nodes in the table besides
		for i := range n {
			d.AddNode(Contact{ID: ID{byte(i * 5), byte(i)}, Addr: netip.AddrPortFrom(another.Addr(), uint16(i+1))})
		}
		for _, b := range [][]byte{
			request(TypeQuery, CommandPing, nil, nil), request(TypeQuery, CommandFindNode, nil, nil),
			request(TypeQuery, "kv", nil, nil), request(TypeUpdate, "kv", target32, nil), request(TypeResponse, "", nil, nil),
		} {
			datagram := socket.Datagram{Payload: b, From: stranger, At: epoch}
			require.Zero(t, testing.AllocsPerRun(100, func() { d.sock.Receive(datagram, discard) }), "%q", b)
		}
	}
}

func TestOwnAddress(t *testing.T) {
	by := func(i int) routing.Node { return routing.Node{Key: routing.Key{byte(i)}, Addr: another} }
	us, other := netip.MustParseAddrPort("192.0.2.1:5"), netip.MustParseAddrPort("192.0.2.1:6")
	elsewhere := netip.MustParseAddrPort("192.0.2.2:5")
	for _, test := range []struct {
		name      string
		say       []netip.AddrPort
		want      netip.AddrPort // not valid: not known
		reachable bool
	}{
		{"nobody", nil, netip.AddrPort{}, false},
		{"too few", []netip.AddrPort{us, us}, netip.AddrPort{}, false},
		{"three", []netip.AddrPort{us, us, us}, us, true},
		{"two lie", []netip.AddrPort{elsewhere, us, us, elsewhere, us}, us, true},
		{"three lie", []netip.AddrPort{elsewhere, us, us, elsewhere, us, us, elsewhere}, netip.AddrPort{}, false},
		{"ports differ", []netip.AddrPort{us, other, netip.MustParseAddrPort("192.0.2.1:7")}, netip.MustParseAddrPort("192.0.2.1:0"), false},
		{"old lies are forgotten", []netip.AddrPort{elsewhere, elsewhere, elsewhere, us, us, us, us, us, us, us, us, us}, us, true},
	} {
		n, err := New(Config{})
		require.NoError(t, err)
		for i, a := range test.say {
			n.seen.note(by(i+1), elsewhere)
			n.seen.note(by(i+1), a) // the last word counts
		}
		n.seen.note(by(99), netip.AddrPort{}) // it does not say
		got, ok := n.RemoteAddr()
		require.Equal(t, test.want.Addr().IsValid(), ok, test.name)
		if ok {
			require.Equal(t, test.want, got, test.name)
		}
		require.Equal(t, test.reachable, n.Holepunchable(), test.name)
		require.NoError(t, n.Close())
	}
}

// Whatever comes in, the node does not fall, answers nobody but the sender (a punch aside), with one datagram.
func FuzzNode(f *testing.F) {
	v := readVectors(f)
	for _, p := range v.packets() {
		f.Add([]byte(p.Hex))
	}
	for _, d := range v.Datagrams {
		f.Add([]byte(d.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := v.newDouble(t, v.Nodes["C"].Addr, "A", "D")
		got := d.receive(stranger, b)
		require.LessOrEqual(t, len(got), 1)
		for _, x := range got {
			m, err := Parse(x.b)
			require.NoError(t, err)
			if x.to != stranger {
				asked, err := Parse(b)
				require.NoError(t, err)
				require.Equal(t, CommandHolepunch, string(asked.Command))
			}
			require.NotEqual(t, TypeUpdate, m.Type)
		}
		require.NoError(t, d.Close())
	})
}
