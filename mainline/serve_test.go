package mainline

import (
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// maxReply is the documented bound of a reply in bytes (BEP 32).
const maxReply = 1024

var (
	testStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	asker     = netip.MustParseAddrPort("45.67.8.9:6881")
)

// passive is a node without upkeep that answers one asker any number of times at one moment, unless cfg says otherwise.
func passive(cfg Config) Config {
	cfg.NoUpkeep = true
	if cfg.Inbound == (socket.Inbound{}) {
		cfg.Inbound.PerSource = -1
	}
	return cfg
}

// stepped returns a passive node without socket, clock and goroutine, whose table holds the given number of nodes.
func stepped(t testing.TB, cfg Config, known int) *Node {
	t.Helper()
	n, err := New(passive(cfg))
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range known {
		c := routing.Node{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(20 + i%100), byte(i / 100), 3, 4}), 6881)}
		for j := range 20 {
			c.Key[j] = byte(rng.Uint32())
		}
		n.RPC().AddAnswered(c, 30*time.Millisecond, testStart)
	}
	return n
}

// exchange hands one datagram to the node and returns its answers.
func exchange(n *Node, from netip.AddrPort, b []byte) (answers [][]byte) {
	n.RPC().Socket().Receive(socket.Datagram{Payload: b, From: from, At: testStart}, func(_ int, _ netip.AddrPort, out []byte) {
		answers = append(answers, append([]byte(nil), out...))
	})
	return answers
}

func TestTolerancePackets(t *testing.T) {
	var packets []struct {
		Name, Hex string
		Want      any
	}
	raw, err := os.ReadFile("testdata/tolerance.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &packets))
	require.Len(t, packets, 74)
	n := stepped(t, Config{Private: true}, 8)
	for _, p := range packets {
		t.Run(p.Name, func(t *testing.T) {
			b, err := hex.DecodeString(p.Hex)
			require.NoError(t, err)
			got := outcome(t, exchange(n, asker, b))
			want := p.Want
			if code, ok := want.(float64); ok {
				want = strconv.Itoa(int(code))
			}
			require.Contains(t, strings.Split(want.(string), " or "), got)
		})
	}
}

// outcome names what a node did: drop, reply, or the code of its error.
func outcome(t *testing.T, answers [][]byte) string {
	t.Helper()
	require.LessOrEqual(t, len(answers), 1, "one datagram for one query")
	if len(answers) == 0 {
		return "drop"
	}
	m, err := krpc.Parse(answers[0])
	require.NoError(t, err)
	if e := m.Err(); e != nil {
		return strconv.Itoa(e.Code)
	}
	require.Equal(t, krpc.KindResponse, m.Kind())
	return "reply"
}

func query(tid string, args krpc.Args) []byte {
	id := krpc.ID{0: 0xaa, 19: 1}
	return krpc.AppendQuery(nil, []byte(tid), id[:], args, krpc.Header{})
}

func parsed(t *testing.T, answers [][]byte) krpc.Message {
	t.Helper()
	require.Len(t, answers, 1)
	m, err := krpc.Parse(answers[0])
	require.NoError(t, err)
	return m
}

func TestFindNodeNamesTheClosest(t *testing.T) {
	n := stepped(t, Config{}, 500)
	target := krpc.ID{0: 0x42}
	m := parsed(t, exchange(n, asker, query("aa", krpc.FindNodeArgs{Target: target})))
	var got []routing.Node
	for c := range m.Nodes {
		got = append(got, routing.Node{Key: c.ID.Key(), Addr: c.Addr})
	}
	require.Equal(t, n.RPC().Nearest(target.Key(), 8), got)
	require.Equal(t, "aa", string(m.TID()))
	ip, ok := m.IP()
	require.True(t, ok)
	require.Equal(t, asker, ip)
}

func TestAnnounceNeedsItsToken(t *testing.T) {
	n := stepped(t, Config{}, 20)
	ih, other := krpc.ID{1}, krpc.ID{2}
	token := func(from netip.AddrPort) []byte {
		m := parsed(t, exchange(n, from, query("aa", krpc.GetPeersArgs{InfoHash: ih})))
		return append([]byte(nil), m.Token()...)
	}
	announce := func(from netip.AddrPort, ih krpc.ID, tok []byte) string {
		return outcome(t, exchange(n, from, query("aa", krpc.AnnouncePeerArgs{InfoHash: ih, Port: 7000, Token: tok})))
	}
	elsewhere := netip.MustParseAddrPort("46.67.8.9:6881")
	tok := token(asker)
	require.Equal(t, "203", announce(asker, ih, []byte("bad token")))
	require.Equal(t, "203", announce(asker, other, tok), "token of another key")
	require.Equal(t, "203", announce(elsewhere, ih, tok), "token of another address")
	_, peers := n.cfg.Peers.(*MemoryStore).Len()
	require.Zero(t, peers)
	require.Equal(t, "reply", announce(netip.AddrPortFrom(asker.Addr(), 9), ih, tok), "NATs change ports")

	m := parsed(t, exchange(n, elsewhere, query("aa", krpc.GetPeersArgs{InfoHash: ih})))
	var values []netip.AddrPort
	for p := range m.Values {
		values = append(values, p)
	}
	require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(asker.Addr(), 7000)}, values)
	nodes := 0
	for range m.Nodes {
		nodes++
	}
	require.Equal(t, 8, nodes, "values and nodes together")
}

