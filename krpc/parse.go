package krpc

// MaxDatagram is the longest datagram Parse reads, in bytes. Honest messages stay below 1500.
const MaxDatagram = 2048

// MaxTID is the longest transaction id worth answering, in bytes; ids up to this length are echoed unchanged.
const MaxTID = 32

// Kind says what a message is: the letter of its y key (BEP 5).
type Kind uint8

const (
	KindQuery    Kind = 'q'
	KindResponse Kind = 'r'
	KindError    Kind = 'e'
)

// String returns query, response, error or invalid.
func (k Kind) String() string {
	switch k {
	case KindQuery:
		return "query"
	case KindResponse:
		return "response"
	case KindError:
		return "error"
	}
	return "invalid"
}

// Keys of the arguments and results that have a place in a Message.
const (
	fID = iota
	fTarget
	fInfoHash
	fToken
	fNodes
	fNodes6
	fValues
	fWant
	fPort
	fImpliedPort
	fSeed
	fNoSeed
	fScrape
	fV
	fK
	fSig
	fSeq
	fSalt
	fCas
	fSamples
	fNum
	fInterval
	fBFsd
	fBFse
	fBFpe
	numFields
)

// fieldOf returns the place of a key, -1 for a key without one.
func fieldOf(key []byte) int {
	switch string(key) {
	case "id":
		return fID
	case "target":
		return fTarget
	case "info_hash":
		return fInfoHash
	case "token":
		return fToken
	case "nodes":
		return fNodes
	case "nodes6":
		return fNodes6
	case "values":
		return fValues
	case "want":
		return fWant
	case "port":
		return fPort
	case "implied_port":
		return fImpliedPort
	case "seed":
		return fSeed
	case "noseed":
		return fNoSeed
	case "scrape":
		return fScrape
	case "v":
		return fV
	case "k":
		return fK
	case "sig":
		return fSig
	case "seq":
		return fSeq
	case "salt":
		return fSalt
	case "cas":
		return fCas
	case "samples":
		return fSamples
	case "num":
		return fNum
	case "interval":
		return fInterval
	case "BFsd":
		return fBFsd
	case "BFse":
		return fBFse
	case "BFpe":
		return fBFpe
	}
	return -1
}

// Parse reads one datagram. The Message is a view: it is valid as long as b is, and b must not be written to
// meanwhile. Nothing is allocated, whatever b holds.
//
// Parse is as tolerant as the network is: keys in any order, repeated keys (the first one counts), unknown keys of any
// type, and bytes after the message are accepted; a known key with a value of the wrong type reads as absent. It
// refuses, with an error that is ErrMalformed, what is no bencoded dictionary with y = q, r or e, numbers with leading
// zeros, keys that are no strings, more than 32 levels of nesting, and datagrams above MaxDatagram bytes. What else a
// server must refuse (a query without usable t, a, id) the Message tells: see TIDState and CheckQuery.
func Parse(b []byte) (m Message, err error) {
	if len(b) > MaxDatagram {
		return Message{}, ErrTooLong
	}
	if len(b) == 0 || b[0] != 'd' {
		return Message{}, ErrMalformed
	}
	i, read := 1, span{}
	for {
		if i >= len(b) {
			return Message{}, ErrMalformed
		}
		if b[i] == 'e' {
			break
		}
		start, at := bytesAt(b, i)
		if at == bad {
			return Message{}, ErrMalformed
		}
		s := m.place(b[start:at])
		var end int
		if (s == &m.a || s == &m.r) && read.end == 0 && at < len(b) && b[at] == 'd' {
			if end = m.readBody(b, at); end > bad {
				read = span{uint16(at), uint16(end)}
			}
		} else {
			end = skip(b, at, 1)
		}
		if end <= bad {
			return Message{}, refusal(end)
		}
		if s != nil && s.end == 0 {
			*s = span{uint16(at), uint16(end)}
		}
		i = end
	}
	m.b = b[: i+1 : i+1]
	if !m.settle(read) {
		return Message{}, ErrNoKind
	}
	return m, nil
}

// refusal is the error for a cursor that stopped.
func refusal(end int) error {
	if end == deep {
		return ErrTooDeep
	}
	return ErrMalformed
}

// place returns where the value of a top-level key is noted, nil for an unknown key.
func (m *Message) place(key []byte) *span {
	switch string(key) {
	case "a":
		return &m.a
	case "r":
		return &m.r
	case "t":
		return &m.t
	case "y":
		return &m.y
	case "q":
		return &m.q
	case "e":
		return &m.e
	case "v":
		return &m.v
	case "ip":
		return &m.ip
	case "ro":
		return &m.ro
	case "c":
		return &m.c
	}
	return nil
}

// readBody notes the fields of the dictionary at b[i] and returns the offset behind it.
func (m *Message) readBody(b []byte, i int) int {
	i++
	for i < len(b) {
		if b[i] == 'e' {
			return i + 1
		}
		start, at := bytesAt(b, i)
		if at == bad {
			return bad
		}
		end := skip(b, at, 2)
		if end <= bad {
			return end
		}
		if f := fieldOf(b[start:at]); f >= 0 && m.f[f].end == 0 {
			m.f[f] = span{uint16(at), uint16(end)}
		}
		i = end
	}
	return bad
}

// settle finds out what kind of message it is and sees to it that the fields are those of its own body: the first of a
// and r was read before y was known. False if y is none of the three letters.
func (m *Message) settle(read span) bool {
	y := content(m.raw(m.y))
	if len(y) != 1 {
		return false
	}
	switch m.kind = Kind(y[0]); m.kind {
	case KindQuery:
		m.body = m.a
	case KindResponse:
		if m.e.end != 0 && (m.b[m.e.off] == 'l' || m.b[m.e.off]-'0' <= 9) {
			m.kind = KindError // bitmagnet labels its errors as replies
		}
		m.body = m.r
	case KindError:
		m.body = m.r // libbtdht sends one with its id
	default:
		return false
	}
	if m.body.end != 0 && m.b[m.body.off] != 'd' {
		m.body = span{}
	}
	if read != m.body {
		clear(m.f[:])
		if m.body.end != 0 {
			m.readBody(m.b, int(m.body.off))
		}
	}
	return true
}

// Classify is the cheap first look: the letter of y and the transaction id, without reading arguments or results. ok is
// false for what no honest node sends: no bencoded dictionary, y not q, r or e, t missing, no string, or longer than
// MaxTID. A message that passes may still be refused by Parse. The kind is y as sent: Parse calls a response with an e
// key an error.
func Classify(b []byte) (kind Kind, tid []byte, ok bool) {
	if len(b) > MaxDatagram || len(b) == 0 || b[0] != 'd' {
		return 0, nil, false
	}
	var y, t []byte
	for i := 1; i < len(b) && b[i] != 'e' && (y == nil || t == nil); {
		start, at := bytesAt(b, i)
		if at == bad {
			return 0, nil, false
		}
		end := skip(b, at, 1)
		if end <= bad {
			return 0, nil, false
		}
		if at-start == 1 {
			switch raw := b[at:end]; {
			case b[start] == 'y' && y == nil:
				y = raw
			case b[start] == 't' && t == nil:
				t = raw
			}
		}
		i = end
	}
	letter, tid := content(y), content(t)
	if len(letter) != 1 || tid == nil || len(tid) > MaxTID {
		return 0, nil, false
	}
	kind = Kind(letter[0])
	if kind != KindQuery && kind != KindResponse && kind != KindError {
		return 0, nil, false
	}
	return kind, tid, true
}
