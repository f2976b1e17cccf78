package krpc

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	aHash  = "9:info_hash20:mnopqrstuvwxyz123456"
	aToken = "5:token2:tk"
)

var (
	aKey = "1:k32:" + strings.Repeat("k", 32)
	aSig = "3:sig64:" + strings.Repeat("s", 64)
)

// requireFault wants the error of an accessor, ready to be sent.
func requireFault(t *testing.T, err error, want *Error, msg string) {
	t.Helper()
	if want == nil {
		require.NoError(t, err, msg)
		return
	}
	require.Same(t, want, err, msg)
}

func TestCheckQuery(t *testing.T) {
	for in, want := range map[string]*Error{
		"d1:ad" + anID + "e1:q4:ping1:t2:aa1:y1:qe":                      nil,
		"d1:ad" + anID + "e1:qi7e1:t2:aa1:y1:qe":                         errBadMethod,
		"d1:ad" + anID + "e1:t2:aa1:y1:qe":                               errBadMethod,
		"d1:q4:ping1:t2:aa1:y1:qe":                                       errBadArgs,
		"d1:ale1:q4:ping1:t2:aa1:y1:qe":                                  errBadArgs,
		"d1:ade1:q4:ping1:t2:aa1:y1:qe":                                  errID,
		"d1:ad2:id32:" + strings.Repeat("x", 32) + "e1:q1:x1:t0:1:y1:qe": errID,
		"d1:rd" + anID + "e1:t2:aa1:y1:re":                               errNotQuery,
	} {
		m := mustParse(t, []byte(in))
		requireFault(t, m.CheckQuery(IDSize), want, in)
	}
	m := mustParse(t, []byte("d1:ad2:id32:"+strings.Repeat("x", 32)+"e1:q1:x1:t0:1:y1:qe"))
	require.NoError(t, m.CheckQuery(32))
}