func TestImpliedPortIsTheSourcePort(t *testing.T) {
	n := stepped(t, Config{}, 0)
	ih := krpc.ID{1}
	m := parsed(t, exchange(n, asker, query("aa", krpc.GetPeersArgs{InfoHash: ih})))
	args := krpc.AnnouncePeerArgs{InfoHash: ih, Port: 7000, ImpliedPort: true, Token: m.Token()}
	require.Equal(t, "reply", outcome(t, exchange(n, asker, query("aa", args))))
	require.Equal(t, []netip.AddrPort{asker}, n.cfg.Peers.AppendPeers(nil, ih, false, 8, testStart))
}

// idleConn is a connection on which nothing arrives, for a node of two families that is stepped.
type idleConn struct {
	addr   netip.AddrPort
	closed chan struct{}
	once   sync.Once
}

func (c *idleConn) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	<-c.closed
	return 0, netip.AddrPort{}, net.ErrClosed
}

func (c *idleConn) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }

func (c *idleConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.addr) }

func (c *idleConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

var asker6 = netip.MustParseAddrPort("[2a01:4f8::1]:6881")

// dual returns a passive node of both families, each of whose tables holds the given number of nodes.
func dual(t testing.TB, cfg Config, known int) *Node {
	t.Helper()
	var conns []socket.Conn
	for _, a := range []string{"31.0.0.1:6881", "[2a01:1::1]:6881"} {
		conns = append(conns, &idleConn{addr: netip.MustParseAddrPort(a), closed: make(chan struct{})})
	}
	n, err := New(passive(cfg), conns...)
	require.NoError(t, err)
	t.Cleanup(func() { n.Close() })
	for i := range known {
		ip := [16]byte{0: 0x2a, 1: 2, 2: byte(i >> 8), 3: byte(i)}
		contact := routing.Node{Key: krpc.RandomID().Key(), Addr: netip.AddrPortFrom(netip.AddrFrom16(ip), 6881)}
		n.ends[1].rpc.AddAnswered(contact, 30*time.Millisecond, testStart)
		contact.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{60, byte(i >> 8), byte(i), 1}), 6881)
		n.ends[0].rpc.AddAnswered(contact, 30*time.Millisecond, testStart)
	}
	return n
}

// exchangeAt is exchange with one of several endpoints.
func exchangeAt(e *Endpoint, from netip.AddrPort, b []byte) (answers [][]byte) {
	e.rpc.Socket().Receive(socket.Datagram{Payload: b, From: from, At: testStart}, func(_ int, _ netip.AddrPort, out []byte) {
		answers = append(answers, append([]byte(nil), out...))
	})
	return answers
}

func TestWantNamesTheLists(t *testing.T) {
	n := dual(t, Config{}, 300)
	target := krpc.ID{0: 0x42}
	for _, c := range []struct {
		want krpc.Want
		v6   bool
		has4 bool
		has6 bool
	}{
		{0, false, true, false},
		{0, true, false, true},
		{krpc.WantN4, true, true, false},
		{krpc.WantN6, false, false, true},
		{krpc.WantBoth, false, true, true},
		{krpc.WantBoth, true, true, true},
	} {
		end, from := n.ends[0], asker
		if c.v6 {
			end, from = n.ends[1], asker6
		}
		m := parsed(t, exchangeAt(end, from, query("aa", krpc.FindNodeArgs{Target: target, Want: c.want})))
		require.Equal(t, c.has4, m.HasNodes())
		require.Equal(t, c.has6, m.HasNodes6())
		got := map[bool][]routing.Node{}
		for node := range m.Contacts(krpc.IDSize) {
			v6 := node.Addr.Addr().Is6()
			got[v6] = append(got[v6], node)
		}
		for i, has := range []bool{c.has4, c.has6} {
			if has {
				require.Equal(t, n.ends[i].rpc.Nearest(target.Key(), 8), got[i == 1])
			}
		}
	}
}

