package krpc

import (
	"net/netip"
	"strconv"

	"github.com/dhtkit/dhtkit/routing"
)

// Header is what a message may carry besides its body. Zero fields are not sent.
type Header struct {
	Version  []byte         // v: two letters of the client, two bytes of its version (BEP 5)
	ReadOnly bool           // ro = 1, in queries only: we answer none (BEP 43)
	IP       netip.AddrPort // ip, in answers: the requester's address as we see it (BEP 42)
}

// AppendQuery appends a query datagram in canonical form. id is our own, of 1 to 32 bytes.
func AppendQuery(dst, tid, id []byte, args Args, h Header) []byte {
	dst = append(dst, "d1:a"...)
	dst = args.AppendArgs(dst, id)
	dst = appendIP(dst, h.IP)
	dst = append(dst, "1:q"...)
	dst = appendText(dst, args.Method())
	if h.ReadOnly {
		dst = append(dst, "2:roi1e"...)
	}
	return appendTail(dst, tid, h.Version, "1:y1:qe")
}

// AppendResponse appends an answer datagram in canonical form. id is our own, of 1 to 32 bytes.
func AppendResponse(dst, tid, id []byte, r Results, h Header) []byte {
	dst = append(dst, 'd')
	dst = appendIP(dst, h.IP)
	dst = append(dst, "1:r"...)
	dst = r.AppendResults(dst, id)
	return appendTail(dst, tid, h.Version, "1:y1:re")
}

// AppendError appends an error datagram in canonical form.
func AppendError(dst, tid []byte, e *Error, h Header) []byte {
	dst = append(dst, "d1:el"...)
	if !e.Bare {
		dst = appendInt(dst, "", int64(e.Code))
	}
	dst = appendText(dst, e.Message)
	dst = append(dst, 'e')
	dst = appendIP(dst, h.IP)
	return appendTail(dst, tid, h.Version, "1:y1:ee")
}

// appendTail appends t, v and y, the last keys of every message.
func appendTail(dst, tid, version []byte, y string) []byte {
	dst = appendBytes(dst, "1:t", tid)
	if len(version) > 0 {
		dst = appendBytes(dst, "1:v", version)
	}
	return append(dst, y...)
}

func appendIP(dst []byte, a netip.AddrPort) []byte {
	if !a.Addr().IsValid() {
		return dst
	}
	if inFamily(a, false) {
		dst = append(dst, "2:ip6:"...)
	} else {
		dst = append(dst, "2:ip18:"...)
	}
	return appendPeer(dst, a)
}

// appendLen appends the head of a string of n bytes.
func appendLen(dst []byte, n int) []byte {
	if n < 10 {
		return append(dst, byte('0'+n), ':')
	}
	if n < 100 {
		return append(dst, byte('0'+n/10), byte('0'+n%10), ':')
	}
	return append(strconv.AppendInt(dst, int64(n), 10), ':')
}

func appendText(dst []byte, s string) []byte { return append(appendLen(dst, len(s)), s...) }

// appendBytes appends key, which is encoded already, and a string.
func appendBytes(dst []byte, key string, b []byte) []byte {
	return append(appendLen(append(dst, key...), len(b)), b...)
}

// appendInt appends key, which is encoded already, and an integer.
func appendInt(dst []byte, key string, n int64) []byte {
	dst = append(append(dst, key...), 'i')
	return append(strconv.AppendInt(dst, n, 10), 'e')
}

// appendID appends the id, cut to the longest a key can be.
func appendID(dst, id []byte) []byte {
	return appendBytes(dst, "2:id", id[:min(len(id), routing.KeySize)])
}
