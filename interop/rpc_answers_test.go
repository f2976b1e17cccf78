package interop

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

var rpcTarget = dhtrpc.Hash([]byte("a target")).String()

// rpcPair makes two nodes that know each other: a network of two, and an ephemeral one that asks the first. The answers of the
// first name the second.
func (l *rpcLab) pair(server, client bool) (asked, other, asks rpcNode) {
	l.t.Helper()
	asked = l.first(server)
	s := rpcSetting{bootstrap: []string{asked.addr()}, open: true}
	other = l.node(server, s)
	l.settled([]rpcNode{asked, other})
	s.ephemeral = true
	return asked, other, l.node(client, s)
}

// first makes the first node of a network, persistent.
func (l *rpcLab) first(ours bool) rpcNode {
	l.t.Helper()
	if ours {
		return l.node(true, rpcSetting{})
	}
	return l.bootstrapper(l.free(1, func(dhtrpc.ID) bool { return true })[0])
}

func TestRPCTokens(t *testing.T) {
	eachRPCCast(t, 2, func(t *testing.T, l *rpcLab, cast []bool) {
		server, other, client := l.pair(cast[0], cast[1])
		r := rpcRequest{command: rpcStore, target: rpcTarget, value: hexOf("value"), token: new(hex.EncodeToString(make([]byte, 32)))}
		refused := client.request(t, server.addr(), r)
		require.Empty(t, refused.Failed)
		require.EqualValues(t, dhtrpc.CodeInvalidToken, refused.Code)
		require.NotNil(t, refused.Token, "a fresh one")
		require.Nil(t, refused.Value)
		require.Equal(t, []string{other.addr()}, refused.Closer)
		require.False(t, server.stored(t, rpcTarget))

		r.token = refused.Token
		good := client.request(t, server.addr(), r)
		require.Zero(t, good.Code)
		require.Equal(t, server.id(), good.ID)
		require.Equal(t, refused.Token, good.Token)
		require.True(t, server.stored(t, rpcTarget))

		elsewhere := client.request(t, other.addr(), r)
		require.EqualValues(t, dhtrpc.CodeInvalidToken, elsewhere.Code, "a token is good for who gave it only")
	})
}

func TestRPCErrors(t *testing.T) {
	eachRPCCast(t, 2, func(t *testing.T, l *rpcLab, cast []bool) {
		server, other, client := l.pair(cast[0], cast[1])
		want := rpcAnswer{From: server.addr(), ID: server.id(), Closer: []string{}}
		for _, target := range []string{"", rpcTarget} {
			if target != "" {
				want.Closer = []string{other.addr()}
			}
			for command, code := range map[int]uint64{rpcUnknown: dhtrpc.CodeUnknownCommand, 1 << 20: dhtrpc.CodeUnknownCommand, rpcFail: rpcFailCode} {
				got := client.request(t, server.addr(), rpcRequest{command: command, target: target, value: hexOf("value")})
				want.Code, want.To, want.RTT = code, got.To, got.RTT
				require.Equal(t, want, got, "command %d", command)
			}
		}
		silent := client.request(t, server.addr(), rpcRequest{command: rpcSilent, once: true})
		require.Equal(t, rpcAnswer{Failed: rpcTimeout}, silent)
	})
}

// TestRPCRelays: a asks b, b hands the request on to c, and c answers a. The answer comes from a node that a never asked.
func TestRPCRelays(t *testing.T) {
	eachRPCCast(t, 3, func(t *testing.T, l *rpcLab, cast []bool) {
		c := l.first(cast[2])
		s := rpcSetting{bootstrap: []string{c.addr()}, open: true}
		b := l.node(cast[1], s)
		b.relayTo(t, c.addr())
		s.ephemeral = true
		a := l.node(cast[0], s)
		got := a.request(t, b.addr(), rpcRequest{command: rpcRelay, target: rpcTarget, value: hexOf("hello")})
		require.Equal(t, rpcAnswer{
			From: c.addr(), ID: c.id(), To: got.To, Value: hexOf("relayed"), Closer: []string{}, RTT: got.RTT,
		}, got)
	})
}

func TestRPCPings(t *testing.T) {
	eachRPCCast(t, 2, func(t *testing.T, l *rpcLab, cast []bool) {
		server, _, client := l.pair(cast[0], cast[1])
		at := client.ping(t, server.addr(), 0, false)
		require.Equal(t, rpcAnswer{From: server.addr(), ID: server.id(), To: at.To, Closer: []string{}, RTT: at.RTT}, at)

		const delay = 300 * time.Millisecond
		late := client.ping(t, server.addr(), delay, false)
		require.GreaterOrEqual(t, late.RTT, int(delay.Milliseconds())-1)
		late.RTT = at.RTT
		require.Equal(t, at, late)
	})
}

// TestRPCDelayTooLong: a delayed ping of more than the receiver's limit is not answered, one of more than the own is not sent.
func TestRPCDelayTooLong(t *testing.T) {
	eachRPCCast(t, 2, func(t *testing.T, l *rpcLab, cast []bool) {
		server := l.node(cast[0], rpcSetting{maxDelay: 50 * time.Millisecond})
		client := l.node(cast[1], rpcSetting{maxDelay: 100 * time.Millisecond})
		require.Empty(t, client.ping(t, server.addr(), 50*time.Millisecond, false).Failed)
		require.Equal(t, rpcTimeout, client.ping(t, server.addr(), 60*time.Millisecond, true).Failed)
		require.NotEqual(t, rpcTimeout, client.ping(t, server.addr(), 101*time.Millisecond, false).Failed)
	})
}