func TestRepliesStayWithinTheirBound(t *testing.T) {
	store := NewPeerStore(StoreConfig{PerHash: 4000})
	ih := krpc.ID{1}
	for i := range 1500 {
		ip4 := netip.AddrFrom4([4]byte{30, 1, byte(i >> 8), byte(i)})
		store.Announce(ih, netip.AddrPortFrom(ip4, 1), false, testStart)
		ip6 := netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: byte(i >> 8), 3: byte(i)})
		store.Announce(ih, netip.AddrPortFrom(ip6, 1), false, testStart)
	}
	n := dual(t, Config{Peers: store}, 100)
	for _, tid := range []string{"", strings.Repeat("t", 32)} {
		for i, from := range []netip.AddrPort{asker, asker6} {
			for _, want := range []krpc.Want{0, krpc.WantBoth} {
				q := query(tid, krpc.GetPeersArgs{InfoHash: ih, Want: want})
				answers := exchangeAt(n.ends[i], from, q)
				m := parsed(t, answers)
				bound := min(maxReply, 12*len(q)) // see krpc.Config.Amplify
				require.LessOrEqual(t, len(answers[0]), bound)
				require.Greater(t, len(answers[0]), bound-21-4, "no room for another peer")
				values := 0
				for p := range m.Values {
					require.Equal(t, from.Addr().Is6(), p.Addr().Is6())
					values++
				}
				require.GreaterOrEqual(t, values, 15)
			}
		}
	}
}

func TestReadOnlyAndStrangers(t *testing.T) {
	n := stepped(t, Config{ReadOnly: true}, 8)
	require.Empty(t, exchange(n, asker, query("aa", krpc.PingArgs{})), "BEP 43: a read-only node answers nothing")

	n = stepped(t, Config{}, 0)
	for i := range 1000 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{50, byte(i >> 8), byte(i), 1}), 6881)
		id := krpc.ID{0: byte(i), 1: byte(i >> 8), 5: 9}
		exchange(n, from, krpc.AppendQuery(nil, []byte("aa"), id[:], krpc.PingArgs{}, krpc.Header{}))
	}
	require.Zero(t, n.Len(), "nobody enters the table by asking")
}

func TestServingAllocatesNothing(t *testing.T) {
	n := dual(t, Config{}, 300)
	for name, args := range map[string]krpc.Args{
		"ping":      krpc.PingArgs{},
		"find_node": krpc.FindNodeArgs{Target: krpc.ID{7}},
		"get_peers": krpc.GetPeersArgs{InfoHash: krpc.ID{7}},
		"want both": krpc.GetPeersArgs{InfoHash: krpc.ID{7}, Want: krpc.WantBoth},
	} {
		t.Run(name, func(t *testing.T) {
			d := socket.Datagram{Payload: query("aa", args), From: asker, At: testStart}
			sent := 0
			out := func(int, netip.AddrPort, []byte) { sent++ }
			n.RPC().Socket().Receive(d, out)
			require.Equal(t, 1, sent)
			require.Zero(t, testing.AllocsPerRun(1000, func() { n.RPC().Socket().Receive(d, out) }))
		})
	}
}

// FuzzNode feeds any bytes to a whole node: it must not panic, answer at most once, answer nothing that is no query, and
// stay within the documented size.
func FuzzNode(f *testing.F) {
	raw, err := os.ReadFile("testdata/datagrams.txt")
	require.NoError(f, err)
	for line := range strings.Lines(string(raw)) {
		if b, err := hex.DecodeString(strings.TrimSpace(line)); err == nil && len(b) > 0 {
			f.Add(b)
		}
	}
	n := stepped(f, Config{}, 50)
	f.Fuzz(func(t *testing.T, b []byte) {
		answers := exchange(n, asker, b)
		if len(answers) == 0 {
			return
		}
		require.Len(t, answers, 1)
		require.LessOrEqual(t, len(answers[0]), maxReply)
		m, err := krpc.Parse(b)
		require.NoError(t, err)
		require.Equal(t, krpc.KindQuery, m.Kind())
	})
}

func BenchmarkServe(b *testing.B) {
	n := stepped(b, Config{}, 300)
	for _, c := range []struct {
		name string
		args krpc.Args
	}{{"ping", krpc.PingArgs{}}, {"find_node", krpc.FindNodeArgs{Target: krpc.ID{7}}}, {"get_peers", krpc.GetPeersArgs{InfoHash: krpc.ID{7}}}} {
		b.Run(c.name, func(b *testing.B) {
			d := socket.Datagram{Payload: query("aa", c.args), From: asker, At: testStart}
			b.ReportAllocs()
			for b.Loop() {
				n.RPC().Socket().Receive(d, func(int, netip.AddrPort, []byte) {})
			}
		})
	}
}

