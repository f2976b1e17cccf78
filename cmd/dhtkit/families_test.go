package main

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// One run works on both networks (BEP 32): it announces in both, and finds the peers of both in one stream.
func TestBothFamilies(t *testing.T) {
	t.Parallel()
	probe, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 loopback")
	}
	probe.Close()
	ready, _ := node(t, "--listen", "127.0.0.1:0,[::1]:0")
	both := strings.ReplaceAll(ready, " ", ",")
	v4, v6, _ := strings.Cut(ready, " ")
	require.True(t, strings.HasPrefix(v6, "[::1]:"), ready)

	stored := found(t, "announce", infoHash, "7001", "--once", "-4", "-6", "--bootstrap", both)
	require.ElementsMatch(t, []string{v4, v6}, stored)
	require.ElementsMatch(t, []string{"127.0.0.1:7001", "[::1]:7001"}, found(t, "peers", infoHash, "-4", "-6", "--bootstrap", both))
	require.Equal(t, []string{"[::1]:7001"}, found(t, "peers", infoHash, "-6", "--bootstrap", both))
	require.Equal(t, []string{"127.0.0.1:7001"}, found(t, "peers", infoHash, "--bootstrap", both), "without -6")
}
