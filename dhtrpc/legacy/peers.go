package legacy

import (
	"encoding/binary"
	"net/netip"

	"github.com/dhtkit/dhtkit/routing"
)

const (
	peerSize = 4 + 2             // IPv4 address, port, big-endian
	nodeSize = IDSize + peerSize // id, peer
)

// appendPeer appends an IPv4 address and its port.
func appendPeer(dst []byte, a netip.AddrPort) []byte {
	ip := a.Addr().Unmap().As4()
	return binary.BigEndian.AppendUint16(append(dst, ip[:]...), a.Port())
}

// appendNodes appends the compact form of nodes; what is not IPv4 is left out.
func appendNodes(dst []byte, nodes []routing.Node) []byte {
	for i := range nodes {
		if n := &nodes[i]; isIPv4(n.Addr) {
			dst = appendPeer(append(dst, n.Key[:IDSize]...), n.Addr)
		}
	}
	return dst
}

func isIPv4(a netip.AddrPort) bool { return a.Addr().Is4() || a.Addr().Is4In6() }

// peerOf reads the first peer of b; false if there is none, or its port is 0.
func peerOf(b []byte) (netip.AddrPort, bool) {
	if len(b) < peerSize || peerPort(b) == 0 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), peerPort(b)), true
}

// peerPort returns the port of the peer that b begins with.
func peerPort(b []byte) uint16 { return binary.BigEndian.Uint16(b[4:peerSize]) }