// What is checked in which order: envelope, method, id, arguments, token.
func TestTheOrderOfChecks(t *testing.T) {
	n := stepped(t, Config{Private: true}, 20)
	const id = "2:id20:aaaaaaaaaaaaaaaaaaaa"
	const hash = "9:info_hash20:bbbbbbbbbbbbbbbbbbbb"
	own := n.ID()
	for name, c := range map[string]struct{ datagram, want string }{
		"ping":                               {"d1:ad" + id + "e1:q4:ping1:t2:aa1:y1:qe", "reply"},
		"method is a number":                 {"d1:ad" + id + "e1:qi1e1:t2:aa1:y1:qe", "203"},
		"known method, no id":                {"d1:ade1:q4:ping1:t2:aa1:y1:qe", "203"},
		"known method, no arguments":         {"d1:q4:ping1:t2:aa1:y1:qe", "203"},
		"unknown method, no id":              {"d1:ade1:q4:pong1:t2:aa1:y1:qe", "204"},
		"unknown method, no arguments":       {"d1:q4:pong1:t2:aa1:y1:qe", "204"},
		"unknown method":                     {"d1:ad" + id + "e1:q4:pong1:t2:aa1:y1:qe", "204"},
		"unknown method with a target":       {"d1:ad" + id + "6:target20:bbbbbbbbbbbbbbbbbbbbe1:q4:pong1:t2:aa1:y1:qe", "reply"},
		"unknown method with an info hash":   {"d1:ad" + id + hash + "e1:q4:pong1:t2:aa1:y1:qe", "reply"},
		"unknown method with a short one":    {"d1:ad" + id + "6:target3:bbbe1:q4:pong1:t2:aa1:y1:qe", "204"},
		"our own id":                         {"d1:ad2:id20:" + string(own[:]) + "e1:q4:ping1:t2:aa1:y1:qe", "drop"},
		"no transaction id":                  {"d1:ad" + id + "e1:q4:ping1:y1:qe", "drop"},
		"a topic of BEP 50":                  {"d1:ad" + id + "e1:c20:cccccccccccccccccccc1:q4:ping1:t2:aa1:y1:qe", "drop"},
		"get_peers without info hash":        {"d1:ad" + id + "e1:q9:get_peers1:t2:aa1:y1:qe", "203"},
		"find_node without target":           {"d1:ad" + id + "e1:q9:find_node1:t2:aa1:y1:qe", "203"},
		"announce_peer without token":        {"d1:ad" + id + hash + "4:porti1ee1:q13:announce_peer1:t2:aa1:y1:qe", "203"},
		"announce_peer with a bad token":     {"d1:ad" + id + hash + "4:porti1e5:token8:xxxxxxxxe1:q13:announce_peer1:t2:aa1:y1:qe", "203"},
		"announce_peer without port":         {"d1:ad" + id + hash + "5:token8:xxxxxxxxe1:q13:announce_peer1:t2:aa1:y1:qe", "203"},
		"an answer to nothing":               {"d1:rd" + id + "e1:t2:aa1:y1:re", "drop"},
		"an error":                           {"d1:eli201e4:oopse1:t2:aa1:y1:ee", "drop"},
		"an error that looks like a query":   {"d1:ad" + id + "e1:eli201e4:oopse1:q4:ping1:t2:aa1:y1:ee", "drop"},
		"neither query nor answer nor error": {"d1:ad" + id + "e1:q4:ping1:t2:aa1:y1:xe", "drop"},
	} {
		t.Run(name, func(t *testing.T) {
			answers := exchange(n, asker, []byte(c.datagram))
			require.Equal(t, c.want, outcome(t, answers))
			if len(answers) > 0 && c.want != "reply" {
				require.LessOrEqual(t, len(answers[0]), len(c.datagram)+48, "errors are short")
			}
		})
	}
}

// A full store says so beforehand: whom it would not take gets no token, whom it has may come again (BEP 33).
func TestAFullStoreGivesNoToken(t *testing.T) {
	store := NewPeerStore(StoreConfig{PerHash: 2, PerSource: 3, Lifetime: time.Hour})
	ih, first := krpc.ID{1}, netip.MustParseAddrPort("30.1.1.1:1")
	store.Announce(ih, first, false, testStart)
	n := stepped(t, Config{Peers: store}, 20)
	token := func(from netip.AddrPort, ih krpc.ID) []byte {
		m := parsed(t, exchange(n, from, query("aa", krpc.GetPeersArgs{InfoHash: ih})))
		require.True(t, m.HasNodes())
		return m.Token()
	}
	require.Len(t, token(asker, ih), tokenLen)
	store.Announce(ih, netip.MustParseAddrPort("30.1.1.2:1"), false, testStart)
	require.Nil(t, token(asker, ih))
	require.Len(t, token(first, ih), tokenLen)
	require.Len(t, token(asker, krpc.ID{2}), tokenLen)
	for i := range 3 {
		store.Announce(krpc.ID{3, byte(i)}, asker, false, testStart)
	}
	require.Nil(t, token(asker, krpc.ID{2}), "it is under enough info hashes")
	require.Len(t, token(asker, krpc.ID{3}), tokenLen)
}
