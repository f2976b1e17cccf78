package interop

import (
	"crypto/sha1"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// What libtorrent announces we find, what we announce libtorrent finds, and each stores for the other.
func TestPeersWithLibtorrent(t *testing.T) {
	t.Parallel()
	ours, theirs := startMixed(t, 71, 10, 6)
	everyone := theirs.nodes
	for _, n := range ours {
		everyone = append(everyone, contactOf(n))
	}

	target := near(t, theirs.nodes[4])
	stored := theirs.announce(t, 1, target) // on itself, too: libtorrent sends queries to its own address
	requireNearest(t, target, everyone, stored, "libtorrent's announcement")
	for _, i := range []int{0, 5, 9} {
		require.Equal(t, []string{theirs.nodes[1].Addr}, peersOf(t, ours[i], target), "from our node %d", i)
	}

	target = near(t, theirs.nodes[2])
	stored = announceFrom(t, ours[3], target, 7003)
	requireNearest(t, target, everyone, stored, "our announcement")
	peer := []string{ours[3].Addr().Addr().String() + ":7003"}
	for i := range theirs.nodes {
		require.Equal(t, peer, theirs.lookup(t, i, target), "from libtorrent node %d", i)
	}
	require.Equal(t, peer, peersOf(t, ours[8], target))
	require.Empty(t, theirs.lookup(t, 0, hexID(t, strings.Repeat("00ff", 10))))

	for i, n := range theirs.nodes {
		requireUnderstood(t, n, theirs.packets(t, i), ours)
	}
}

// requireNearest requires that something was stored on the node nearest to the target and on six of the nearest eight.
func requireNearest(t *testing.T, target krpc.ID, everyone []contact, stored []string, what string) {
	t.Helper()
	want := nearest(t, target, everyone, 8)
	require.GreaterOrEqual(t, len(shared(want, stored)), 6, "%s: %v\nstored on %v", what, want, stored)
	require.Contains(t, stored, want[0], what)
}

// requireUnderstood goes through the datagrams between a libtorrent node and nodes of ours: no query led to an error or to
// two answers, and each answer of ours told libtorrent its address (BEP 42).
func requireUnderstood(t *testing.T, it contact, packets []packet, ours []*mainline.Node) {
	t.Helper()
	type call struct {
		addr, tid string
		theirs    bool // the query is
	}
	open, answered := make(map[call]int), 0 // numbers of transactions come again
	for _, n := range ours {
		for _, p := range packets {
			switch {
			case p.addr != n.Addr().String():
			case p.Kind() == krpc.KindQuery:
				open[call{p.addr, string(p.TID()), p.out}]++
			default:
				require.Equal(t, krpc.KindResponse, p.Kind(), "%q", p.Raw())
				c := call{p.addr, string(p.TID()), !p.out}
				open[c]--
				answered++
				require.GreaterOrEqual(t, open[c], 0, "an answer without a query: %q", p.Raw())
				if ip, ok := p.IP(); !p.out {
					require.True(t, ok, "%q", p.Raw())
					require.Equal(t, it.Addr, ip.String())
				}
			}
		}
	}
	require.Greater(t, answered, len(ours))
}

// Seeds and other peers that announced on both kinds of nodes are counted right (BEP 33), and libtorrent's peers are
// named, too, although it leaves them out of its answers to scrapes.
func TestScrapeWithLibtorrent(t *testing.T) {
	t.Parallel()
	ours, theirs := startMixed(t, 75, 8, 4)
	infoHash := theirs.seed(t, 0, "dhtkit")
	require.Equal(t, infoHash, theirs.seed(t, 1, "dhtkit"))
	theirs.announce(t, 2, infoHash)
	peers := []string{theirs.nodes[0].Addr, theirs.nodes[1].Addr, theirs.nodes[2].Addr}
	for i, n := range ours[:6] {
		var opts []mainline.AnnounceOption
		if i < 2 {
			opts = append(opts, mainline.Seed())
		}
		require.NotEmpty(t, announceFrom(t, n, infoHash, 7000, opts...))
		peers = append(peers, n.Addr().Addr().String()+":7000")
	}

	scrape := ours[7].Scrape(infoHash)
	var found []string
	for peer, err := range scrape.Peers(limited(t)) {
		require.NoError(t, err)
		found = append(found, peer.String())
	}
	require.ElementsMatch(t, peers, found)
	estimate := scrape.Estimate()
	require.InDelta(t, 4, estimate.Seeds, 0.5)
	require.InDelta(t, 5, estimate.Peers, 0.5)
	require.Equal(t, 8, estimate.Filters, "every node asked is one that scrapes")
}

// Each tells the other which info hashes it stores (BEP 51).
func TestSamplesWithLibtorrent(t *testing.T) {
	t.Parallel()
	ours, theirs := startMixed(t, 88, 5, 3) // so few that everybody stores everything, but for their own
	var all []string
	for i := range 15 {
		infoHash := krpc.ID(sha1.Sum(fmt.Appendf(nil, "sample %d", i)))
		require.GreaterOrEqual(t, len(announceFrom(t, ours[0], infoHash, 7000)), 6)
		all = append(all, infoHash.String())
	}
	slices.Sort(all)

	answered := make(map[string]bool)
	for s, err := range ours[1].SampleWalk(mainline.SampleConfig{}).Samples(limited(t)) {
		require.NoError(t, err)
		require.True(t, s.Supported, "%v", s.Node)
		require.Len(t, s.Hashes, int(s.Num))
		for _, h := range s.Hashes {
			require.Contains(t, all, h.String())
		}
		answered[s.Node.Addr.String()] = len(s.Hashes) > 0
	}
	for _, c := range theirs.nodes {
		require.True(t, answered[c.Addr], "samples of %s", c.Addr)
	}

	for i := range theirs.nodes {
		var found []string
		for _, n := range ours[1:] {
			s := theirs.sample(t, i, n.Addr().String(), ours[0].ID())
			require.Len(t, s.Samples, s.Num)
			require.Zero(t, s.Interval, "nothing was left out, so there is nothing to come back for")
			require.NotEmpty(t, s.Nodes)
			found = append(found, s.Samples...)
		}
		slices.Sort(found)
		require.Equal(t, all, slices.Compact(found))
	}
}
