package dhtrpc

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// hexBytes is a byte string written as hex in the vector file; nil where it says null.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vectorAddr is an address of the vector file.
type vectorAddr struct {
	Host string
	Port uint16
}

func (a vectorAddr) addr() netip.AddrPort {
	if a.Host == "" {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.MustParseAddr(a.Host), a.Port)
}

type vectorMessage struct {
	Name, Note, From string
	Src, Dst         vectorAddr
	Hex              hexBytes
	Decoded          struct {
		Type        string
		Flags       uint64
		TID         uint16
		To          vectorAddr
		ID, Token   hexBytes
		IDValid     bool
		Internal    bool
		Command     uint64
		Target      hexBytes
		CloserNodes []vectorAddr
		Error       uint64
		Value       hexBytes
		Trailing    int
	}
}

// vectorFile is testdata/dht-rpc.json: datagrams captured from real processes of npm dht-rpc 6.27.0, and what its pure
// parts do.
type vectorFile struct {
	Nodes    map[string]struct{ Secrets []hexBytes }
	Messages []vectorMessage
	Traces   []struct {
		Name    string
		Packets []vectorMessage
	}
	Datagrams []struct {
		Name, Note string
		Src, Dst   vectorAddr
		Hex, Reply hexBytes
		Answered   bool
	}
	RoutingIDs []struct {
		vectorAddr
		Hashed, ID hexBytes
	} `json:"routing_ids"`
	Tokens []struct {
		Host          string
		Secret, Token hexBytes
	}
	Uints []struct {
		Value uint64
		Hex   hexBytes
	}
	Algorithms struct {
		NATSampler []struct {
			Name  string
			Steps []struct {
				vectorAddr
				Hits, Size int
				Result     vectorAddr
			}
		} `json:"nat_sampler"`
		AdaptiveTimeout []struct {
			Steps []struct {
				Op                 string
				RTT, Avg, Variance int32
				Attempts           []int64
			}
		} `json:"adaptive_timeout"`
		CongestionWindow struct {
			Max   int `json:"max_window"`
			Steps []struct {
				Op           string
				Result       *bool
				Total, Index int
				Window       [windowSlots]int
			}
		} `json:"congestion_window"`
		Health []struct {
			Name  string
			Ticks []struct {
				Responses, Timeouts uint64
				Online, Degraded    bool
			}
		}
		RoutingTable struct {
			Own   hexBytes
			Nodes []struct {
				ID hexBytes
			}
			Closest []struct {
				Target hexBytes
				K20    []int
			}
		} `json:"routing_table"`
	}
}

var vectors = sync.OnceValue(func() *vectorFile {
	v := new(vectorFile)
	b, err := os.ReadFile("testdata/dht-rpc.json")
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		panic(err)
	}
	return v
})

// captured returns every captured message, those of the traces too.
func captured() []vectorMessage {
	v := vectors()
	all := v.Messages
	for _, t := range v.Traces {
		all = append(all, t.Packets...)
	}
	return all
}

func TestVectorsDecode(t *testing.T) {
	require.Len(t, vectors().Messages, 65)
	for _, v := range captured() {
		t.Run(v.Name, func(t *testing.T) {
			m, err := Parse(v.Hex)
			require.NoError(t, err)
			d := v.Decoded
			require.Equal(t, d.Type, m.Kind.String())
			require.Equal(t, d.TID, m.TID)
			require.Equal(t, d.To.addr(), m.To)
			require.Equal(t, []byte(d.ID), m.ID)
			require.Equal(t, []byte(d.Token), m.Token)
			require.Equal(t, d.Internal, m.Internal)
			require.Equal(t, d.Command, m.Command)
			require.Equal(t, []byte(d.Target), m.Target)
			require.Equal(t, d.Error, m.Error)
			require.Equal(t, []byte(d.Value), m.Value)
			require.Equal(t, d.Value == nil, m.Value == nil)
			_, valid := m.Sender(v.Src.addr())
			require.Equal(t, d.IDValid, valid)
			require.Equal(t, len(d.CloserNodes), m.Closer.Len())
			for i, a := range d.CloserNodes {
				require.Equal(t, a.addr(), m.Closer.At(i))
			}
		})
	}
}

