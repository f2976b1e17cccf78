package mainline

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/stretchr/testify/require"
)

func TestTokenLivesFiveToTenMinutes(t *testing.T) {
	var draws byte
	j := tokenJar{entropy: func(b []byte) {
		draws++
		for i := range b {
			b[i] = draws
		}
	}}
	ip, key := netip.MustParseAddr("198.51.100.7"), krpc.ID{1}
	at := func(d time.Duration) time.Time { return testStart.Add(d) }
	tok := j.append(nil, ip, key, at(0))
	late := j.append(nil, ip, key, at(5*time.Minute-1))
	require.Len(t, tok, tokenLen)
	require.Equal(t, tok, late, "one secret for five minutes")
	require.True(t, j.valid(tok, ip, key, at(10*time.Minute-1)))
	require.False(t, j.valid(tok, ip, key, at(10*time.Minute)))
	require.False(t, j.valid(tok, ip, key, at(20*time.Minute)))
	require.False(t, j.valid(nil, ip, key, at(20*time.Minute)))
}

func TestTokenOfAnIdleJarExpiresToo(t *testing.T) {
	var j tokenJar
	ip, key := netip.MustParseAddr("198.51.100.7"), krpc.ID{1}
	tok := j.append(nil, ip, key, testStart)
	require.False(t, j.valid(tok, ip, key, testStart.Add(11*time.Minute)), "no rotation in between")
	require.False(t, j.valid(tok, netip.MustParseAddr("198.51.100.8"), key, testStart))
	require.False(t, j.valid(tok, ip, krpc.ID{2}, testStart))
}
