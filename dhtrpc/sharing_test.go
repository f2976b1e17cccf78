package dhtrpc_test

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

// unread writes to a connection that somebody else reads.
type unread struct {
	socket.Conn
	closed chan struct{}
}

func (c unread) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	<-c.closed
	return 0, netip.AddrPort{}, net.ErrClosed
}

func (c unread) Close() error {
	close(c.closed)
	return nil
}

// Two networks share a port: what one node cannot read is the other's.
func TestSharedPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		shared := l.net.Listen(at(0))
		red, err := dhtrpc.New(dhtrpc.Config{Private: true, Network: "red"}, unread{shared, make(chan struct{})})
		require.NoError(t, err)
		defer red.Close()
		probes := 0
		plain, err := dhtrpc.New(dhtrpc.Config{Private: true, Foreign: func(d socket.Datagram) {
			if len(d.Payload) == 1 { // an application's own
				probes++
				return
			}
			require.NoError(t, red.Receive(d))
		}}, shared)
		require.NoError(t, err)
		l.nodes = append(l.nodes, plain)

		for i, name := range []string{"", "red"} {
			n := l.add(1+i, dhtrpc.Config{Network: name})
			require.NoError(t, n.Ready(t.Context()))
			require.Equal(t, []netip.AddrPort{at(0)}, addrsOf(n.Contacts(0)), "%q", name)
			require.NoError(t, n.Socket().SendRaw(0, at(0), []byte{0}))
		}
		time.Sleep(time.Minute)
		require.Equal(t, []netip.AddrPort{at(1)}, addrsOf(plain.Contacts(0)))
		require.Equal(t, []netip.AddrPort{at(2)}, addrsOf(red.Contacts(0)))
		r, err := red.Ping(t.Context(), at(2), dhtrpc.PingOptions{})
		require.NoError(t, err)
		require.Equal(t, at(2), r.From.Addr)
		require.Equal(t, 2, probes)
		require.Zero(t, plain.Stats().Socket.Malformed)
		require.ErrorIs(t, red.Receive(socket.Datagram{Conn: 1}), socket.ErrNoConn)
	})
}

// Datagrams may be received while another one is answered, in its handler even.
func TestReceiveWhileAnswering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(2)
		n, asker := l.nodes[0], l.nodes[1]
		inner := dhtrpc.Message{Command: 2, To: n.Addr(), Value: []byte("inner")}
		answered := ""
		n.Handle(2, func(q *dhtrpc.Request) { answered = string(q.Value); q.Reply(nil) })
		n.Handle(1, func(q *dhtrpc.Request) {
			require.NoError(t, n.Receive(socket.Datagram{Payload: inner.Append(nil), From: at(7)}))
			q.Reply(q.Value)
		})
		r, err := asker.Request(t.Context(), n.Addr(), dhtrpc.Call{Command: 1, Value: []byte("outer")})
		require.NoError(t, err)
		require.Equal(t, "outer", string(r.Value))
		require.Equal(t, "inner", answered)
	})
}

// AddNode and RemoveNode tell what is in the table.
func TestTableEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		members := make(map[dhtrpc.Contact]bool)
		removed := 0
		l.add(0, dhtrpc.Config{On: dhtrpc.Events{
			AddNode:    func(c dhtrpc.Contact) { require.False(t, members[c]); members[c] = true },
			RemoveNode: func(c dhtrpc.Contact) { require.True(t, members[c]); delete(members, c); removed++ },
		}})
		for i := 1; i < 60; i++ {
			require.NoError(t, l.add(i, dhtrpc.Config{}).Ready(t.Context()))
		}
		same := func() {
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			known := l.nodes[0].Contacts(0)
			require.Greater(t, len(known), 20)
			require.Len(t, members, len(known))
			for _, c := range known {
				require.True(t, members[c])
			}
		}
		same()
		require.NotZero(t, l.nodes[0].Stats().Requests.RTT)
		for _, n := range l.nodes[40:] {
			require.NoError(t, n.Close())
		}
		same()
		require.GreaterOrEqual(t, removed, 10)
	})
}
