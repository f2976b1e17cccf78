package legacy

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
)

// hexBytes is a byte string written as hex in the vector file.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// captured is testdata/dht-rpc-4.9.6.json.
type captured struct {
	Nodes map[string]struct {
		Addr       netip.AddrPort
		ID, Secret hexBytes
		Ephemeral  bool
	}
	Messages  []vector
	Traces    []struct{ Packets []vector }
	Datagrams []struct {
		Name, Note string
		From, To   netip.AddrPort
		Hex, Reply hexBytes
	}
	Closest struct {
		Own   hexBytes
		Added []hexBytes
		Lists []struct {
			Target hexBytes
			IDs    []hexBytes
		}
	}
}

// vector is one datagram between real nodes.
type vector struct {
	Name, Note string
	InReplyTo  string `json:"in_reply_to"`
	From, To   netip.AddrPort
	Hex        hexBytes
	Decoded    decoded
}

// decoded is what npm dht-rpc read from it; fields that are not there are nil or zero.
type decoded struct {
	Type           string
	RID            uint64
	Version        uint64
	To             netip.AddrPort
	ID             hexBytes
	Target         hexBytes
	CloserNodes    []decodedNode
	RoundtripToken hexBytes
	Command        *string
	Error          *string
	Value          hexBytes
	Holepunch      *struct{ From, To netip.AddrPort }
}

type decodedNode struct {
	ID   hexBytes
	Addr netip.AddrPort
}

func readVectors(t testing.TB) (v captured) {
	t.Helper()
	b, err := os.ReadFile("testdata/dht-rpc-4.9.6.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &v))
	return v
}

// packets returns every datagram that a real node sent.
func (c *captured) packets() (all []vector) {
	all = append(all, c.Messages...)
	for _, t := range c.Traces {
		all = append(all, t.Packets...)
	}
	return all
}

func TestVectorsAreReadAndWritten(t *testing.T) {
	v := readVectors(t)
	all := v.packets()
	require.Len(t, all, 58)
	for _, p := range all {
		m, err := Parse(p.Hex)
		require.NoError(t, err, p.Name)
		require.Equal(t, p.Decoded.comparable(), m.comparable(), p.Name)
		to, ok := m.Recipient()
		require.True(t, ok)
		require.Equal(t, p.To, to)
		require.Equal(t, []byte(p.Hex), m.Append(nil), "%s: written again", p.Name)
		c := m.Clone()
		require.Equal(t, []byte(p.Hex), c.Append(nil), "%s: a clone, written again", p.Name)
		if p.Decoded.Holepunch != nil {
			requirePunch(t, &p, &m)
		}
	}
}

// comparable is a message without the difference between an absent and an empty list of nodes, which npm dht-rpc does not make.
type comparable struct {
	kind             string
	rid, version     uint64
	to               netip.AddrPort
	nodes            []routing.Node
	id, target, tok  string
	command, err     string
	value            string
	hasError, hasVal bool
}

func (d *decoded) comparable() comparable {
	c := comparable{
		kind: d.Type, rid: d.RID, version: d.Version, to: d.To, id: string(d.ID), target: string(d.Target),
		tok: string(d.RoundtripToken), hasError: d.Error != nil, value: string(d.Value), hasVal: d.Value != nil,
	}
	for _, n := range d.CloserNodes {
		c.nodes = append(c.nodes, routing.Node{Key: routing.KeyOf(n.ID), Addr: n.Addr})
	}
	if d.Command != nil {
		c.command = *d.Command
	}
	if d.Error != nil {
		c.err = *d.Error
	}
	return c
}

func (m *Message) comparable() comparable {
	names := map[Type]string{TypeQuery: "QUERY", TypeUpdate: "UPDATE", TypeResponse: "RESPONSE"}
	c := comparable{
		kind: names[m.Type], rid: m.RID, version: m.Version, id: string(m.ID), target: string(m.Target), tok: string(m.Token),
		command: string(m.Command), err: string(m.Error), hasError: m.Error != nil, value: string(m.Value), hasVal: m.Value != nil,
	}
	c.to, _ = m.Recipient()
	for n := range m.CloserNodes {
		c.nodes = append(c.nodes, n)
	}
	return c
}

func requirePunch(t *testing.T, v *vector, m *Message) {
	t.Helper()
	p, ok := parsePunch(m.Value)
	require.True(t, ok, v.Name)
	want := v.Decoded.Holepunch
	require.Equal(t, want.From, p.from)
	require.Equal(t, want.To, p.to)
	require.Equal(t, want.From.IsValid(), p.hasFrom)
	require.Equal(t, want.To.IsValid(), p.hasTo)
	if p.hasFrom {
		require.Equal(t, m.Value, appendPunch(nil, fieldPunchFrom, p.from))
	} else {
		require.Equal(t, m.Value, appendPunch(nil, fieldPunchTo, p.to))
	}
}
