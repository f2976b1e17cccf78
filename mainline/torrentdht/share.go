package torrentdht

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/dhtkit/dhtkit/socket"
)

// Conns returns the uTP sockets among the listeners of a client, ready for mainline.New: the node then has the client's port,
// and reads what is not uTP. The client must not have a DHT of its own (ClientConfig.NoDHT), which would read it first.
//
//	node, err := mainline.New(cfg, torrentdht.Conns(client.Listeners())...)
func Conns[L any](listeners []L) (conns []socket.Conn) {
	for _, l := range listeners {
		if pc, ok := any(l).(net.PacketConn); ok {
			conns = append(conns, Share(pc))
		}
	}
	return conns
}

// Share makes a socket.Conn of a connection that stays with its owner. Closing it ends reading and writing through it, and
// leaves pc open. One Conn at a time may read from pc, which needs read deadlines: one that has none is closed.
//
// socket.Wrap, in contrast, closes what it wraps. That would take the uTP socket away from the client, and wait for ever for
// a read to end: a closed uTP socket (anacrolix/utp v0.1.0) does not end it. For the same reason a node on a shared
// connection does not notice that the client was closed. Close the node, too.
func Share(pc net.PacketConn) socket.Conn {
	_ = pc.SetReadDeadline(time.Time{}) // an earlier Share has left one; without deadlines there is none to lift
	return &shared{conn: socket.Wrap(pc), pc: pc}
}

type shared struct {
	conn   socket.Conn
	pc     net.PacketConn
	closed atomic.Bool
}

func (c *shared) LocalAddr() net.Addr { return c.pc.LocalAddr() }

func (c *shared) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if c.closed.Load() {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	n, from, err := c.conn.ReadFromUDPAddrPort(b)
	if err != nil && c.closed.Load() {
		err = fmt.Errorf("torrentdht: read: %w", net.ErrClosed)
	}
	return n, from, err
}

func (c *shared) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	return c.conn.WriteToUDPAddrPort(b, to)
}

// Close ends a read in progress by a deadline in the past.
func (c *shared) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	if err := c.pc.SetReadDeadline(time.Unix(1, 0)); err != nil && !errors.Is(err, net.ErrClosed) {
		return c.pc.Close()
	}
	return nil
}
