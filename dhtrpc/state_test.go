package dhtrpc_test

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

// guarded is a socket behind a firewall: only who was written to gets through.
type guarded struct {
	*simnet.Conn
	mu  sync.Mutex
	met map[netip.AddrPort]bool
}

func guard(c *simnet.Conn) *guarded { return &guarded{Conn: c, met: make(map[netip.AddrPort]bool)} }

func (g *guarded) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	g.mu.Lock()
	g.met[to] = true
	g.mu.Unlock()
	return g.Conn.WriteToUDPAddrPort(b, to)
}

func (g *guarded) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := g.Conn.ReadFromUDPAddrPort(b)
		g.mu.Lock()
		met := g.met[from]
		g.mu.Unlock()
		if err != nil || met {
			return n, from, err
		}
	}
}

// two opens a server and a client socket of node i.
func (l *lab) two(i int) (server, client *simnet.Conn) {
	a := at(i)
	return l.net.Listen(a), l.net.Listen(netip.AddrPortFrom(a.Addr(), a.Port()+10000))
}

// join starts a node with two sockets, which waits until it is ready.
func (l *lab) join(cfg dhtrpc.Config, conns ...socket.Conn) *dhtrpc.Node {
	l.t.Helper()
	cfg.Private, cfg.Bootstrap = true, []string{l.nodes[0].Addr().String()}
	n, err := dhtrpc.New(cfg, conns...)
	require.NoError(l.t, err)
	l.nodes = append(l.nodes, n)
	require.NoError(l.t, n.Ready(l.t.Context()))
	return n
}

// events notes what happens to a node.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) note(what string) func() {
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.all = append(e.all, what)
	}
}

func (e *events) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.all
	e.all = nil
	return all
}

func (e *events) on() dhtrpc.Events {
	return dhtrpc.Events{
		Ready: e.note("ready"), Persistent: e.note("persistent"), Ephemeral: e.note("ephemeral"), Wakeup: e.note("wakeup"),
		Suspend: e.note("suspend"), Resume: e.note("resume"), Close: e.note("close"), NetworkUpdate: e.note("network-update"),
		NATUpdate: func(host netip.Addr, port uint16) { e.note("nat-update")() },
	}
}

// An adaptive node that can be reached finds that out at once, and shows its id after 20 minutes.
func TestAdaptiveNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(15)
		server, client := l.two(100)
		var e events
		n := l.join(dhtrpc.Config{Mode: dhtrpc.Adaptive, On: e.on()}, server, client)
		s := n.State()
		require.True(t, s.Ready && s.Ephemeral && !s.Firewalled, "%+v", s)
		require.Equal(t, at(100), s.Remote)
		synctest.Wait()
		require.Contains(t, e.take(), "ready")
		known := func() (in int) {
			for _, o := range l.nodes[:15] {
				if slices.Contains(addrsOf(o.Contacts(0)), at(100)) {
					in++
				}
			}
			return in
		}
		time.Sleep(19*time.Minute + 55*time.Second)
		require.Zero(t, known())
		require.True(t, n.State().Ephemeral)
		_, shown := n.ID()
		require.False(t, shown)
		time.Sleep(15 * time.Second)
		require.False(t, n.State().Ephemeral)
		require.Equal(t, []string{"persistent"}, e.take())
		require.Greater(t, known(), 10, "others know it now")
		id, _ := n.ID()
		require.Equal(t, dhtrpc.IDOf(at(100)), id)
	})
}

// A persistent node that does not know its address asks others before it shows an id.
func TestPersistentNodesCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(30)
		server, client := l.two(100)
		n := l.join(dhtrpc.Config{Mode: dhtrpc.Persistent}, anywhere{server}, anywhere{client})
		s := n.State()
		require.True(t, !s.Ephemeral && !s.Firewalled, "%+v", s)
		require.Equal(t, at(100), s.Remote)
		require.NotZero(t, n.Stats().Sent[dhtrpc.CommandPingNAT])
	})
}

