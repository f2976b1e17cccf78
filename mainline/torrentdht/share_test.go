package torrentdht

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// utpLike is a net.PacketConn that is like the uTP socket of anacrolix/utp v0.1.0: it hands out what its reader leaves
// over, ends a read at a deadline, and not when it is closed.
type utpLike struct {
	conn     *simnet.Conn
	leftOver chan udpPacket
	deadline chan time.Time // the one that was set last
	closed   chan struct{}
}

type udpPacket struct {
	b    []byte
	from netip.AddrPort
}

type timeout struct{ error }

func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func listenUTP(conn *simnet.Conn) *utpLike {
	u := &utpLike{conn: conn, leftOver: make(chan udpPacket, 100), deadline: make(chan time.Time, 1), closed: make(chan struct{})}
	u.deadline <- time.Time{}
	go u.read()
	return u
}

func (u *utpLike) read() {
	for {
		b := make([]byte, 2048)
		n, from, err := u.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if b[0] == 'd' { // uTP never begins so
			u.leftOver <- udpPacket{b[:n], from}
		}
	}
}

func (u *utpLike) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		at := <-u.deadline
		u.deadline <- at
		if !at.IsZero() && !time.Now().Before(at) {
			return 0, nil, timeout{net.ErrClosed}
		}
		select {
		case p := <-u.leftOver:
			return copy(b, p.b), net.UDPAddrFromAddrPort(p.from), nil
		case <-time.After(time.Second): // look at the deadline again
		}
	}
}

func (u *utpLike) WriteTo(b []byte, to net.Addr) (int, error) {
	return u.conn.WriteToUDPAddrPort(b, to.(*net.UDPAddr).AddrPort())
}
func (u *utpLike) SetReadDeadline(t time.Time) error { <-u.deadline; u.deadline <- t; return nil }
func (u *utpLike) SetWriteDeadline(time.Time) error  { return nil }
func (u *utpLike) SetDeadline(t time.Time) error     { return u.SetReadDeadline(t) }
func (u *utpLike) LocalAddr() net.Addr               { return u.conn.LocalAddr() }
func (u *utpLike) Close() error                      { close(u.closed); return u.conn.Close() }

// A node on a shared port works, can be closed and leaves the port open, for another one as well.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		client := listenUTP(l.net.Listen(addr(50)))
		defer client.Close()
		listeners := []any{new(net.TCPListener), client}
		for range 2 {
			conns := Conns(listeners)
			require.Len(t, conns, 1)
			node, err := mainline.New(mainline.Config{Bootstrap: []string{addr(0).String()}}, conns...)
			require.NoError(t, err)
			require.NoError(t, node.Ready(t.Context()))
			require.Equal(t, addr(50), node.Addr())
			require.Equal(t, 3, node.Len())
			pong, err := l.nodes[0].Ping(t.Context(), addr(50))
			require.NoError(t, err)
			require.Equal(t, node.ID(), pong.ID)

			require.NoError(t, node.Close())
			_, err = conns[0].WriteToUDPAddrPort([]byte("x"), addr(0))
			require.ErrorIs(t, err, net.ErrClosed)
			_, _, err = conns[0].ReadFromUDPAddrPort(nil)
			require.ErrorIs(t, err, net.ErrClosed)
			require.NoError(t, conns[0].Close(), "twice")
			select {
			case <-client.closed:
				t.Fatal("the client's socket was closed")
			default:
			}
		}
	})
}

// A client that is closed first leaves a node that hears nothing, and still can be closed.
func TestShareOutlivesItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		client := listenUTP(l.net.Listen(addr(50)))
		node, err := mainline.New(mainline.Config{}, Share(client))
		require.NoError(t, err)
		require.NoError(t, client.Close())
		_, err = node.Ping(t.Context(), addr(0))
		require.Error(t, err)
		require.Empty(t, node.Nodes())
		require.NoError(t, node.Close())
	})
}

// noDeadlines is a connection that cannot end a read but by being closed.
type noDeadlines struct{ net.PacketConn }

func (noDeadlines) SetReadDeadline(time.Time) error {
	return &net.OpError{Op: "set", Err: net.UnknownNetworkError("no deadlines")}
}

func TestShareOnLoopback(t *testing.T) {
	for name, wrap := range map[string]func(net.PacketConn) net.PacketConn{
		"UDP":          func(pc net.PacketConn) net.PacketConn { return pc },
		"no deadlines": func(pc net.PacketConn) net.PacketConn { return noDeadlines{pc} },
	} {
		t.Run(name, func(t *testing.T) {
			pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
			require.NoError(t, err)
			defer pc.Close()
			node, err := mainline.New(mainline.Config{Private: true}, Share(wrap(pc)))
			require.NoError(t, err)
			other, err := mainline.Listen("127.0.0.1:0", mainline.Config{Private: true})
			require.NoError(t, err)
			defer other.Close()
			pong, err := other.Ping(t.Context(), node.Addr())
			require.NoError(t, err)
			require.Equal(t, node.ID(), pong.ID)
			require.NoError(t, node.Close())
		})
	}
}

// Only an announcement that was accepted is one.
func TestAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0)
		var heard []netip.AddrPort
		l.add(mainline.Config{OnQuery: func(q *krpc.Query) {
			if infoHash, peer, ok := Announced(q); ok {
				require.Equal(t, hash, infoHash)
				heard = append(heard, peer)
			}
		}})
		other := l.add(mainline.Config{Bootstrap: []string{addr(0).String()}})
		for range other.Announce(hash, 7000).Stored(t.Context()) {
		}
		for range other.Announce(hash, 7000, mainline.ImpliedPort()).Stored(t.Context()) {
		}
		_, err := other.RPC().Query(t.Context(), addr(0), krpc.AnnouncePeerArgs{InfoHash: hash, Port: 5, Token: []byte("made up")})
		require.Error(t, err)
		require.Equal(t, []netip.AddrPort{at(1, 7000), addr(1)}, heard)
	})
}
