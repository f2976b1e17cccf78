package sim

import (
	"encoding/binary"
	"net/netip"
)

// Node is a place in the network, with an address of its own.
type Node uint32

// Port is the UDP port of every node.
const Port = 6881

// Addresses lie in the /8 networks that are routable as a whole: 1 to 223 without those that hold private or reserved
// ranges. Each of the first Nets nodes has a /24 of its own; node n + Nets is the neighbour of node n there.
const (
	firstOctets = 215
	Nets        = firstOctets << 16
	MaxNodes    = Nets * 254 // nodes from here on have no address
)

var octets, octetIndex = usableOctets()

func usableOctets() (list [firstOctets]byte, index [256]int16) {
	for i := range index {
		index[i] = -1
	}
	n := 0
	for o := 1; o < 224; o++ {
		switch o {
		case 10, 100, 127, 169, 172, 192, 198, 203:
			continue
		}
		list[n], index[o] = byte(o), int16(n)
		n++
	}
	return list, index
}

// Addr returns the address of n, which is below MaxNodes.
func Addr(n Node) netip.AddrPort {
	net, host := uint32(n)%Nets, uint32(n)/Nets+1
	var ip [4]byte
	binary.BigEndian.PutUint32(ip[:], net<<8|host)
	ip[0] = octets[net>>16]
	return netip.AddrPortFrom(netip.AddrFrom4(ip), Port)
}

// NodeAt returns the node of an address; false if it is no node's.
func NodeAt(a netip.AddrPort) (Node, bool) {
	if a.Port() != Port || !a.Addr().Is4() {
		return 0, false
	}
	ip := a.Addr().As4()
	first, host := octetIndex[ip[0]], uint32(ip[3])
	if first < 0 || host == 0 || host == 255 {
		return 0, false
	}
	net := uint32(first)<<16 | uint32(ip[1])<<8 | uint32(ip[2])
	return Node((host-1)*Nets + net), true
}

// Sibling returns the i-th neighbour of n in its /24, i up to 253 for the nodes below Nets.
func Sibling(n Node, i int) Node { return n%Nets + Node(i)*Nets }
