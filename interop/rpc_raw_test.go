package interop

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// rpcRaw is a socket for datagrams that no node would send.
type rpcRaw struct {
	t    *testing.T
	conn *net.UDPConn
	tid  uint16
}

func (l *rpcLab) raw() *rpcRaw {
	l.t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(l.host+":0")))
	require.NoError(l.t, err)
	l.t.Cleanup(func() { require.NoError(l.t, conn.Close()) })
	require.NoError(l.t, conn.SetDeadline(time.Now().Add(patience)))
	return &rpcRaw{t: l.t, conn: conn}
}

func (r *rpcRaw) addr() netip.AddrPort { return r.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (r *rpcRaw) send(to string, b []byte) {
	r.t.Helper()
	_, err := r.conn.WriteToUDPAddrPort(b, netip.MustParseAddrPort(to))
	require.NoError(r.t, err)
}

// ask sends a request of the protocol's own and returns its transaction id.
func (r *rpcRaw) ask(to string, command uint64, value []byte) uint16 {
	r.t.Helper()
	r.tid++
	m := dhtrpc.Message{Internal: true, TID: r.tid, To: netip.MustParseAddrPort(to), Command: command, Value: value}
	r.send(to, m.Append(nil))
	return r.tid
}

// next returns the next response, and who sent it. It is good until the next one.
func (r *rpcRaw) next() (dhtrpc.Message, string) {
	r.t.Helper()
	b := make([]byte, 1<<16)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(b)
		require.NoError(r.t, err)
		m, err := dhtrpc.Parse(b[:n])
		require.NoError(r.t, err)
		if m.Kind == dhtrpc.KindResponse {
			require.Equal(r.t, b[:n], m.Append(nil), "written as we would")
			return m, from.String()
		}
	}
}

// rpcResponse is a response without what belongs to who sent it.
type rpcResponse struct {
	TID      uint16
	To       netip.AddrPort
	Own      bool // the sender's id
	Token    bool
	Closer   []string // in order
	Code     uint64
	Value    []byte
	HasValue bool
}

// until collects the responses of a node up to the one to its ping with this transaction id.
func (r *rpcRaw) until(node rpcNode, ping uint16, not ...string) (all []rpcResponse) {
	r.t.Helper()
	for {
		m, from := r.next()
		require.Equal(r.t, node.addr(), from)
		if m.TID == ping {
			return all
		}
		x := rpcResponse{
			TID: m.TID, To: m.To, Own: string(m.ID) == string(unhex(r.t, new(node.id()))), Token: len(m.Token) == 32,
			Code: m.Error, Value: slices.Clone(m.Value), HasValue: m.Value != nil,
		}
		for i := range m.Closer.Len() {
			if a := m.Closer.At(i).String(); !slices.Contains(not, a) {
				x.Closer = append(x.Closer, a)
			}
		}
		slices.Sort(x.Closer)
		all = append(all, x)
	}
}

// rpcSeeds are requests of all sorts.
func rpcSeeds() (seeds [][]byte) {
	target := dhtrpc.Hash([]byte("a target"))
	id := dhtrpc.Hash([]byte("not my id"))
	add := func(m dhtrpc.Message) {
		m.TID, m.To = uint16(len(seeds)), netip.MustParseAddrPort("127.0.0.1:1")
		seeds = append(seeds, m.Append(nil))
	}
	for _, t := range [][]byte{nil, target[:]} {
		for _, v := range [][]byte{nil, {}, []byte("value"), make([]byte, 6), make([]byte, 300)} {
			for _, command := range []uint64{dhtrpc.CommandPing, dhtrpc.CommandFindNode, dhtrpc.CommandDownHint, 5, 252, 253, 1 << 16, 1 << 40} {
				add(dhtrpc.Message{Internal: true, Command: command, Target: t, Value: v})
				add(dhtrpc.Message{Internal: true, Command: command, Target: t, Value: v, ID: id[:]})
				add(dhtrpc.Message{Internal: true, Command: command, Target: t, Value: v, Token: id[:]})
			}
			for _, command := range []uint64{0, rpcStore, rpcEcho, rpcFail, rpcSilent, rpcUnknown, 252, 253, 1 << 16, 1 << 40} {
				add(dhtrpc.Message{Command: command, Target: t, Value: v})
				add(dhtrpc.Message{Command: command, Target: t, Value: v, ID: id[:], Token: id[:]})
			}
		}
	}
	return seeds
}

