package torrentdht

import (
	"net"
	"net/netip"
	"sync"
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

// Share makes a socket.Conn of a connection that stays with its owner: closing it ends reading and writing through it, and
// leaves pc open. One Conn at a time may read from pc.
//
// socket.Wrap, in contrast, closes what it wraps, and waits for the read that is in progress to end. It would take the uTP
// socket away from the client, and might wait for ever: a socket of anacrolix/utp v0.1.0 does not end a read when it is
// closed, but at a deadline; one of go-libutp v1.3.2 has no deadlines and panics over them. So a goroutine of its own reads
// pc. Close ends it if pc has read deadlines; else it ends with the next datagram, which is lost, or with pc.
func Share(pc net.PacketConn) socket.Conn {
	setReadDeadline(pc, time.Time{}) // an earlier Share has left one
	return &shared{
		pc:       pc,
		conn:     socket.Wrap(pc),
		arrivals: make(chan arrival),
		ended:    make(chan struct{}),
		closed:   make(chan struct{}),
	}
}

// shared is a Conn on somebody else's connection.
type shared struct {
	pc       net.PacketConn
	conn     socket.Conn // of pc
	arrivals chan arrival
	start    sync.Once     // of pump
	ended    chan struct{} // closed by it
	closed   chan struct{}
	once     sync.Once // closes it
}

// arrival is what a read returned.
type arrival struct {
	b    []byte
	from netip.AddrPort
	err  error
}

// pump is the goroutine that reads. Of two buffers it fills one while the other is copied: it is back at the first when the
// second was taken, which is after the first was copied.
func (c *shared) pump() {
	defer close(c.ended)
	var buffers [2][socket.MaxDatagram + 1]byte // a byte more shows what is too long
	for i := 0; ; i = 1 - i {
		n, from, err := c.conn.ReadFromUDPAddrPort(buffers[i][:])
		select {
		case c.arrivals <- arrival{buffers[i][:n], from, err}:
		case <-c.closed:
			return
		}
	}
}

func (c *shared) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.start.Do(func() { go c.pump() })
	select {
	case a := <-c.arrivals:
		return copy(b, a.b), a.from, a.err
	case <-c.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (c *shared) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
		return c.conn.WriteToUDPAddrPort(b, to)
	}
}

func (c *shared) LocalAddr() net.Addr { return c.pc.LocalAddr() }

// Ours: how long Close waits for a read to end at its deadline, so that the next Conn on pc is the only one to read.
const endOfRead = time.Second

func (c *shared) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.start.Do(func() { close(c.ended) }) // there is no pump, and will be none
		if !setReadDeadline(c.pc, time.Unix(1, 0)) {
			return
		}
		select {
		case <-c.ended:
		case <-time.After(endOfRead):
		}
	})
	return nil
}

// setReadDeadline reports whether pc has read deadlines.
func setReadDeadline(pc net.PacketConn, t time.Time) (ok bool) {
	defer func() { _ = recover() }() // go-libutp: not implemented
	return pc.SetReadDeadline(t) == nil
}
