package socket

import (
	"net"
	"net/netip"
)

// Conn is what a Socket reads from and writes to: the netip methods of
// *net.UDPConn. Users bring their own to run over a simulated network or a
// socket shared with other protocols. Close must end a blocked read with
// net.ErrClosed.
type Conn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// Wrap makes a Conn of any net.PacketConn. One that has the netip methods is
// returned as it is. Of others, datagrams whose source address is not a
// *net.UDPAddr (or has no AddrPort method like it) arrive with an invalid
// source, which the Socket counts and drops.
func Wrap(pc net.PacketConn) Conn {
	if c, ok := pc.(Conn); ok {
		return c
	}
	return packetConn{pc}
}

type packetConn struct{ net.PacketConn }

func (c packetConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := c.ReadFrom(b)
	if err != nil {
		return n, netip.AddrPort{}, err
	}
	return n, addrPortOf(from), nil
}

func (c packetConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return c.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// addrPortOf is the zero AddrPort when a is of a kind that has none.
func addrPortOf(a net.Addr) netip.AddrPort {
	if u, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		return unmap(u.AddrPort())
	}
	return netip.AddrPort{}
}

func unmap(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is4In6() {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return a
}
