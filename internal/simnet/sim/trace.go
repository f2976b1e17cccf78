package sim

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// trace is a running hash, made for speed: what it has to notice is that two runs differ.
type trace uint64

const (
	traceA = 0xa0761d6478bd642f
	traceB = 0xe7037ed1a0b428db
)

func (t trace) fold(a, b uint64) trace {
	hi, lo := bits.Mul64(a^traceA^uint64(t), b^traceB)
	return trace(hi ^ lo + uint64(t)*3)
}

// packet notes a datagram.
func (t trace) packet(at time.Duration, from, to Node, b []byte) trace {
	t = t.fold(uint64(at), uint64(from)<<32|uint64(to))
	t = t.fold(uint64(len(b)), 0)
	for len(b) >= 16 {
		t = t.fold(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]))
		b = b[16:]
	}
	if len(b) > 0 {
		var last [16]byte
		copy(last[:], b)
		t = t.fold(binary.LittleEndian.Uint64(last[:]), binary.LittleEndian.Uint64(last[8:]))
	}
	return t
}
