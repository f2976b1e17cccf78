package interop

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc/legacy"
)

// Odd datagrams, made from captured ones, have the same effect on npm's nodes and ours. Ours are only ever stricter: what we do
// not answer and they do is broken at the level of protocol buffers.
func TestV4OddDatagrams(t *testing.T) {
	t.Parallel()
	l := startV4Lab(t)
	theirs, ours := l.node(false, v4config{}), l.node(true, v4config{})
	for _, n := range []v4{theirs, ours} {
		n.serve(t, "kv", "value", "echo")
		n.serve(t, "fail", "fail", "")
		n.ready(t)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	probe := func(n v4, b []byte) answered {
		return askOddly(t, conn, netip.MustParseAddrPort(n.contact().Addr), b)
	}

	captured := v4Requests(t)
	require.Greater(t, len(captured), 20)
	r := rand.New(rand.NewPCG(1, 2))
	both, stricter := 0, 0
	for i := range 1500 {
		b := mutant(r, captured[i%len(captured)])
		a, c := probe(theirs, b), probe(ours, b)
		if a.any && !c.any {
			_, err := legacy.Parse(b)
			require.ErrorIs(t, err, legacy.ErrMalformed, "%x", b)
			stricter++
			continue
		}
		require.Equal(t, a, c, "%x", b)
		if a.any {
			both++
		}
	}
	t.Logf("of 1500 both answered %d alike, and ours refused %d", both, stricter)
	require.Greater(t, both, 200)
	require.Less(t, stricter, 300)
}

// answered is what became of a datagram, as far as it does not depend on who answers.
type answered struct {
	any               bool
	rid               uint64
	token, nodes, err bool
	text, value       string
}

const sentinel = 1<<40 + 7

// askOddly sends a datagram and then a ping, and returns what was answered to the former.
func askOddly(t *testing.T, conn *net.UDPConn, to netip.AddrPort, b []byte) (a answered) {
	t.Helper()
	ping := legacy.Message{Version: 1, Type: legacy.TypeQuery, RID: sentinel, Command: []byte(legacy.CommandPing)}
	for _, out := range [][]byte{b, ping.Append(nil)} {
		_, err := conn.WriteToUDPAddrPort(out, to)
		require.NoError(t, err)
	}
	buf := make([]byte, 2048)
	for {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience/6)))
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		require.NoError(t, err, "%x", b)
		m, err := legacy.Parse(buf[:n])
		require.NoError(t, err)
		switch {
		case from != to || m.Type != legacy.TypeResponse: // it asks back
		case m.RID == sentinel:
			return a
		default:
			a = answered{true, m.RID, m.Token != nil, m.Nodes != nil, m.Error != nil, string(m.Error), string(m.Value)}
		}
	}
}

// v4Requests returns the captured requests and odd datagrams.
func v4Requests(t *testing.T) (all [][]byte) {
	t.Helper()
	text, err := os.ReadFile("../dhtrpc/legacy/testdata/dht-rpc-4.9.6.json")
	require.NoError(t, err)
	var v struct{ Messages, Datagrams []struct{ Hex string } }
	require.NoError(t, json.Unmarshal(text, &v))
	for _, d := range slices.Concat(v.Messages, v.Datagrams) {
		b, err := hex.DecodeString(d.Hex)
		require.NoError(t, err)
		if m, err := legacy.Parse(b); err != nil || m.Type != legacy.TypeResponse && string(m.Command) != legacy.CommandHolepunch {
			all = append(all, b)
		}
	}
	return all
}

// mutant changes a few bytes, cuts some off, or repeats some.
func mutant(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range r.IntN(3) {
		switch at := r.IntN(len(b)); r.IntN(4) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b = slices.Insert(b, at, b[at:min(at+1+r.IntN(8), len(b))]...)
		case 3:
			b = b[:max(at, 1)]
		}
	}
	return b
}
