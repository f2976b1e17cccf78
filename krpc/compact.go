package krpc

import (
	"encoding/binary"
	"iter"
	"net/netip"

	"github.com/dhtkit/dhtkit/routing"
)

// Node is a contact of the Mainline DHT.
type Node struct {
	ID   ID
	Addr netip.AddrPort
}

// Contact returns n as the routing package has it.
func (n Node) Contact() routing.Node { return routing.Node{Key: n.ID.Key(), Addr: n.Addr} }

// addr reads 4 or 16 bytes, an IPv4-mapped IPv6 address as the IPv4 address it stands for.
func addr(b []byte) netip.Addr {
	if len(b) == 4 {
		return netip.AddrFrom4([4]byte(b))
	}
	return netip.AddrFrom16([16]byte(b)).Unmap()
}

// addrPort reads a compact peer: 4 or 16 bytes and a port, big-endian (BEP 5, BEP 32).
func addrPort(b []byte) netip.AddrPort {
	n := len(b) - 2
	return netip.AddrPortFrom(addr(b[:n]), binary.BigEndian.Uint16(b[n:]))
}

// peerAddr reads the compact peer of an entry and reports whether it can be used. Not: port 0, 0.0.0.0/8, multicast and
// what follows it (240.0.0.0/4 with the broadcast address), the unspecified IPv6 address, and IPv4-mapped addresses,
// which BEP 32 keeps out of every list.
func peerAddr(b []byte) (netip.AddrPort, bool) {
	n := len(b) - 2
	port := binary.BigEndian.Uint16(b[n:])
	if n == 4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), port), port != 0 && b[0]-1 < 223
	}
	a := netip.AddrFrom16([16]byte(b))
	return netip.AddrPortFrom(a, port), port != 0 && b[0] != 0xff && !a.Is4In6() && !a.IsUnspecified()
}

// Nodes ranges over the IPv4 contacts of an answer (nodes, BEP 5), 26 bytes each. Entries with an id of zeros, port 0
// or an unusable address are skipped, a rest shorter than an entry is ignored.
func (m *Message) Nodes(yield func(Node) bool) {
	eachNode(m.bytes(m.f[fNodes]), IDSize, 6, func(n routing.Node) bool { return yield(Node{IDOf(n.Key), n.Addr}) })
}

// Nodes6 ranges over the IPv6 contacts of an answer (nodes6, BEP 32), 38 bytes each, by the rules of Nodes.
func (m *Message) Nodes6(yield func(Node) bool) {
	eachNode(m.bytes(m.f[fNodes6]), IDSize, 18, func(n routing.Node) bool { return yield(Node{IDOf(n.Key), n.Addr}) })
}

// HasNodes reports whether the answer has a list of IPv4 contacts, be it empty.
func (m *Message) HasNodes() bool { return m.bytes(m.f[fNodes]) != nil }

// HasNodes6 reports whether the answer has a list of IPv6 contacts, be it empty.
func (m *Message) HasNodes6() bool { return m.bytes(m.f[fNodes6]) != nil }

// Contacts ranges over the contacts of both lists, whose ids have idLen bytes, by the rules of Nodes.
func (m *Message) Contacts(idLen int) iter.Seq[routing.Node] {
	return func(yield func(routing.Node) bool) {
		_ = eachNode(m.bytes(m.f[fNodes]), idLen, 6, yield) && eachNode(m.bytes(m.f[fNodes6]), idLen, 18, yield)
	}
}

// eachNode reads entries of an id and a compact peer; false if yield ended it.
func eachNode(list []byte, idLen, peerLen int, yield func(routing.Node) bool) bool {
	if idLen < 1 || idLen > routing.KeySize {
		return true
	}
	var n routing.Node // what lies behind the id in its key stays zero
	for size := idLen + peerLen; len(list) >= size; list = list[size:] {
		if idLen == IDSize {
			*(*ID)(n.Key[:]) = ID(list) // a copy of known length is three moves
		} else {
			copy(n.Key[:idLen], list)
		}
		var ok bool
		if n.Addr, ok = peerAddr(list[idLen:size]); !ok || list[0] == 0 && n.Key.IsZero() {
			continue
		}
		if !yield(n) {
			return false
		}
	}
	return true
}

// Values ranges over the peers of a get_peers answer (BEP 5): a list of 6 and 18 byte strings, mixed or not, or one
// string of 6-byte entries as old clients send it. Unusable entries are skipped.
func (m *Message) Values(yield func(netip.AddrPort) bool) {
	s := m.f[fValues]
	if all := m.bytes(s); all != nil {
		for ; len(all) >= 6; all = all[6:] {
			if p, ok := peerAddr(all[:6]); ok && !yield(p) {
				return
			}
		}
		return
	}
	for v := range members(m.raw(s)) {
		b := content(v)
		if len(b) != 6 && len(b) != 18 {
			continue
		}
		if p, ok := peerAddr(b); ok && !yield(p) {
			return
		}
	}
}

// inFamily reports whether a can be written into a list of the family.
func inFamily(a netip.AddrPort, v6 bool) bool {
	ip := a.Addr()
	return ip.IsValid() && (ip.Is4() || ip.Is4In6()) != v6
}

// appendPeer appends the compact form of a: 6 bytes, for IPv6 18.
func appendPeer(dst []byte, a netip.AddrPort) []byte {
	if ip := a.Addr(); ip.Is4() || ip.Is4In6() {
		b := ip.As4()
		dst = append(dst, b[:]...)
	} else {
		b := ip.As16()
		dst = append(dst, b[:]...)
	}
	return binary.BigEndian.AppendUint16(dst, a.Port())
}

// appendNodes appends key, which is encoded already, and the compact list of those nodes that are of the family, each
// with idLen bytes of its key.
func appendNodes(dst []byte, key string, nodes []routing.Node, idLen int, v6 bool) []byte {
	size, n := idLen+6, 0
	if v6 {
		size = idLen + 18
	}
	for i := range nodes {
		if inFamily(nodes[i].Addr, v6) {
			n++
		}
	}
	dst = appendLen(append(dst, key...), n*size)
	for i := range nodes {
		if inFamily(nodes[i].Addr, v6) {
			dst = append(dst, nodes[i].Key[:idLen]...)
			dst = appendPeer(dst, nodes[i].Addr)
		}
	}
	return dst
}
