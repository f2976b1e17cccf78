package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const magnet = "magnet:?xt=urn:btih:FRVWQWGWDWUVIPKCGGTR3NFRZETEWBUF&dn=a+name"

func TestPeersNobodyAnnounced(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "peers", "--local", "20", infoHash)
	require.Equal(t, exitNothing, r.code, r.stderr)
	require.Empty(t, r.stdout)
	require.Contains(t, r.stderr, "peers: 0")
}

func TestPeersAnnouncesAndLooksAgain(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"127.0.0.1:6881"}, found(t, "peers", "--local", "50", "--announce", "6881", magnet))

	r := dhtkit(t, "peers", "--local", "20", "--announce", "implied", infoHash, "--json")
	require.Equal(t, exitFound, r.code, r.stderr)
	all := records(t, r.stdout)
	peers := ofType(all, "peer")
	require.Len(t, peers, 1)
	require.Equal(t, all[0]["addr"], peers[0]["addr"], "our own socket")
	require.Equal(t, infoHash, peers[0]["info_hash"])
	require.Len(t, ofType(all, "stored"), 8)
	require.Equal(t, 8., all[len(all)-1]["stored"])
}

// What one run announces another one finds, over a node that a third one runs.
func TestAnnounceThenPeers(t *testing.T) {
	t.Parallel()
	first, _ := node(t)
	second, _ := node(t, "--bootstrap", first)
	stored := found(t, "announce", infoHash, "6881", "--once", "--bootstrap", second)
	require.ElementsMatch(t, []string{first, second}, stored)
	require.Equal(t, []string{"127.0.0.1:6881"}, found(t, "peers", infoHash, "--bootstrap", first))

	r := dhtkitWith(t, "# hashes\n"+strings.Repeat("00", 20)+"\n"+magnet+" # the same\n"+infoHash+"\n", "peers", "-", "--json", "--bootstrap", first)
	require.Equal(t, exitFound, r.code, r.stderr)
	all := records(t, r.stdout)
	require.Len(t, ofType(all, "peer"), 1)
	require.Equal(t, []any{2., 1., 1.}, []any{all[len(all)-1]["hashes"], all[len(all)-1]["with_peers"], all[len(all)-1]["peers"]})
}

func TestPeersMax(t *testing.T) {
	t.Parallel()
	first, _ := node(t)
	for _, from := range []string{"127.0.9.1:0", "127.0.9.2:0", "127.0.9.3:0"} {
		if !bindable(t, from) {
			t.Skip("only one loopback address")
		}
		found(t, "announce", infoHash, "7001", "--once", "--bootstrap", first, "--listen", from)
	}
	all := found(t, "peers", infoHash, "--bootstrap", first)
	slices.Sort(all)
	require.Equal(t, []string{"127.0.9.1:7001", "127.0.9.2:7001", "127.0.9.3:7001"}, all)
	require.Len(t, found(t, "peers", infoHash, "--bootstrap", first, "--max", "2"), 2)
	require.Len(t, found(t, "peers", infoHash, "--bootstrap", first, "--first"), 1)
}

// An announcement is repeated until an interrupt, which is its normal end.
func TestAnnounceRepeats(t *testing.T) {
	t.Parallel()
	first, _ := node(t)
	b := start(t, "announce", infoHash, "--implied", "--bootstrap", first, "--every", "1ms")
	require.Equal(t, first, b.out.line(3))
	r := b.stop()
	require.Contains(t, []int{exitFound, exitStopped}, r.code, "between two rounds, or within one")
	require.Regexp(t, `nodes that stored it: \d+, rounds: \d+`, r.stderr)
}

func TestInterruptedAnnounce(t *testing.T) {
	t.Parallel()
	first, _ := node(t)
	b := start(t, "announce", infoHash, "6881", "--bootstrap", first, "--json", "--progress", "never")
	b.out.line(2) // start, stored
	r := b.stop()
	require.Equal(t, "summary", records(t, r.stdout)[2]["type"])
}

func TestFind(t *testing.T) {
	t.Parallel()
	all := found(t, "crawl", "--local", "40", "--seed", "1")
	require.Len(t, all, 40)

	near := found(t, "find", "--local", "40", "-k", "5", infoHash)
	require.Len(t, near, 5)
	ids := make([]string, len(near))
	for i, line := range near {
		id, addr, _ := strings.Cut(line, " ")
		_, err := netip.ParseAddrPort(addr)
		require.NoError(t, err)
		ids[i] = id
	}
	require.True(t, slices.IsSortedFunc(ids, func(a, b string) int { return strings.Compare(distance(t, a), distance(t, b)) }), "closest first: %v", ids)
	require.Len(t, found(t, "find", "--local", "30", "--max", "2", infoHash), 2)
}

func TestFindTrace(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "find", "--local", "30", "--trace", "--json", infoHash)
	require.Equal(t, exitFound, r.code, r.stderr)
	all := records(t, r.stdout)
	require.GreaterOrEqual(t, len(ofType(all, "node")), 8) // of the 20 wanted: nodes name no more than 8
	events := make(map[any]int)
	for _, h := range ofType(all, "hop") {
		events[h["event"]]++
	}
	require.GreaterOrEqual(t, events["ask"], events["answer"])
	require.GreaterOrEqual(t, events["answer"], 8)

	r = dhtkit(t, "find", "--local", "5", "--trace", infoHash)
	require.Len(t, lines(r.stdout), 5, "the trace is not on standard output")
	require.Regexp(t, `(?m)ms answer 127\.`, r.stderr)
}