// Each accessor asks for the arguments and the id before its own.
func TestAccessorsNeedArguments(t *testing.T) {
	for _, method := range []string{MethodPing, MethodFindNode, MethodGetPeers, MethodAnnouncePeer, MethodGet, MethodPut, MethodSample} {
		for in, want := range map[string]*Error{
			"d1:q" + string(appendText(nil, method)) + "1:t2:aa1:y1:qe":      errBadArgs,
			"d1:ade1:q" + string(appendText(nil, method)) + "1:t2:aa1:y1:qe": errID,
		} {
			_, err := typedArgs(mustParse(t, []byte(in)))
			requireFault(t, err, want, in)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, method := range []string{MethodFindNode, MethodGet, MethodSample} {
		for in, want := range map[string]*Error{
			aTarget: nil, "": errTarget, aHash: errTarget, "6:target19:mnopqrstuvwxyz12345": errTarget, "6:targeti1e": errTarget,
		} {
			_, err := typedArgs(mustParse(t, queryWith(method, in)))
			requireFault(t, err, want, method+in)
		}
	}
	for in, want := range map[string]*Error{aHash: nil, "": errInfoHash, aTarget: errInfoHash, "9:info_hash32:" + strings.Repeat("h", 32): errInfoHash} {
		_, err := mustParse(t, queryWith(MethodGetPeers, in)).GetPeers()
		requireFault(t, err, want, in)
	}
	for in, want := range map[string]bool{aTarget: true, aHash: true, "": false, "9:info_hash2:ab": false} {
		k, ok := mustParse(t, queryWith("vote", in)).Target(IDSize)
		require.Equal(t, want, ok)
		if ok {
			require.Equal(t, benchTarget.Key(), k)
		}
	}
}

func TestWant(t *testing.T) {
	for in, want := range map[string]Want{
		"l2:n4e": WantN4, "l2:n6e": WantN6, "l2:n42:n6e": WantBoth, "l2:n62:n4e": WantBoth, "l2:n92:n4i1elee": WantN4,
		"le": 0, "l2:n9e": 0, "2:n4": 0, "li4ee": 0, "d2:n4i1ee": 0,
	} {
		m := mustParse(t, queryWith(MethodFindNode, aTarget+"4:want"+in))
		a, err := m.FindNode()
		require.NoError(t, err)
		require.Equal(t, want, a.Want, in)
		v4, v6 := m.Want()
		require.Equal(t, want, Want(0)|map[bool]Want{true: WantN4}[v4]|map[bool]Want{true: WantN6}[v6])
	}
}

func TestAnnouncePeer(t *testing.T) {
	for _, c := range []struct {
		in   string
		port uint16
		err  *Error
	}{
		{aHash + "4:porti6881e" + aToken, 6881, nil},
		{aHash + "4:porti1e" + aToken, 1, nil},
		{aHash + "4:porti65535e" + aToken, 65535, nil},
		{aHash + "4:porti0e" + aToken, 0, errPort},
		{aHash + "4:porti-1e" + aToken, 0, errPort},
		{aHash + "4:porti65536e" + aToken, 0, errPort},
		{aHash + "4:porti4294974177e" + aToken, 0, errPort},
		{aHash + "4:porti18446744073709558497e" + aToken, 0, errPort},
		{aHash + "4:port4:6881" + aToken, 0, errPort},
		{aHash + aToken, 0, errPort},
		{"12:implied_porti0e" + aHash + "4:porti0e" + aToken, 0, errPort},
		{"12:implied_port1:1" + aHash + aToken, 0, errPort},
		{"12:implied_porti1e" + aHash + aToken, 0, nil},
		{"12:implied_porti1e" + aHash + "4:porti0e" + aToken, 0, nil},
		{"12:implied_porti2e" + aHash + "4:porti70000e" + aToken, 0, nil},
		{"12:implied_porti1e" + aHash + "4:porti6881e" + aToken, 6881, nil},
		{"4:porti6881e" + aToken, 0, errInfoHash},
		{aHash + "4:porti6881e", 0, ErrBadToken},
		{aHash + "4:porti6881e5:tokeni1e", 0, ErrBadToken},
		{aHash + "4:porti6881e5:token0:", 0, ErrBadToken},
		{aHash + "4:porti6881e5:token129:" + strings.Repeat("t", 129), 0, ErrBadToken},
		{aHash + "4:porti6881e5:token128:" + strings.Repeat("t", 128), 6881, nil},
	} {
		a, err := mustParse(t, queryWith(MethodAnnouncePeer, c.in)).AnnouncePeer()
		requireFault(t, err, c.err, c.in)
		require.Equal(t, c.port, a.Port, c.in)
		require.Equal(t, c.err == nil && strings.HasPrefix(c.in, "12:"), a.ImpliedPort, c.in)
	}
}

func TestPut(t *testing.T) {
	long := func(n int) string { // v of n bytes
		return "1:v" + string(appendText(nil, strings.Repeat("v", n-len("999:"))))
	}
	require.Len(t, long(1000), 1003)
	mutable := aKey + "3:seqi1e" + aSig + aToken + "1:v1:x"
	for _, c := range []struct {
		in  string
		err *Error
	}{
		{aToken + "1:v1:x", nil},
		{aToken + "1:vd1:ai1e1:blee", nil},
		{aToken, errNoValue},
		{aToken + long(1000), nil},
		{aToken + long(1001), errValueTooBig},
		{aToken + "1:vd1:bi1e1:ai1ee", errValue},
		{aToken + "1:vd1:ai1e1:ai1ee", errValue},
		{"1:v1:x", ErrBadToken},
		{mutable, nil},
		{"3:casi0e" + mutable, nil},
		{"3:casi9223372036854775808e" + mutable, errCas},
		{"3:cas1:1" + mutable, errCas},
		{"4:salt0:" + mutable, nil},
		{"4:salt64:" + strings.Repeat("x", 64) + mutable, nil},
		{"4:salt65:" + strings.Repeat("x", 65) + mutable, errSaltTooBig},
		{"4:salti1e" + mutable, errSalt},
		{"3:seqi1e" + aSig + aToken + "1:v1:x", errKey},
		{aKey + aSig + aToken + "1:v1:x", errKey},
		{aKey + "3:seqi1e" + aToken + "1:v1:x", errKey},
		{aKey + "3:seqi-1e" + aSig + aToken + "1:v1:x", errKey},
		{aKey + "3:seqi9223372036854775808e" + aSig + aToken + "1:v1:x", errKey},
		{aKey + "3:seqi9223372036854775807e" + aSig + aToken + "1:v1:x", nil},
		{aKey + "3:seqi1e3:sig63:" + strings.Repeat("s", 63) + aToken + "1:v1:x", errKey},
		{"1:ki1e3:seqi1e" + aSig + aToken + "1:v1:x", errKey},
		{"1:ki1e" + aToken + "1:v1:x", errKey},
		// Only what makes an item mutable is looked at in an immutable one.
		{"3:casi1e4:salti1e3:seqi-1e" + aToken + "1:v1:x", nil},
		// The order of the checks.
		{"4:salt65:" + strings.Repeat("x", 65) + aKey + "1:vd1:bi1e1:ai1ee", errValue},
		{"4:salt65:" + strings.Repeat("x", 65) + aKey + "1:v1:x", errKey},
	} {
		_, err := mustParse(t, queryWith(MethodPut, c.in)).Put()
		requireFault(t, err, c.err, c.in)
	}
}

// What is written is read back, and is canonical.
func TestArgsRoundTrip(t *testing.T) {
	k, sig := bytes.Repeat([]byte("k"), 32), bytes.Repeat([]byte("s"), 64)
	for _, want := range []Args{
		PingArgs{},
		FindNodeArgs{Target: benchTarget}, FindNodeArgs{Target: benchTarget, Want: WantBoth},
		GetPeersArgs{InfoHash: benchTarget, Want: WantN6, NoSeed: true, Scrape: true},
		AnnouncePeerArgs{InfoHash: benchTarget, Port: 6881, Token: []byte("tk")},
		AnnouncePeerArgs{InfoHash: benchTarget, Port: 6881, Token: []byte("tk"), ImpliedPort: true, Seed: true},
		GetArgs{Target: benchTarget}, GetArgs{Target: benchTarget, Seq: -1 << 63, HasSeq: true, Want: WantN4},
		PutArgs{V: []byte("le"), Token: []byte("tk")},
		PutArgs{V: []byte("le"), K: k, Sig: sig, Salt: []byte("salt"), Seq: 1<<63 - 1, Cas: -1, HasCas: true, Token: []byte("tk")},
		SampleArgs{Target: benchTarget, Want: WantN4},
	} {
		b := AppendQuery(nil, benchTID, benchID[:], want, Header{Version: []byte("dk\x00\x01"), ReadOnly: true})
		require.True(t, Canonical(b), "%q", b)
		m := mustParse(t, b)
		got, err := typedArgs(m)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.True(t, m.ReadOnly())
		require.Equal(t, "dk\x00\x01", string(m.Version()))
	}
}

func TestWithToken(t *testing.T) {
	for _, a := range []Tokened{
		AnnouncePeerArgs{InfoHash: benchTarget, Port: 1}, PutArgs{V: []byte("le")}, RawArgs{Name: "x", Fields: map[string]any{"token": "old"}},
	} {
		one, two := a.WithToken([]byte("one")), a.WithToken([]byte("two"))
		for want, args := range map[string]Args{"one": one, "two": two} {
			m := mustParse(t, AppendQuery(nil, benchTID, benchID[:], args, Header{}))
			require.Equal(t, want, string(m.Token()))
		}
	}
}
