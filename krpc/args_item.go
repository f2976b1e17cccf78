package krpc

// Limits of BEP 44, in bytes.
const (
	MaxValue = 1000 // v of an item, bencoded
	MaxSalt  = 64
	keySize  = 32 // k: an ed25519 public key
	sigSize  = 64 // sig: an ed25519 signature
)

// GetArgs asks for an item (BEP 44).
type GetArgs struct {
	Target ID
	Seq    int64 // with HasSeq: the newest we have; the value is sent only if it is newer. Never ask below 1
	HasSeq bool
	Want   Want
}

// Method returns "get".
func (GetArgs) Method() string { return MethodGet }

// AppendArgs implements Args.
func (a GetArgs) AppendArgs(dst, id []byte) []byte {
	dst = appendID(append(dst, 'd'), id)
	if a.HasSeq {
		dst = appendInt(dst, "3:seq", a.Seq)
	}
	dst = append(append(dst, "6:target20:"...), a.Target[:]...)
	return append(appendWant(dst, a.Want), 'e')
}

// Get returns the arguments of a get query; 203 if target has not 20 bytes.
func (m *Message) Get() (GetArgs, error) {
	target, err := m.target()
	if err != nil {
		return GetArgs{}, err
	}
	seq, ok := m.Seq()
	return GetArgs{target, seq, ok, m.want()}, nil
}

// PutArgs stores an item (BEP 44): immutable if K is nil, else mutable and signed. Read from a Message, all slices point
// into the datagram.
type PutArgs struct {
	V      []byte // the value, bencoded; canonical and of at most MaxValue bytes
	K      []byte // public key, 32 bytes
	Sig    []byte // signature over salt, seq and v, 64 bytes
	Salt   []byte // up to MaxSalt bytes; empty means none
	Seq    int64  // 0 or more; publish from 1 on
	Cas    int64  // with HasCas: the Seq we expect to replace
	HasCas bool
	Token  []byte // as get gave it
}

// Method returns "put".
func (PutArgs) Method() string { return MethodPut }

// Mutable reports whether the item is signed.
func (a *PutArgs) Mutable() bool { return a.K != nil }

// AppendArgs implements Args. Of an immutable item only the token and the value are written.
func (a PutArgs) AppendArgs(dst, id []byte) []byte {
	dst = append(dst, 'd')
	if a.Mutable() && a.HasCas {
		dst = appendInt(dst, "3:cas", a.Cas)
	}
	dst = appendID(dst, id)
	if a.Mutable() {
		dst = appendBytes(dst, "1:k", a.K)
		if len(a.Salt) > 0 {
			dst = appendBytes(dst, "4:salt", a.Salt)
		}
		dst = appendInt(dst, "3:seq", a.Seq)
		dst = appendBytes(dst, "3:sig", a.Sig)
	}
	dst = appendBytes(dst, "5:token", a.Token)
	return append(append(append(dst, "1:v"...), a.V...), 'e')
}

// WithToken implements Tokened.
func (a PutArgs) WithToken(token []byte) Args {
	a.Token = token
	return a
}

// Put returns the arguments of a put query. In this order: 203 without v, 205 if it is longer than MaxValue, 203 if it is
// not canonical, 203 if only some of k, sig and seq are there and of the right type and size (such a put is never taken
// for an immutable one), 207 for a salt above MaxSalt, 203 for a negative seq, a salt or cas of the wrong type, and
// without a token. What remains to the caller: the token's worth, the stored item, the signature.
func (m *Message) Put() (PutArgs, error) {
	if err := m.checkArgs(IDSize); err != nil {
		return PutArgs{}, err
	}
	a := PutArgs{V: m.Value(), Token: m.Token()}
	switch {
	case a.V == nil:
		return PutArgs{}, errNoValue
	case len(a.V) > MaxValue:
		return PutArgs{}, errValueTooBig
	case !Canonical(a.V):
		return PutArgs{}, errValue
	}
	if m.f[fK].end != 0 || m.f[fSig].end != 0 {
		if err := m.signed(&a); err != nil {
			return PutArgs{}, err
		}
	}
	if a.Token == nil {
		return PutArgs{}, ErrBadToken
	}
	return a, nil
}

// signed reads what belongs to a mutable item.
func (m *Message) signed(a *PutArgs) error {
	var ok bool
	a.K, a.Sig = m.K(), m.Sig()
	if a.Seq, ok = m.Seq(); !ok || a.K == nil || a.Sig == nil {
		return errKey
	}
	if s := m.f[fSalt]; s.end != 0 {
		switch a.Salt = m.bytes(s); {
		case a.Salt == nil:
			return errSalt
		case len(a.Salt) > MaxSalt:
			return errSaltTooBig
		}
	}
	if a.Seq < 0 {
		return errKey
	}
	if s := m.f[fCas]; s.end != 0 {
		if a.Cas, a.HasCas = m.int(s); !a.HasCas {
			return errCas
		}
	}
	return nil
}
