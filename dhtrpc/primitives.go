package dhtrpc

import (
	"encoding/binary"
	"iter"
	"net/netip"
)

// Integers are little-endian, ports too; addresses are IPv4 (dht-rpc 1).

const (
	addrSize = 6         // four bytes of address, two of port
	maxUint  = 1<<53 - 1 // the largest integer the original can read
	maxAddrs = 1 << 20   // the longest list of addresses it reads
)

// cursor reads a datagram from the front. The first read past the end, or of a number that is too large, makes it bad,
// and everything read from then on is empty.
type cursor struct {
	b   []byte
	bad bool
}

// take returns the next n bytes, a view.
func (c *cursor) take(n int) []byte {
	if c.bad || n > len(c.b) {
		c.bad = true
		return nil
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) u8() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// uint reads a number of variable length: up to 0xfc in one byte, else fd, fe or ff and 2, 4 or 8 bytes. Longer forms
// than needed are fine, numbers above 2^53-1 are not.
func (c *cursor) uint() uint64 {
	switch first := c.u8(); first {
	case 0xfd:
		return uint64(c.u16())
	case 0xfe:
		if b := c.take(4); b != nil {
			return uint64(binary.LittleEndian.Uint32(b))
		}
	case 0xff:
		if b := c.take(8); b != nil {
			if n := binary.LittleEndian.Uint64(b); n <= maxUint {
				return n
			}
			c.bad = true
		}
	default:
		return uint64(first)
	}
	return 0
}

// buffer reads a length and as many bytes: never nil unless bad.
func (c *cursor) buffer() []byte {
	n := c.uint()
	if n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	return c.take(int(n))
}

func (c *cursor) addr() netip.AddrPort {
	if b := c.take(addrSize); b != nil {
		return addrAt(b)
	}
	return netip.AddrPort{}
}

// addrs reads a count and as many addresses.
func (c *cursor) addrs() Addrs {
	n := c.uint()
	if n > maxAddrs || int(n)*addrSize > len(c.b) {
		c.bad = true
		return nil
	}
	return Addrs(c.take(int(n) * addrSize))
}

func appendUint(dst []byte, n uint64) []byte {
	switch {
	case n < 0xfd:
		return append(dst, byte(n))
	case n <= 0xffff:
		return binary.LittleEndian.AppendUint16(append(dst, 0xfd), uint16(n))
	case n <= 0xffffffff:
		return binary.LittleEndian.AppendUint32(append(dst, 0xfe), uint32(n))
	}
	return binary.LittleEndian.AppendUint64(append(dst, 0xff), n)
}

func appendBuffer(dst, b []byte) []byte { return append(appendUint(dst, uint64(len(b))), b...) }

// putAddr writes a; what is no IPv4 address as zeros.
func putAddr(b *[addrSize]byte, a netip.AddrPort) {
	if ip := a.Addr().Unmap(); ip.Is4() {
		four := ip.As4()
		copy(b[:], four[:])
	}
	binary.LittleEndian.PutUint16(b[4:], a.Port())
}

func appendAddr(dst []byte, a netip.AddrPort) []byte {
	var b [addrSize]byte
	putAddr(&b, a)
	return append(dst, b[:]...)
}

// addrAt reads the address at the front of b, which holds at least six bytes.
func addrAt(b []byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), binary.LittleEndian.Uint16(b[4:6]))
}

// Addrs is a list of addresses as it is on the wire: six bytes each, without the count.
type Addrs []byte

// Append returns the list with a at its end.
func (l Addrs) Append(a netip.AddrPort) Addrs { return appendAddr(l, a) }

// Len returns how many addresses there are.
func (l Addrs) Len() int { return len(l) / addrSize }

// At returns address i of Len.
func (l Addrs) At(i int) netip.AddrPort { return addrAt(l[i*addrSize:]) }

// All ranges over the addresses in order.
func (l Addrs) All() iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		for i := range l.Len() {
			if !yield(l.At(i)) {
				return
			}
		}
	}
}
