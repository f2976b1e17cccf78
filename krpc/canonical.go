package krpc

import "bytes"

// Canonical reports whether b is exactly one bencoded value in its one valid form (BEP 3): keys sorted as raw bytes, none
// twice, shortest numbers, nothing behind it. BEP 44 accepts no other form of v, since its hash and signature are over
// these bytes.
func Canonical(b []byte) bool {
	if skip(b, 0, 0) != len(b) || len(b) == 0 {
		return false
	}
	var last [maxDepth + 1][]byte // last key of each open dictionary
	var dict [maxDepth + 1]bool
	depth, key := 0, false
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == 'e':
			depth--
			i++
		case key:
			start, end := bytesAt(b, i)
			if last[depth] != nil && bytes.Compare(last[depth], b[start:end]) >= 0 {
				return false
			}
			last[depth] = b[start:end]
			i, key = end, false
			continue
		case c == 'd' || c == 'l':
			depth++
			dict[depth], last[depth] = c == 'd', nil
			i++
		default:
			i = skip(b, i, 0)
		}
		key = dict[depth]
	}
	return true
}
