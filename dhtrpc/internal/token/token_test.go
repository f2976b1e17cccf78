package token

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	start    = time.Unix(1_700_000_000, 0)
	loopback = netip.MustParseAddr("127.0.0.1")
)

// From npm dht-rpc 4.9.6.
var plain = []struct{ secret, host, token string }{
	{"3939393939393939393939393939393939393939393939393939393939393939", "127.0.0.1", "5504ac209ea92bf5c95a39a5388883ea733f9aa56bc56c0ce15aec864b206b68"},
	{"0000000000000000000000000000000000000000000000000000000000000000", "10.0.0.1", "10f336914d1323356fa87860f0485320d02d741191b4ce77f34f5d6fe5f5f766"},
	{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "203.0.113.7", "bba8848c4db4ecbc5af684a992c2da599007582f0d521b33c8883df477174c83"},
}

func bytes32(t *testing.T, text string) [Size]byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	return [Size]byte(b)
}

func TestVectorsPlain(t *testing.T) {
	for _, v := range plain {
		jar, host := Jar{Lifetime: time.Minute}, netip.MustParseAddr(v.host)
		jar.Set([Size]byte{}, bytes32(t, v.secret), start.Add(time.Minute))
		got := jar.Append(nil, host, start)
		require.Equal(t, v.token, hex.EncodeToString(got))
		require.True(t, jar.Valid(got, host, start))
		require.True(t, jar.Valid(got, netip.AddrFrom16(host.As16()), start), "IPv4-mapped, the same host")
	}
}

// From npm dht-rpc 6: the secrets after each rotation, and the token of 127.0.0.1 then.
var rotation = []struct{ previous, current, token string }{
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "3a49bc494ad18624a173953ff6310361b6e3df53990d29f05d827a68a6bb0780"},
	{"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "046c0d987075db8217087bae19e9f753305890fc6772908c57f07878211cc8cb", "749f4a2975b6641e4998f0d9d7704eda2706f803728402a28fb8f49655e15e4f"},
	{"046c0d987075db8217087bae19e9f753305890fc6772908c57f07878211cc8cb", "515078a83ea92fd647bfa7731b5efd3bbbdc2eaf809284523e50df80e6ae5ef2", "d0df9189d0366096feb113f5129438764928b42a56a71ebba893f0d98bc02120"},
	{"515078a83ea92fd647bfa7731b5efd3bbbdc2eaf809284523e50df80e6ae5ef2", "7d226c4c631a5303be3db849131316a8519df840be1df647b4fa2004dcb61217", "e732688843a1673ee6bebcc2cf4a9dd4413427a31413d4584cb86ca26f34eae3"},
	{"7d226c4c631a5303be3db849131316a8519df840be1df647b4fa2004dcb61217", "29210d3eeb13b133bef5d75f36df12a6c35d45c5532deac8b144d58c336b7c03", "0c3e504c97d8e848a274c4fafc15a63ef725cc0b016945b6a912a0460211b9d9"},
}

func TestVectorsRotation(t *testing.T) {
	const life = 7500 * time.Millisecond
	jar := Jar{Lifetime: life, Keyed: true}
	jar.Set(bytes32(t, rotation[0].previous), bytes32(t, rotation[0].current), start.Add(life))
	now := start
	for _, v := range rotation {
		require.Equal(t, v.token, hex.EncodeToString(jar.Append(nil, loopback, now)))
		require.Equal(t, bytes32(t, v.previous), jar.previous.key)
		require.Equal(t, bytes32(t, v.current), jar.current.key)
		now = now.Add(life)
	}
}

func TestLifetime(t *testing.T) {
	const life = 5 * time.Minute
	for _, keyed := range []bool{false, true} {
		for _, after := range []time.Duration{0, life - 1} {
			jar := Jar{Lifetime: life, Keyed: keyed}
			jar.Append(nil, loopback, start)
			now := start.Add(after)
			tok := jar.Append(nil, loopback, now)
			require.Len(t, tok, Size)
			require.True(t, jar.Valid(tok, loopback, now))
			require.False(t, jar.Valid(tok, netip.MustParseAddr("127.0.0.2"), now))
			require.False(t, jar.Valid(tok[:31], loopback, now))
			require.False(t, jar.Valid(nil, loopback, now))
			require.True(t, jar.Valid(tok, loopback, start.Add(2*life-1)))
			require.False(t, jar.Valid(tok, loopback, start.Add(2*life)), "made %v after the first", after)

			tok = jar.Append(nil, loopback, start.Add(2*life))
			require.False(t, jar.Valid(tok, loopback, start.Add(time.Hour)), "nobody asked for long")
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		jar, buf := Jar{Lifetime: time.Minute, Keyed: keyed}, []byte(nil)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			buf = jar.Append(buf[:0], loopback, start)
			if !jar.Valid(buf, loopback, start) {
				panic("not valid")
			}
		}))
	}
}
