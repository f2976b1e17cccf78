package torrentdht

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// utpLike is a net.PacketConn like the uTP sockets of the client: it hands out what its reader leaves over.
type utpLike struct {
	conn     *simnet.Conn
	leftOver chan udpPacket
	closed   atomic.Bool
	reading  atomic.Int32 // calls of ReadFrom in progress
}

type udpPacket struct {
	b    []byte
	from netip.AddrPort
}

func listenUTP(conn *simnet.Conn) *utpLike {
	u := &utpLike{conn: conn, leftOver: make(chan udpPacket, 100)}
	go func() {
		for {
			b := make([]byte, 2048)
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if b[0] == 'd' { // uTP never begins so
				u.leftOver <- udpPacket{b[:n], from}
			}
		}
	}()
	return u
}

func (p udpPacket) copy(b []byte) (int, net.Addr, error) {
	return copy(b, p.b), net.UDPAddrFromAddrPort(p.from), nil
}

func (u *utpLike) WriteTo(b []byte, to net.Addr) (int, error) {
	return u.conn.WriteToUDPAddrPort(b, to.(*net.UDPAddr).AddrPort())
}
func (u *utpLike) LocalAddr() net.Addr { return u.conn.LocalAddr() }

// goUTP is like anacrolix/utp v0.1.0: a deadline ends a read, closing does not.
type goUTP struct {
	*utpLike
	deadline chan time.Time // the one that was set last
}

func (u goUTP) ReadFrom(b []byte) (int, net.Addr, error) {
	u.reading.Add(1)
	defer u.reading.Add(-1)
	for {
		at := <-u.deadline
		u.deadline <- at
		if !at.IsZero() && !time.Now().Before(at) {
			return 0, nil, os.ErrDeadlineExceeded
		}
		select {
		case p := <-u.leftOver:
			return p.copy(b)
		case <-time.After(100 * time.Millisecond): // look at the deadline again
		}
	}
}

func (u goUTP) SetReadDeadline(t time.Time) error { <-u.deadline; u.deadline <- t; return nil }
func (u goUTP) SetWriteDeadline(time.Time) error  { return nil }
func (u goUTP) SetDeadline(t time.Time) error     { return u.SetReadDeadline(t) }
func (u goUTP) Close() error {
	if !u.closed.Swap(true) {
		return u.conn.Close()
	}
	return nil
}

// libUTP is like go-libutp v1.3.2: closing ends a read, with an error that nobody knows, and there are no deadlines.
type libUTP struct{ *utpLike }

func (u libUTP) ReadFrom(b []byte) (int, net.Addr, error) {
	p, ok := <-u.leftOver
	if !ok {
		return 0, nil, errors.New("closed")
	}
	return p.copy(b)
}

func (libUTP) SetReadDeadline(time.Time) error  { panic("not implemented") }
func (libUTP) SetWriteDeadline(time.Time) error { panic("not implemented") }
func (libUTP) SetDeadline(time.Time) error      { panic("not implemented") }

func (u libUTP) Close() error {
	if !u.closed.Swap(true) {
		u.conn.Close()
		close(u.leftOver)
	}
	return nil
}

// forEachUTP runs a test with a client's socket of either kind at addr(50), in a network of one node.
func forEachUTP(t *testing.T, test func(t *testing.T, l *lab, pc net.PacketConn, u *utpLike)) {
	for name, kind := range map[string]func(*utpLike) net.PacketConn{
		"pure Go": func(u *utpLike) net.PacketConn {
			pc := goUTP{u, make(chan time.Time, 1)}
			pc.deadline <- time.Time{}
			return pc
		},
		"libutp": func(u *utpLike) net.PacketConn { return libUTP{u} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 1)
				u := listenUTP(l.net.Listen(addr(50)))
				pc := kind(u)
				test(t, l, pc, u)
				require.NoError(t, pc.Close())
				time.Sleep(time.Minute) // no goroutine is left then
			})
		})
	}
}