// damaged returns b with a few things changed.
func damaged(rng *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + rng.IntN(3) {
		at := rng.IntN(min(len(b), 16)) // mostly what decides
		if rng.IntN(3) == 0 {
			at = rng.IntN(len(b))
		}
		switch rng.IntN(5) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.Uint32())
		case 2:
			b = b[:max(at, 2)]
		case 3:
			b = slices.Insert(b, at, byte(rng.Uint32()))
		default:
			b = append(b, byte(rng.Uint32()))
		}
	}
	return b
}

// comparable reports whether both kinds of nodes answer a datagram at once, and here.
func comparable(b []byte) bool {
	m, err := dhtrpc.Parse(b)
	switch {
	case err != nil:
		return true
	case m.Kind == dhtrpc.KindResponse:
		return false
	case m.Internal:
		return m.Command != dhtrpc.CommandPingNAT && m.Command != dhtrpc.CommandDelayedPing
	}
	return m.Command != rpcRelay
}

// TestRPCSameAnswers: whatever one sends, a node of ours answers as one of npm dht-rpc does that knows the same nodes, but for the
// order of these.
func TestRPCSameAnswers(t *testing.T) {
	l := startRPCLab(t)
	net := l.network(5, 1, 3)
	ours, theirs := net[0], net[len(net)-1]
	l.knowAll(net)
	datagrams := rpcSeeds()
	rng := rand.New(rand.NewPCG(1, 2))
	for seeds := len(datagrams); len(datagrams) < 3000; {
		if b := damaged(rng, datagrams[rng.IntN(seeds)]); comparable(b) {
			datagrams = append(datagrams, b)
		}
	}
	answered := 0
	raw := map[rpcNode]*rpcRaw{ours: l.raw(), theirs: l.raw()}
	for _, b := range datagrams {
		got := make(map[rpcNode][]rpcResponse)
		for node, r := range raw {
			r.send(node.addr(), b)
			got[node] = r.until(node, r.ask(node.addr(), dhtrpc.CommandPing, nil), ours.addr(), theirs.addr())
			for i := range got[node] {
				require.Equal(t, r.addr(), got[node][i].To)
				got[node][i].To = netip.AddrPort{}
			}
		}
		require.Equal(t, got[theirs], got[ours], "%x", b)
		answered += len(got[ours])
	}
	t.Logf("%d datagrams, %d answered by both, all alike", len(datagrams), answered)
	require.Greater(t, answered, 500)
}

// knowAll waits until all nodes of a small network know one another.
func (l *rpcLab) knowAll(nodes []rpcNode) {
	l.t.Helper()
	for _, n := range nodes {
		await(l.t, n.addr()+" knows all", func() bool {
			if len(n.nodes(l.t)) == len(nodes)-1 {
				return true
			}
			n.query(l.t, rpcQuery{target: n.id()})
			return false
		})
	}
}

// TestRPCPingNAT: a node answers to the port it is told, from the socket that it is known at.
func TestRPCPingNAT(t *testing.T) {
	l := startRPCLab(t)
	for _, node := range []rpcNode{l.first(true), l.first(false)} {
		asks, hears := l.raw(), l.raw()
		port := binary.LittleEndian.AppendUint16(nil, hears.addr().Port())
		for _, silent := range [][]byte{nil, {}, port[:1], {0, 0}} {
			asks.ask(node.addr(), dhtrpc.CommandPingNAT, silent)
		}
		tid := asks.ask(node.addr(), dhtrpc.CommandPingNAT, append(port, "more"...))
		m, from := hears.next()
		require.Equal(t, node.addr(), from)
		require.Equal(t, tid, m.TID)
		require.Equal(t, hears.addr(), m.To)
		require.Equal(t, node.id(), dhtrpc.ID(m.ID).String())
		require.Empty(t, asks.until(node, asks.ask(node.addr(), dhtrpc.CommandPing, nil)))
	}
}
