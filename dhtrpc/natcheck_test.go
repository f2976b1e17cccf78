package dhtrpc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of five nodes that were asked three must get through to the server socket, and all who do must see it as it is. Answers to the
// client socket show nothing.
func TestFirewallCheck(t *testing.T) {
	public := netip.MustParseAddrPort("10.9.9.9:43111")
	for _, c := range []struct {
		name        string
		nodes, good int
		seen        netip.AddrPort
		open        bool
		astray      bool // the others answer to the client socket; else they are silent
	}{
		{"all", 5, 5, public, true, false},
		{"three of five", 5, 3, public, true, false},
		{"two of five", 5, 2, public, false, false},
		{"nobody", 5, 0, public, false, false},
		{"one of four", 4, 1, public, true, false},
		{"one of one", 1, 1, public, true, false},
		{"three of seven, of whom five are asked", 7, 3, public, true, false},
		{"two of seven, of whom five are asked", 7, 2, public, false, false},
		{"nobody to ask", 0, 0, public, false, false},
		{"all, but to the client socket", 5, 0, public, false, true},
		{"another port", 5, 5, netip.AddrPortFrom(public.Addr(), 7), false, false},
		{"another host", 5, 5, netip.AddrPortFrom(peer(77).Addr(), public.Port()), false, false},
	} {
		s := step(t, Config{Mode: Adaptive}, "0.0.0.0:43111", "0.0.0.0:43112")
		for i := range c.nodes {
			s.table.Answered(nodeAt(peer(i)), time.Millisecond, s.now)
		}
		s.net.sampler.add(netip.AddrPortFrom(public.Addr(), 43112)) // as the client socket is seen
		s.take()
		changed, called := false, 0
		s.updateNetwork(false, func(is bool) { changed, called = is, called+1 })
		s.pass(0)
		probes := s.take()
		require.Len(t, probes, min(c.nodes, natAsked), c.name)
		for i, o := range probes {
			m, err := Parse(o.b)
			require.NoError(t, err)
			require.Equal(t, 1, o.conn, "from the client socket")
			require.EqualValues(t, CommandPingNAT, m.Command)
			require.Equal(t, []byte{0x67, 0xa8}, m.Value)
			id := IDOf(o.to)
			r := Message{Kind: KindResponse, TID: m.TID, To: c.seen, ID: id[:]}
			switch {
			case i < c.good:
				s.receive(serverConn, o.to, r.Append(nil))
			case c.astray:
				s.receive(o.conn, o.to, r.Append(nil))
			}
		}
		s.pass(5 * time.Second)
		require.Equal(t, 1, called, c.name)
		require.Equal(t, c.open, changed, c.name)
		require.Equal(t, !c.open, s.State().Firewalled, c.name)
		require.Equal(t, !c.open, s.State().Ephemeral, c.name)
		if c.open {
			id, _ := s.ID()
			require.Equal(t, IDOf(public), id, c.name)
			require.Equal(t, public, s.State().Remote)
		}
	}
}
