package krpc

// Args are the arguments of one method (the dictionary a of a query).
type Args interface {
	// Method returns the name that q carries.
	Method() string
	// AppendArgs appends the whole dictionary in canonical form, id (our own, of 1 to 32 bytes) included: "d2:id20:…e".
	AppendArgs(dst, id []byte) []byte
}

// Tokened are arguments that carry a token of the node they are sent to.
type Tokened interface {
	Args
	// WithToken returns a copy of the arguments with the token.
	WithToken(token []byte) Args
}

// Names of the methods of BEP 5, 44 and 51.
const (
	MethodPing         = "ping"
	MethodFindNode     = "find_node"
	MethodGetPeers     = "get_peers"
	MethodAnnouncePeer = "announce_peer"
	MethodGet          = "get"
	MethodPut          = "put"
	MethodSample       = "sample_infohashes"
)

// Want names node lists (BEP 32). Zero asks for the list of the transport's own family.
type Want uint8

const (
	WantN4   Want = 1 << iota // nodes
	WantN6                    // nodes6
	WantBoth = WantN4 | WantN6
)

// CheckQuery makes the checks every query has to pass before its method looks at the arguments: it is a query, q is a
// string, a is a dictionary, its id has idLen bytes. The error is an *Error of code 203, ready to be sent back. The
// transaction id comes first and is another matter: see TIDState. A server that wants to answer an unknown method with
// 204 whatever its arguments asks Method before.
func (m *Message) CheckQuery(idLen int) error {
	switch {
	case m.kind != KindQuery:
		return errNotQuery
	case !m.HasMethod():
		return errBadMethod
	}
	return m.checkArgs(idLen)
}

func (m *Message) checkArgs(idLen int) error {
	switch {
	case m.kind != KindQuery:
		return errNotQuery
	case m.body.end == 0:
		return errBadArgs
	case m.IDState(idLen) != Usable:
		return errID
	}
	return nil
}

// PingArgs has no arguments (BEP 5).
type PingArgs struct{}

// Method returns "ping".
func (PingArgs) Method() string { return MethodPing }

// AppendArgs implements Args.
func (PingArgs) AppendArgs(dst, id []byte) []byte {
	dst = appendID(append(dst, 'd'), id)
	return append(dst, 'e')
}

// Ping returns the arguments of a ping query. The error is an *Error, ready to be sent back; so with the accessors of
// the other methods, all of which expect ids of 20 bytes and do not look at the name of the method.
func (m *Message) Ping() (PingArgs, error) { return PingArgs{}, m.checkArgs(IDSize) }

// FindNodeArgs asks for the contacts closest to Target (BEP 5).
type FindNodeArgs struct {
	Target ID
	Want   Want
}

// Method returns "find_node".
func (FindNodeArgs) Method() string { return MethodFindNode }

// AppendArgs implements Args.
func (a FindNodeArgs) AppendArgs(dst, id []byte) []byte {
	return appendTarget(dst, id, &a.Target, a.Want)
}

// FindNode returns the arguments of a find_node query; 203 if target has not 20 bytes.
func (m *Message) FindNode() (FindNodeArgs, error) {
	target, err := m.target()
	return FindNodeArgs{target, m.want()}, err
}

// GetPeersArgs asks for peers of a torrent (BEP 5).
type GetPeersArgs struct {
	InfoHash ID
	Want     Want
	NoSeed   bool // prefer peers that are no seeds (BEP 33)
	Scrape   bool // add the filters that count seeds and peers (BEP 33)
}

// Method returns "get_peers".
func (GetPeersArgs) Method() string { return MethodGetPeers }

// AppendArgs implements Args.
func (a GetPeersArgs) AppendArgs(dst, id []byte) []byte {
	dst = appendID(append(dst, 'd'), id)
	dst = append(append(dst, "9:info_hash20:"...), a.InfoHash[:]...)
	if a.NoSeed {
		dst = append(dst, "6:noseedi1e"...)
	}
	if a.Scrape {
		dst = append(dst, "6:scrapei1e"...)
	}
	return append(appendWant(dst, a.Want), 'e')
}

// GetPeers returns the arguments of a get_peers query; 203 if info_hash has not 20 bytes.
func (m *Message) GetPeers() (GetPeersArgs, error) {
	if err := m.checkArgs(IDSize); err != nil {
		return GetPeersArgs{}, err
	}
	h, ok := m.id(m.f[fInfoHash])
	if !ok {
		return GetPeersArgs{}, errInfoHash
	}
	return GetPeersArgs{h, m.want(), m.flag(m.f[fNoSeed]), m.flag(m.f[fScrape])}, nil
}