// anywhere is a socket that does not say which address it is bound to.
type anywhere struct{ *simnet.Conn }

func (c anywhere) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv4Unspecified(), c.Conn.AddrPort().Port()))
}

// Behind a firewall a node stays ephemeral, whatever it wants, but works.
func TestFirewalledNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(10)
		for i, mode := range []dhtrpc.Mode{dhtrpc.Adaptive, dhtrpc.Persistent} {
			server, client := l.two(100 + i)
			n := l.join(dhtrpc.Config{Mode: mode}, guard2{guard(server)}, guard2{guard(client)})
			for range 2 {
				s := n.State()
				require.True(t, s.Ephemeral && s.Firewalled, "%v: %+v", mode, s)
				require.Equal(t, at(100+i).Addr(), s.Host)
				require.False(t, s.Remote.IsValid())
				q := n.FindNode(dhtrpc.Hash(nil), dhtrpc.QueryOptions{})
				drain(t, q)
				require.Len(t, q.ClosestNodes(), 10)
				time.Sleep(21 * time.Minute)
			}
			for _, o := range l.nodes[:10] {
				require.NotContains(t, addrsOf(o.Contacts(0)), at(100+i))
			}
		}
	})
}

// The first node of a network has nobody to ask for its address. It learns it from those that come.
func TestTheFirstNodeLearnsItsAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		first, err := dhtrpc.New(dhtrpc.Config{Private: true, Open: true}, anywhere{l.net.Listen(at(0))})
		require.NoError(t, err)
		l.nodes = append(l.nodes, first)
		require.NoError(t, first.Ready(t.Context()))
		require.True(t, first.State().Ephemeral)
		second := l.add(1, dhtrpc.Config{Bootstrap: []string{at(0).String()}})
		require.NoError(t, second.Ready(t.Context()))
		time.Sleep(time.Second)
		require.False(t, first.State().Ephemeral)
		require.Equal(t, at(0), first.State().Remote)
		time.Sleep(10 * time.Minute)
		require.Equal(t, []netip.AddrPort{at(0)}, addrsOf(second.Contacts(0)))
	})
}

// guard2 is a guarded socket that does not say which address it is bound to.
type guard2 struct{ *guarded }

func (c guard2) LocalAddr() net.Addr { return anywhere{c.Conn}.LocalAddr() }

func TestSuspendAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(30)
		var e events
		n := l.add(100, dhtrpc.Config{On: e.on()})
		require.NoError(t, n.Ready(t.Context()))
		ended := make(chan error, 1)
		go func() {
			_, err := n.Ping(t.Context(), at(999), dhtrpc.PingOptions{})
			ended <- err
		}()
		time.Sleep(time.Second)
		known := n.Len()
		require.NotZero(t, known)
		e.take()
		require.NoError(t, n.Suspend())
		require.NoError(t, n.Suspend())
		require.ErrorIs(t, <-ended, dhtrpc.ErrSuspended)
		_, err := n.Ping(t.Context(), at(1), dhtrpc.PingOptions{})
		require.ErrorIs(t, err, dhtrpc.ErrSuspended)
		for _, err = range n.FindNode(dhtrpc.ID{}, dhtrpc.QueryOptions{}).Replies(t.Context()) {
		}
		require.ErrorIs(t, err, dhtrpc.ErrSuspended)
		require.True(t, n.State().Suspended)
		_, err = l.nodes[1].Ping(t.Context(), at(100), dhtrpc.PingOptions{})
		require.ErrorIs(t, err, dhtrpc.ErrTimeout)

		time.Sleep(time.Minute)
		require.ErrorIs(t, n.Resume(), dhtrpc.ErrCannotResume)
		require.NoError(t, n.ResumeOn(l.net.Listen(at(100))))
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"suspend", "wakeup", "resume"}, e.take())
		_, err = l.nodes[1].Ping(t.Context(), at(100), dhtrpc.PingOptions{})
		require.NoError(t, err)
		q := n.FindNode(dhtrpc.Hash(nil), dhtrpc.QueryOptions{})
		drain(t, q)
		require.Len(t, q.ClosestNodes(), 20)
		require.NoError(t, n.Suspend())
		require.NoError(t, n.Close(), "a suspended node can be closed")
		require.Equal(t, []string{"suspend", "close"}, e.take())
	})
}

