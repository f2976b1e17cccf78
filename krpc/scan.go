package krpc

import "iter"

// The cursor: bencode (BEP 3) read in place, without recursion and without copying.
//
// Positions are offsets into the datagram. Functions that look past a value return the offset behind it, or bad, or
// deep; both are below 1, which no offset behind a value can be.

const (
	bad  = 0  // no bencode, or cut off
	deep = -1 // more than maxDepth lists and dictionaries inside each other
)

// Ours: dictionaries and lists may nest this deep, the message's own dictionary included. libtorrent refuses 40.
const maxDepth = 32

// span is where one bencoded value lies in a datagram. Nothing starts at offset 0 but the message itself, so the zero
// span means that the key is absent.
type span struct{ off, end uint16 }

// bytesAt reads the string at b[i] and returns the bounds of its content; end is bad if there is none. Lengths with a
// leading zero are refused, lengths are held against what is left of b.
func bytesAt(b []byte, i int) (start, end int) {
	if i+1 < len(b) && b[i+1] == ':' { // nearly all keys
		start = i + 2
		if end = start + int(b[i]-'0'); end > start+9 || end > len(b) {
			end = bad
		}
		return start, end
	}
	return longBytesAt(b, i)
}

// longBytesAt is bytesAt for lengths of more than one digit.
func longBytesAt(b []byte, i int) (start, end int) {
	if i >= len(b) || b[i] == '0' {
		return 0, bad
	}
	n := 0
	for j := i; j < len(b); j++ {
		if d := b[j] - '0'; d <= 9 {
			if n = n*10 + int(d); n > len(b) {
				break
			}
			continue
		}
		if b[j] != ':' || j == i || n > len(b)-j-1 {
			break
		}
		return j + 1, j + 1 + n
	}
	return 0, bad
}

// skip returns the offset behind the value at b[i], which lies inside depth lists and dictionaries.
func skip(b []byte, i, depth int) int {
	if i >= len(b) {
		return bad
	}
	switch c := b[i]; c {
	case 'i':
		return skipInt(b, i)
	case 'l', 'd':
		return skipNested(b, i, depth)
	default:
		_, end := bytesAt(b, i)
		return end
	}
}

// skipInt returns the offset behind the integer at b[i] == 'i'. Leading zeros and -0 are refused; any size passes, a
// value outside int64 is merely unusable later.
func skipInt(b []byte, i int) int {
	i++
	if i < len(b) && b[i] == '-' {
		i++
		if i < len(b) && b[i] == '0' {
			return bad
		}
	}
	first := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == first || i >= len(b) || b[i] != 'e' || b[first] == '0' && i > first+1 {
		return bad
	}
	return i + 1
}

// skipNested returns the offset behind the list or dictionary at b[i]. open has one bit per container around the cursor,
// the innermost lowest, 1 for a dictionary, below a bit that marks the outside.
func skipNested(b []byte, i, depth int) int {
	open, key := uint64(1), false
	for i < len(b) {
		c := b[i]
		if c == 'e' {
			if open&1 == 1 && !key {
				return bad // a key without a value
			}
			if open >>= 1; open == 1 {
				return i + 1
			}
			depth--
			i++
			key = open&1 == 1
			continue
		}
		if key {
			if _, i = bytesAt(b, i); i == bad {
				return bad
			}
			key = false
			continue
		}
		switch c {
		case 'd', 'l':
			if depth == maxDepth {
				return deep
			}
			depth++
			i++
			open <<= 1
			if c == 'd' {
				open |= 1
			}
		case 'i':
			i = skipInt(b, i)
		default:
			_, i = bytesAt(b, i)
		}
		if i == bad {
			return bad
		}
		key = open&1 == 1
	}
	return bad
}

// content returns the bytes of the string that raw is, nil if raw is a value of another type.
func content(raw []byte) []byte {
	for i, c := range raw {
		if c == ':' {
			return raw[i+1 : len(raw) : len(raw)]
		}
		if c-'0' > 9 {
			return nil
		}
	}
	return nil
}

// integer returns the value of the integer that raw is; false for another type and outside int64.
func integer(raw []byte) (int64, bool) {
	if len(raw) < 3 || raw[0] != 'i' {
		return 0, false
	}
	digits, neg := raw[1:len(raw)-1], false
	if digits[0] == '-' {
		digits, neg = digits[1:], true
	}
	var n uint64
	if len(digits) > 19 {
		return 0, false // more than an int64 has
	}
	for _, c := range digits {
		n = n*10 + uint64(c-'0')
	}
	if neg {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n <= 1<<63-1
}

// members iterates over the raw values of the list that raw is; nothing for another type. raw is one valid value.
func members(raw []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if len(raw) == 0 || raw[0] != 'l' {
			return
		}
		for i := 1; i < len(raw) && raw[i] != 'e'; {
			end := skip(raw, i, 0)
			if end <= bad || !yield(raw[i:end:end]) {
				return
			}
			i = end
		}
	}
}

// pairs iterates over the keys and raw values of the dictionary that raw is, in the order they come; nothing for
// another type. raw is one valid value.
func pairs(raw []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if len(raw) == 0 || raw[0] != 'd' {
			return
		}
		for i := 1; i < len(raw) && raw[i] != 'e'; {
			start, at := bytesAt(raw, i)
			if at == bad {
				return
			}
			end := skip(raw, at, 0)
			if end <= bad || !yield(raw[start:at:at], raw[at:end:end]) {
				return
			}
			i = end
		}
	}
}
