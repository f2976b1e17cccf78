package simnet

import (
	"net"
	"net/netip"
	"sync"
)

// Conn is a bound address of a Net, with the netip methods of *net.UDPConn.
type Conn struct {
	net   *Net
	addr  netip.AddrPort // others see
	local netip.AddrPort // it is bound to: another one behind a NAT
	nat   *nat           // nil: none

	mu     sync.Mutex // guards what follows
	more   sync.Cond  // the queue grew, or closed
	queue  []packet
	head   int // of the queue, what is before it was read
	closed bool
}

type packet struct {
	from netip.AddrPort
	b    []byte
}

func newConn(n *Net, addr, local netip.AddrPort, behind *nat) *Conn {
	c := &Conn{net: n, addr: addr, local: local, nat: behind}
	c.more.L = &c.mu
	return c
}

// ReadFromUDPAddrPort waits for a datagram. What does not fit into b is cut
// off, as a UDP socket does. After Close the error is net.ErrClosed.
func (c *Conn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.head == len(c.queue) && !c.closed {
		c.more.Wait()
	}
	if c.closed {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	p := c.queue[c.head]
	c.queue[c.head] = packet{}
	if c.head++; c.head == len(c.queue) {
		c.queue, c.head = c.queue[:0], 0
	}
	return copy(b, p.b), p.from, nil
}

// WriteToUDPAddrPort sends a datagram. It does not wait, and does not tell
// whether anybody is there.
func (c *Conn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	if c.nat != nil {
		c.nat.open(to)
	}
	c.net.send(c.addr, to, b)
	return len(b), nil
}

// LocalAddr returns the address it is bound to as a *net.UDPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// AddrPort returns the address that others see.
func (c *Conn) AddrPort() netip.AddrPort { return c.addr }

// Close ends reads with net.ErrClosed and frees the address. A second Close
// returns net.ErrClosed.
func (c *Conn) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed, c.queue, c.head = true, nil, 0
	c.more.Broadcast()
	c.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	c.net.forget(c)
	return nil
}

// push queues a datagram; false when the queue is full or the conn closed.
func (c *Conn) push(p packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.queue)-c.head >= c.net.cfg.Queue {
		return false
	}
	if c.head > 0 && len(c.queue) == cap(c.queue) {
		c.queue = append(c.queue[:0], c.queue[c.head:]...)
		c.head = 0
	}
	c.queue = append(c.queue, p)
	c.more.Signal()
	return true
}
