package dhtrpc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/dhtkit/dhtkit/socket"
)

// portsTried is how many ports from the wanted one on are tried before any is taken (dht-rpc 7.1).
const portsTried = 5

// Listen opens the sockets of a node at addr ("HOST:PORT"; no host means all IPv4 addresses, port 0 any port) and starts
// it. If the port is taken, the next four are tried and then any, unless Config.ExactPort is set.
func Listen(addr string, cfg Config) (*Node, error) {
	ua, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return nil, fmt.Errorf("dhtrpc: listen address %q: %w", addr, err)
	}
	host := netip.IPv4Unspecified()
	if ip, ok := netip.AddrFromSlice(ua.IP); ok {
		host = ip.Unmap()
	}
	n, err := newNode(cfg)
	if err != nil {
		return nil, err
	}
	ports := portRange(uint16(ua.Port), n.cfg.ExactPort)
	n.open = func(before []netip.AddrPort) ([]socket.Conn, error) {
		return openConns(host, ports, n.cfg, before)
	}
	conns, err := n.open(nil)
	if err != nil {
		n.die()
		n.boot.close()
		return nil, err
	}
	n.watch = newWatch()
	n.start(conns)
	return n, nil
}

// portRange lists the ports to try for the server socket.
func portRange(port uint16, exact bool) []uint16 {
	if port == 0 || exact {
		return []uint16{port}
	}
	var ports []uint16
	for p := int(port); p < int(port)+portsTried && p < 1<<16; p++ {
		ports = append(ports, uint16(p))
	}
	return append(ports, 0)
}

// openConns opens the server socket and, for a node that does not know yet whether it can be reached, the client socket.
// before are the addresses they had before a suspension.
func openConns(host netip.Addr, ports []uint16, cfg Config, before []netip.AddrPort) ([]socket.Conn, error) {
	if len(before) > 0 {
		ports = append([]uint16{before[0].Port()}, ports...)
	}
	server, err := listenAny(host, ports)
	if err != nil {
		return nil, err
	}
	if cfg.Open || cfg.Mode == Persistent && cfg.Private && !host.IsUnspecified() {
		return []socket.Conn{server}, nil
	}
	ports = []uint16{0}
	if len(before) > 1 {
		ports = []uint16{before[1].Port(), 0}
	}
	client, err := listenAny(host, ports)
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return []socket.Conn{server, client}, nil
}

// listenAny binds the first of the ports that is free.
func listenAny(host netip.Addr, ports []uint16) (*net.UDPConn, error) {
	var first error
	for _, p := range ports {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, p)))
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = fmt.Errorf("dhtrpc: %w", err)
		}
	}
	return nil, first
}

// Receive takes a datagram that the caller has read from a socket of his own, or one that Config.Foreign of another node got, as
// if it had come in on socket d.Conn of the node: the answer to a request leaves from there. What is no message of the node's
// network goes to Config.Foreign. Handlers may run on the caller's goroutine; the payload may be used again afterwards.
// socket.ErrNoConn: the node has no such socket; a stepped node takes datagrams through Socket.
func (n *Node) Receive(d socket.Datagram) error { return n.Socket().Feed(d) }

// LocalAddr returns where nodes of the same local network reach the server socket: the address it is bound to, or, if it is
// bound to all, that of the first interface with an IPv4 address that is not a loopback or link-local one. It is not valid if
// there is none. State.Remote is the address for the world.
func (n *Node) LocalAddr() netip.AddrPort {
	return localAddr(n.Addr(), interfaceAddrs())
}

func localAddr(bound netip.AddrPort, interfaces []netip.Addr) netip.AddrPort {
	if bound.IsValid() && !bound.Addr().IsUnspecified() {
		return bound
	}
	for _, a := range interfaces {
		if a = a.Unmap(); a.Is4() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			return netip.AddrPortFrom(a, bound.Port())
		}
	}
	return netip.AddrPort{}
}

// interfaceAddrs lists the addresses of this machine in the order of its interfaces.
func interfaceAddrs() (list []netip.Addr) {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p.Addr())
		}
	}
	return list
}

// Bootstrapper starts a node for others to begin at: its port is fixed, it is persistent from the start, and it needs no
// other node. host is the address under which others reach it, an IPv4 address that is not 0.0.0.0; it listens on all of the
// machine's addresses, or on that one if the network is private.
func Bootstrapper(port uint16, host string, cfg Config) (*Node, error) {
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Unmap().Is4() || ip.IsUnspecified() {
		return nil, fmt.Errorf("dhtrpc: bootstrapper at %q: %w", host, ErrNotIPv4)
	}
	if port == 0 {
		return nil, errors.New("dhtrpc: a bootstrapper needs a port")
	}
	cfg.Mode, cfg.Public, cfg.ExactPort = Persistent, netip.AddrPortFrom(ip.Unmap(), port), true
	bind := ""
	if cfg.Private {
		bind = host
	}
	return Listen(net.JoinHostPort(bind, strconv.Itoa(int(port))), cfg)
}