// A node on a shared port works, can be closed, and leaves the port open, for another one as well.
func TestShare(t *testing.T) {
	forEachUTP(t, func(t *testing.T, l *lab, pc net.PacketConn, u *utpLike) {
		listeners := []any{new(net.TCPListener), pc}
		for range 3 {
			conns := Conns(listeners)
			require.Len(t, conns, 1)
			node, err := mainline.New(mainline.Config{Bootstrap: []string{addr(0).String()}}, conns...)
			require.NoError(t, err)
			require.NoError(t, node.Ready(t.Context()))
			require.Equal(t, addr(50), node.Addr())
			_, err = node.Ping(t.Context(), addr(0)) // what a Share before this one may have lost is sent again
			require.NoError(t, err)
			pong, err := l.nodes[0].Ping(t.Context(), addr(50))
			require.NoError(t, err)
			require.Equal(t, node.ID(), pong.ID)

			require.NoError(t, node.Close())
			require.Zero(t, u.reading.Load(), "no reader is left over, where it can be ended")
			_, err = conns[0].WriteToUDPAddrPort([]byte("x"), addr(0))
			require.ErrorIs(t, err, net.ErrClosed)
			_, _, err = conns[0].ReadFromUDPAddrPort(nil)
			require.ErrorIs(t, err, net.ErrClosed)
			require.NoError(t, conns[0].Close(), "twice")
			require.False(t, u.closed.Load(), "the client's")
		}
	})
}

// A client that is closed first leaves a node that hears nothing, and still can be closed.
func TestShareOutlivesItsOwner(t *testing.T) {
	forEachUTP(t, func(t *testing.T, l *lab, pc net.PacketConn, _ *utpLike) {
		node, err := mainline.New(mainline.Config{}, Share(pc))
		require.NoError(t, err)
		require.NoError(t, pc.Close())
		_, err = node.Ping(t.Context(), addr(0))
		require.Error(t, err)
		require.NoError(t, node.Close())
	})
}

func TestShareOnLoopback(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer pc.Close()
	other, err := mainline.Listen("127.0.0.1:0", mainline.Config{Private: true})
	require.NoError(t, err)
	defer other.Close()
	for range 3 {
		node, err := mainline.New(mainline.Config{Private: true}, Share(pc))
		require.NoError(t, err)
		pong, err := other.Ping(t.Context(), node.Addr())
		require.NoError(t, err)
		require.Equal(t, node.ID(), pong.ID)
		require.NoError(t, node.Close())
	}
}

// Every datagram arrives whole, and none twice.
func TestShareKeepsDatagramsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Latency: func(_, _ netip.AddrPort) time.Duration { return time.Millisecond }})
		defer net.Close()
		from, to := net.Listen(addr(1)), net.Listen(addr(2))
		u := listenUTP(to)
		c := Share(libUTP{u})
		const n = 50
		for i := range n {
			_, err := from.WriteToUDPAddrPort([]byte("d"+strings.Repeat(string(rune('a'+i%26)), 1+i)), addr(2))
			require.NoError(t, err)
			time.Sleep(time.Millisecond)
		}
		b := make([]byte, 100)
		for i := range n {
			size, source, err := c.ReadFromUDPAddrPort(b)
			require.NoError(t, err)
			require.Equal(t, addr(1), source)
			require.Equal(t, "d"+strings.Repeat(string(rune('a'+i%26)), 1+i), string(b[:size]))
		}
		require.NoError(t, c.Close())
		require.NoError(t, libUTP{u}.Close())
	})
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
		fields := map[string]any{"info_hash": hash[:], "target": hash[:], "port": 5, "token": "made up"}
		_, err = other.RPC().Query(t.Context(), addr(0), krpc.RawArgs{Name: "vote", Fields: fields})
		require.NoError(t, err, "of no known method, and answered")
		require.Equal(t, []netip.AddrPort{at(1, 7000), addr(1)}, heard)
	})
}