func TestVectorsEncode(t *testing.T) {
	again := 0
	for _, v := range captured() {
		m, err := Parse(v.Hex)
		require.NoError(t, err)
		require.Equal(t, []byte(v.Hex), m.Append(nil), v.Name)
		again++
	}
	require.Greater(t, again, 100)
}

// What the original answers we can read, what it drops we refuse, unless it needs a node to know better.
func TestVectorsOdd(t *testing.T) {
	dropped := map[string]bool{
		"unknown_response_tid": true, "find_node_no_target": true, "ping_nat_no_value": true, "ping_nat_port_zero": true,
		"down_hint_short": true, "delayed_ping_short": true, "delayed_ping_too_long": true,
	}
	for _, v := range vectors().Datagrams {
		m, err := Parse(v.Hex)
		if !v.Answered && !dropped[v.Name] {
			require.Error(t, err, v.Name)
			continue
		}
		require.NoError(t, err, v.Name)
		if v.Answered {
			reply, err := Parse(v.Reply)
			require.NoError(t, err)
			require.Equal(t, m.TID, reply.TID)
			require.Equal(t, v.Src.addr(), reply.To)
		}
	}
	m, err := Parse([]byte{0x23, 0, 0})
	require.ErrorIs(t, err, ErrForeign)
	require.Zero(t, m)
}

// Every prefix of a message is refused, and none is read past its end.
func TestTruncated(t *testing.T) {
	for _, v := range captured() {
		for n := range v.Hex {
			_, err := Parse(v.Hex[:n])
			require.Error(t, err, "%s cut at %d", v.Name, n)
		}
	}
}

func TestVectorsUint(t *testing.T) {
	for _, v := range vectors().Uints {
		require.Equal(t, []byte(v.Hex), appendUint(nil, v.Value))
		c := cursor{b: v.Hex}
		require.Equal(t, v.Value, c.uint())
		require.False(t, c.bad)
		require.Empty(t, c.b)
	}
	for _, long := range []string{"fd0100", "fe01000000", "ff0100000000000000"} {
		b, _ := hex.DecodeString(long)
		c := cursor{b: b}
		require.EqualValues(t, 1, c.uint())
	}
	b, _ := hex.DecodeString("ff00000000000020ff") // 2^53 and more
	c := cursor{b: b}
	require.Zero(t, c.uint())
	require.True(t, c.bad)
}

func TestVectorsID(t *testing.T) {
	for _, v := range vectors().RoutingIDs {
		require.Equal(t, ID(v.ID), IDOf(v.addr()))
		require.Equal(t, []byte(v.Hashed), appendAddr(nil, v.addr()))
		mapped := netip.AddrPortFrom(netip.AddrFrom16(v.addr().Addr().As16()), v.Port)
		require.Equal(t, ID(v.ID), IDOf(mapped))
		id, err := ParseID(ID(v.ID).String())
		require.NoError(t, err)
		require.Equal(t, ID(v.ID), id)
	}
	require.Zero(t, IDOf(netip.MustParseAddrPort("[2001:db8::1]:1")))
	for _, bad := range []string{"", "ab", "zz" + ID{}.String()[2:], ID{}.String() + "0", ID{}.String() + "00"} {
		_, err := ParseID(bad)
		require.ErrorIs(t, err, ErrBadID)
	}
}

// A list that says it is longer than its datagram costs nothing and is refused.
func TestLengthsAreChecked(t *testing.T) {
	head := append([]byte{firstResponse, hasCloser}, make([]byte, 8)...)
	for _, n := range []uint64{1, 1 << 20, 1<<20 + 1, maxUint} {
		_, err := Parse(appendUint(head, n))
		require.ErrorIs(t, err, ErrMalformed, n)
	}
	_, err := Parse(appendUint(head, 0))
	require.NoError(t, err)
	head[1] = hasValue
	for _, n := range []uint64{1, 1 << 32, maxUint} {
		_, err := Parse(appendUint(head, n))
		require.ErrorIs(t, err, ErrMalformed, n)
	}
}
