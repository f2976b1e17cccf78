package krpc

// filterSize is the length of a BEP 33 filter in bytes.
const filterSize = 256

// maxInterval is the longest interval BEP 51 allows, in seconds.
const maxInterval = 21600

// HasSamples reports whether the answer has a samples key, be it empty: only then the node supports sample_infohashes
// (BEP 51).
func (m *Message) HasSamples() bool { return m.bytes(m.f[fSamples]) != nil }

// Samples ranges over the sampled info hashes (BEP 51); a rest shorter than 20 bytes is ignored.
func (m *Message) Samples(yield func(ID) bool) {
	for b := m.bytes(m.f[fSamples]); len(b) >= IDSize; b = b[IDSize:] {
		if !yield(ID(b[:IDSize])) {
			return
		}
	}
}

// Num returns how many info hashes the node says it stores (BEP 51).
func (m *Message) Num() (int64, bool) { return m.int(m.f[fNum]) }

// Interval returns for how many seconds the node keeps its sample (BEP 51), 0 to 21600. What is outside reads as 21600;
// so does a missing interval, with false.
func (m *Message) Interval() (int64, bool) {
	n, ok := m.int(m.f[fInterval])
	if !ok || n < 0 || n > maxInterval {
		return maxInterval, ok
	}
	return n, true
}

// Value returns the bencoded item (v of the body, BEP 44) as sent, of any type; nil if there is none. Hash and signature
// are over these bytes. See Canonical.
func (m *Message) Value() []byte {
	if m.f[fV].end == 0 {
		return nil
	}
	return m.raw(m.f[fV])
}

// K returns the public key of a mutable item (BEP 44): 32 bytes, else nil.
func (m *Message) K() []byte { return m.sized(m.f[fK], keySize) }

// Sig returns the signature of a mutable item (BEP 44): 64 bytes, else nil.
func (m *Message) Sig() []byte { return m.sized(m.f[fSig], sigSize) }

// Seq returns the sequence number of a mutable item (BEP 44).
func (m *Message) Seq() (int64, bool) { return m.int(m.f[fSeq]) }

// BFsd returns the filter over the seeds (BEP 33), also under mldht's name BFse: 256 bytes, else nil.
func (m *Message) BFsd() []byte {
	if b := m.sized(m.f[fBFsd], filterSize); b != nil {
		return b
	}
	return m.sized(m.f[fBFse], filterSize)
}

// BFpe returns the filter over the peers that are no seeds (BEP 33): 256 bytes, else nil.
func (m *Message) BFpe() []byte { return m.sized(m.f[fBFpe], filterSize) }
