package token_test

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc/internal/token"
)

// From npm dht-rpc 4.9.6.
var plainTokens = []struct{ secret, host, token string }{
	{"3939393939393939393939393939393939393939393939393939393939393939", "127.0.0.1", "5504ac209ea92bf5c95a39a5388883ea733f9aa56bc56c0ce15aec864b206b68"},
	{"0000000000000000000000000000000000000000000000000000000000000000", "10.0.0.1", "10f336914d1323356fa87860f0485320d02d741191b4ce77f34f5d6fe5f5f766"},
	{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "203.0.113.7", "bba8848c4db4ecbc5af684a992c2da599007582f0d521b33c8883df477174c83"},
}

func TestPlain(t *testing.T) {
	for _, v := range plainTokens {
		var secret [token.Size]byte
		_, err := hex.Decode(secret[:], []byte(v.secret))
		require.NoError(t, err)
		got := token.Plain(&secret, netip.MustParseAddr(v.host))
		require.Equal(t, v.token, hex.EncodeToString(got[:]), v.host)
	}
}

// counting is an entropy source that never repeats itself.
func counting() func([]byte) {
	n := byte(0)
	return func(b []byte) { n++; b[0] = n }
}

func TestTokenLivesOneToTwoLifetimes(t *testing.T) {
	const life = 5 * time.Minute
	host, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	start := time.Unix(1000, 0)
	for _, after := range []time.Duration{0, life - 1} {
		jar := token.Jar{Lifetime: life, Sum: token.Plain, Entropy: counting()}
		jar.Append(nil, host, start)
		made := start.Add(after)
		tok := jar.Append(nil, host, made)

		require.True(t, jar.Valid(tok, host, made))
		require.False(t, jar.Valid(tok, other, made), "it is the host's own")
		require.False(t, jar.Valid(tok[:31], host, made))
		require.False(t, jar.Valid(nil, host, made))
		require.True(t, jar.Valid(tok, host, start.Add(2*life-1)))
		require.False(t, jar.Valid(tok, host, start.Add(2*life)), "made %v after the first", after)
	}
}

func TestLongSilenceEndsAllTokens(t *testing.T) {
	host, start := netip.MustParseAddr("192.0.2.1"), time.Unix(1000, 0)
	jar := token.Jar{Lifetime: time.Minute, Sum: token.Plain}
	tok := jar.Append(nil, host, start)
	require.False(t, jar.Valid(tok, host, start.Add(time.Hour)))
	require.True(t, jar.Valid(jar.Append(nil, host, start.Add(time.Hour)), host, start.Add(time.Hour)))
}

func TestTokensAllocateNothing(t *testing.T) {
	jar := token.Jar{Lifetime: time.Minute, Sum: token.Plain}
	host, now, buf := netip.MustParseAddr("192.0.2.1"), time.Unix(1000, 0), make([]byte, 0, token.Size)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		jar.Valid(jar.Append(buf, host, now), host, now)
	}))
}