// AnnouncePeerArgs says that the sender has the torrent (BEP 5).
type AnnouncePeerArgs struct {
	InfoHash    ID
	Port        uint16 // TCP and uTP port, 1 to 65535. Sent next to ImpliedPort too: many nodes know only this one
	ImpliedPort bool   // the datagram's source port counts instead of Port, which is then 0 if it was missing or invalid
	Token       []byte // as get_peers gave it
	Seed        bool   // the torrent is complete (BEP 33)
}

// Method returns "announce_peer".
func (AnnouncePeerArgs) Method() string { return MethodAnnouncePeer }

// AppendArgs implements Args.
func (a AnnouncePeerArgs) AppendArgs(dst, id []byte) []byte {
	dst = appendID(append(dst, 'd'), id)
	if a.ImpliedPort {
		dst = append(dst, "12:implied_porti1e"...)
	}
	dst = append(append(dst, "9:info_hash20:"...), a.InfoHash[:]...)
	dst = appendInt(dst, "4:port", int64(a.Port))
	if a.Seed {
		dst = append(dst, "4:seedi1e"...)
	}
	return append(appendBytes(dst, "5:token", a.Token), 'e')
}

// WithToken implements Tokened.
func (a AnnouncePeerArgs) WithToken(token []byte) Args {
	a.Token = token
	return a
}

// AnnouncePeer returns the arguments of an announce_peer query. 203 if info_hash has not 20 bytes, port is not in 1 to
// 65535 (without implied_port), or there is no token of 1 to 128 bytes. Whether the token is ours is for the caller to
// check. Token points into the datagram.
func (m *Message) AnnouncePeer() (AnnouncePeerArgs, error) {
	if err := m.checkArgs(IDSize); err != nil {
		return AnnouncePeerArgs{}, err
	}
	h, ok := m.id(m.f[fInfoHash])
	if !ok {
		return AnnouncePeerArgs{}, errInfoHash
	}
	a := AnnouncePeerArgs{InfoHash: h, ImpliedPort: m.flag(m.f[fImpliedPort]), Token: m.Token(), Seed: m.flag(m.f[fSeed])}
	if port, ok := m.int(m.f[fPort]); ok && port > 0 && port < 1<<16 {
		a.Port = uint16(port)
	}
	switch {
	case a.Port == 0 && !a.ImpliedPort:
		return AnnouncePeerArgs{}, errPort
	case a.Token == nil:
		return AnnouncePeerArgs{}, ErrBadToken
	}
	return a, nil
}

// SampleArgs asks for a sample of the info hashes a node stores, and for the contacts closest to Target (BEP 51).
type SampleArgs struct {
	Target ID
	Want   Want
}

// Method returns "sample_infohashes".
func (SampleArgs) Method() string { return MethodSample }

// AppendArgs implements Args.
func (a SampleArgs) AppendArgs(dst, id []byte) []byte {
	return appendTarget(dst, id, &a.Target, a.Want)
}

// Sample returns the arguments of a sample_infohashes query; 203 if target has not 20 bytes.
func (m *Message) Sample() (SampleArgs, error) {
	target, err := m.target()
	return SampleArgs{target, m.want()}, err
}

// target makes the checks of a query that needs nothing but a target.
func (m *Message) target() (ID, error) {
	if err := m.checkArgs(IDSize); err != nil {
		return ID{}, err
	}
	target, ok := m.id(m.f[fTarget])
	if !ok {
		return ID{}, errTarget
	}
	return target, nil
}

// want reads the list of names; unknown names and members that are no strings count for nothing.
func (m *Message) want() (w Want) {
	for v := range members(m.raw(m.f[fWant])) {
		switch string(content(v)) {
		case "n4":
			w |= WantN4
		case "n6":
			w |= WantN6
		}
	}
	return w
}

func appendTarget(dst, id []byte, target *ID, w Want) []byte {
	dst = appendID(append(dst, 'd'), id)
	dst = append(append(dst, "6:target20:"...), target[:]...)
	return append(appendWant(dst, w), 'e')
}

func appendWant(dst []byte, w Want) []byte {
	switch w & WantBoth {
	case WantN4:
		return append(dst, "4:wantl2:n4e"...)
	case WantN6:
		return append(dst, "4:wantl2:n6e"...)
	case WantBoth:
		return append(dst, "4:wantl2:n42:n6e"...)
	}
	return dst
}
