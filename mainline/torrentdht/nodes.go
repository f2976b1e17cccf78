package torrentdht

import (
	"iter"
	"net/netip"

	theirs "github.com/anacrolix/dht/v2/krpc"

	"github.com/dhtkit/dhtkit/krpc"
)

// ToAddr converts an address and port. An IPv4 address, also one mapped into IPv6, comes out with 4 bytes, as compact lists
// and the client want it.
func ToAddr(a netip.AddrPort) theirs.NodeAddr {
	return theirs.NodeAddr{IP: a.Addr().Unmap().AsSlice(), Port: int(a.Port())}
}

// FromAddr converts an address and port, an IPv4 address of 16 bytes as the IPv4 address it is. False if the IP has not 4 or
// 16 bytes, or the port is not within 0..65535.
func FromAddr(a theirs.NodeAddr) (netip.AddrPort, bool) {
	ip, ok := netip.AddrFromSlice(a.IP)
	if !ok || a.Port < 0 || a.Port > 65535 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(a.Port)), true
}

// ToNode converts a contact.
func ToNode(n krpc.Node) theirs.NodeInfo {
	return theirs.NodeInfo{ID: ToID(n.ID), Addr: ToAddr(n.Addr)}
}

// FromNode converts a contact; false if FromAddr cannot convert its address.
func FromNode(n theirs.NodeInfo) (krpc.Node, bool) {
	addr, ok := FromAddr(n.Addr)
	return krpc.Node{ID: FromID(n.ID), Addr: addr}, ok
}

// ToCompact splits contacts into the two compact lists (BEP 5, BEP 32), so that each can be encoded: the other side panics
// over an address in the list of the wrong family. Contacts without an address are left out.
func ToCompact(nodes iter.Seq[krpc.Node]) (v4 theirs.CompactIPv4NodeInfo, v6 theirs.CompactIPv6NodeInfo) {
	for n := range nodes {
		switch ip := n.Addr.Addr(); {
		case ip.Is4() || ip.Is4In6():
			v4 = append(v4, ToNode(n))
		case ip.IsValid():
			v6 = append(v6, ToNode(n))
		}
	}
	return v4, v6
}

// FromCompact ranges over the contacts of a compact list of either family; those that FromNode refuses are left out.
func FromCompact[L ~[]theirs.NodeInfo](list L) iter.Seq[krpc.Node] {
	return func(yield func(krpc.Node) bool) {
		for _, n := range list {
			if c, ok := FromNode(n); ok && !yield(c) {
				return
			}
		}
	}
}

// ToPeers converts a list of peers (values of a get_peers answer).
func ToPeers(peers iter.Seq[netip.AddrPort]) []theirs.NodeAddr {
	var out []theirs.NodeAddr
	for p := range peers {
		out = append(out, ToAddr(p))
	}
	return out
}

// FromPeers converts a list of peers; those that FromAddr refuses are left out.
func FromPeers(peers []theirs.NodeAddr) []netip.AddrPort {
	var out []netip.AddrPort
	for _, p := range peers {
		if a, ok := FromAddr(p); ok {
			out = append(out, a)
		}
	}
	return out
}
