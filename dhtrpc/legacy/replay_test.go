package legacy

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/socket"
)

var epoch = time.Unix(1_000_000, 0).UTC()

// double is a stepped node with the id, the address and the secret of a real one.
type double struct {
	*Node
	sent []sentPacket
}

type sentPacket struct {
	to netip.AddrPort
	b  []byte
}

// newDouble returns the double of a captured node that knows others.
func (c *captured) newDouble(t testing.TB, addr netip.AddrPort, knows ...string) *double {
	t.Helper()
	for _, who := range c.Nodes {
		if who.Addr != addr {
			continue
		}
		cfg := Config{ID: ID(who.ID), Ephemeral: who.Ephemeral, Private: true}
		cfg.Socket.Local = []netip.AddrPort{addr}
		n, err := New(cfg)
		require.NoError(t, err)
		n.tokens.Set([IDSize]byte(who.Secret), [IDSize]byte(who.Secret), epoch.Add(tokenLifetime))
		d := &double{Node: n}
		n.sock.Advance(epoch, d.out)
		for _, name := range knows {
			other := c.Nodes[name]
			if other.Addr != addr {
				require.True(t, n.AddNode(Contact{ID: ID(other.ID), Addr: other.Addr}))
			}
		}
		d.serveCaptured()
		return d
	}
	require.FailNow(t, "no such node", "%v", addr)
	return nil
}

// serveCaptured sets the handlers that the real nodes had.
func (d *double) serveCaptured() {
	d.OnQuery("kv", func(r *Request) { r.Reply([]byte("value")) })
	d.OnUpdate("kv", func(r *Request) { r.Reply(bytes.Clone(r.Value)) })
	d.OnQuery("none", func(r *Request) { r.Reply(nil) })
	d.OnQuery("fail", func(r *Request) { r.Fail("nope", []byte{1, 2}) })
}

func (d *double) out(_ int, to netip.AddrPort, b []byte) {
	d.sent = append(d.sent, sentPacket{to, bytes.Clone(b)})
}

// receive hands a datagram in and returns what goes out at once, requests of the double's own aside.
func (d *double) receive(from netip.AddrPort, b []byte) (out []sentPacket) {
	d.sent = nil
	d.sock.Receive(socket.Datagram{Payload: b, From: from, At: epoch}, d.out)
	return d.sent
}

func TestRealNodesAnswersAreOurs(t *testing.T) {
	v := readVectors(t)
	answers := make(map[string]vector)
	for _, m := range v.Messages {
		if m.InReplyTo != "" {
			answers[m.InReplyTo] = m
		}
	}
	byName := make(map[string]vector)
	for _, m := range v.Messages {
		byName[m.Name] = m
	}
	answers["holepunch.to_referrer"], answers["holepunch.forward"] = byName["holepunch.forward"], byName["holepunch.reply"]
	require.Len(t, answers, 14)
	for name, want := range answers {
		request := byName[name]
		d := v.newDouble(t, request.To, "A", "C", "D")
		got := d.receive(request.From, request.Hex)
		require.Equal(t, []sentPacket{{want.To, want.Hex}}, got, name)
	}
}

func TestRealNetworksAnswersAreOurs(t *testing.T) {
	v := readVectors(t)
	for i, trace := range v.Traces {
		doubles := make(map[netip.AddrPort]*double)
		for _, who := range v.Nodes {
			if i == 0 { // everybody is new
				doubles[who.Addr] = v.newDouble(t, who.Addr)
			} else {
				doubles[who.Addr] = v.newDouble(t, who.Addr, "A", "C", "D")
			}
		}
		compared := 0
		for j, request := range trace.Packets {
			for _, answer := range trace.Packets[j+1:] {
				if answer.Decoded.RID != request.Decoded.RID || request.Decoded.Type == "RESPONSE" {
					continue
				}
				require.Equal(t, []sentPacket{{answer.To, answer.Hex}}, doubles[request.To].receive(request.From, request.Hex))
				compared++
			}
		}
		require.Equal(t, len(trace.Packets)/2, compared)
	}
}

func TestOddDatagrams(t *testing.T) {
	v := readVectors(t)
	require.Len(t, v.Datagrams, 15)
	for _, odd := range v.Datagrams {
		d := v.newDouble(t, odd.To, "A", "D")
		got := d.receive(odd.From, odd.Hex)
		if odd.Reply == nil {
			require.Empty(t, got, "%s: %s", odd.Name, odd.Note)
		} else {
			require.Equal(t, []sentPacket{{odd.From, odd.Reply}}, got, "%s: %s", odd.Name, odd.Note)
		}
		nodes := d.Nodes()
		require.Len(t, nodes, 2, "%s: nobody new is trusted", odd.Name)
	}
}