// A table is saved and loaded; the node that starts with it needs no bootstrap node.
func TestSavedNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(40)
		var saved bytes.Buffer
		require.NoError(t, dhtrpc.SaveNodes(&saved, l.nodes[9].Contacts(0)))
		saved.WriteString("\n# a word\n")
		nodes, err := dhtrpc.LoadNodes(&saved)
		require.NoError(t, err)
		require.Equal(t, addrsOf(l.nodes[9].Contacts(0)), nodes)
		n := l.add(100, dhtrpc.Config{Nodes: nodes[:10], Bootstrap: []string{}})
		require.NoError(t, n.Ready(t.Context()))
		require.GreaterOrEqual(t, n.Len(), 20)
		for _, bad := range []string{"x", "10.0.0.1", "[::1]:1", "10.0.0.1:0"} {
			_, err := dhtrpc.LoadNodes(bytes.NewBufferString(bad))
			require.ErrorIs(t, err, dhtrpc.ErrNotIPv4, bad)
		}
	})
}

// Nodes that die leave all tables, those that come are found.
func TestChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{Loss: 0.01})
		l.grow(40)
		for _, n := range l.nodes[20:] {
			n.Close()
		}
		l.nodes = l.nodes[:20]
		for i := range 20 {
			require.NoError(t, l.add(200+i, dhtrpc.Config{}).Ready(t.Context()))
		}
		time.Sleep(20 * time.Minute)
		for _, n := range l.nodes {
			for _, c := range n.Contacts(0) {
				require.True(t, slices.ContainsFunc(l.nodes, func(o *dhtrpc.Node) bool { return o.Addr() == c.Addr }), "%v is dead", c.Addr)
			}
			require.Greater(t, n.Len(), 20)
		}
		target := dhtrpc.Hash(nil)
		q := l.nodes[0].FindNode(target, dhtrpc.QueryOptions{Thorough: true})
		drain(t, q)
		want := slices.DeleteFunc(l.nearest(target, 21), func(a netip.AddrPort) bool { return a == l.nodes[0].Addr() })
		require.Equal(t, want[:20], addrsOf(q.ClosestNodes()))
		require.True(t, l.nodes[0].State().Online)
	})
}

func TestAddNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.add(0, dhtrpc.Config{})
		l.add(1, dhtrpc.Config{Bootstrap: []string{}})
		time.Sleep(time.Minute)
		require.Zero(t, l.nodes[0].Len())
		l.nodes[0].AddNode(at(1))
		l.nodes[0].AddNode(at(77)) // nobody
		time.Sleep(time.Minute)
		require.Equal(t, []netip.AddrPort{at(1)}, addrsOf(l.nodes[0].Contacts(0)))
		require.Equal(t, []netip.AddrPort{at(0)}, addrsOf(l.nodes[1].Contacts(0)))
	})
}

// Of two nodes that join at the same moment neither may hear of the other: nobody names it before it has answered a ping. They look
// again at the next tick.
func TestNodesThatJoinTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		for i := range 80 {
			l.add(i, dhtrpc.Config{})
			time.Sleep(time.Millisecond)
		}
		strangers := func() (count int) {
			for _, n := range l.nodes {
				for _, a := range l.nearest(dhtrpc.IDOf(n.Addr()), 4)[1:] {
					o := l.nodes[slices.IndexFunc(l.nodes, func(o *dhtrpc.Node) bool { return o.Addr() == a })]
					if !slices.Contains(addrsOf(o.Contacts(0)), n.Addr()) {
						count++
					}
				}
			}
			return count
		}
		time.Sleep(7 * time.Second)
		require.Zero(t, strangers())
	})
}
