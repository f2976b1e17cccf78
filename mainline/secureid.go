package mainline

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
)

// From BEP 42: the bits of an address that enter its hash. Of an IPv6 address only the high 8 bytes count.
const (
	secureMask4 = 0x030f3fff
	secureMask6 = 0x0103070f1f3f7fff
)

// securePrefix are the 21 bits of an id that BEP 42 fixes, as the top bits of its first 4 bytes.
const securePrefix = 0xfffff800

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// SecureID returns id with its first 21 bits replaced by those that BEP 42 wants of a node at ip. The other bits stay, and
// the low three of the last byte choose which of the eight valid prefixes it is. An id that suits ip already is returned
// as it is. Give it a random id: krpc.RandomID.
func SecureID(ip netip.Addr, id krpc.ID) krpc.ID {
	if Suits(id, ip) {
		return id
	}
	head := binary.BigEndian.Uint32(id[:4])&^securePrefix | secureHash(ip.Unmap(), id[krpc.IDSize-1])&securePrefix
	binary.BigEndian.PutUint32(id[:4], head)
	return id
}

// Suits reports whether a node at ip may have this id (BEP 42): 21 of its bits follow from the address. Any id suits an
// address that does not belong to one host on the Internet (mainline digest 9.3), and none an invalid one. It costs some
// 20 ns and allocates nothing.
func Suits(id krpc.ID, ip netip.Addr) bool {
	if ip = ip.Unmap(); exempt(ip) {
		return true
	}
	return ip.IsValid() && (binary.BigEndian.Uint32(id[:4])^secureHash(ip, id[krpc.IDSize-1]))&securePrefix == 0
}

// carrierNAT is the shared address space of RFC 6598.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// exempt reports whether BEP 42 asks nothing of the id of a node at ip, which is not IPv4-mapped: private, loopback and
// link-local addresses of either family.
func exempt(ip netip.Addr) bool {
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || carrierNAT.Contains(ip)
}

// secureHash is the CRC32-C over the masked bytes of ip with the low three bits of r in its highest ones.
func secureHash(ip netip.Addr, r byte) uint32 {
	if ip.Is4() {
		b := ip.As4()
		n := binary.BigEndian.Uint32(b[:])&secureMask4 | uint32(r&7)<<29
		return crc32c(uint64(n)<<32, 4)
	}
	b := ip.As16()
	return crc32c(binary.BigEndian.Uint64(b[:8])&secureMask6|uint64(r&7)<<61, 8)
}

// crc32c is the CRC32-C of the first n bytes of v, highest first.
func crc32c(v uint64, n int) uint32 { return ^crcUpdate(^uint32(0), v, n) }

// crcUpdate takes n more bytes into a sum. The standard library's function makes its argument escape, which costs more
// than these eight steps.
func crcUpdate(sum uint32, v uint64, n int) uint32 {
	for range n {
		sum = castagnoli[byte(sum)^byte(v>>56)] ^ sum>>8
		v <<= 8
	}
	return sum
}
