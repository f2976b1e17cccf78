package mainline_test

import (
	"testing"
	"testing/synctest"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

func TestScrapeCountsASwarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 50)
		ih := krpc.ID{0x77}
		for i := 5; i < 35; i++ {
			var opts []mainline.AnnounceOption
			if i < 15 {
				opts = append(opts, mainline.Seed())
			}
			for _, err := range l.nodes[i].Announce(ih, 7000, opts...).Stored(t.Context()) {
				require.NoError(t, err)
			}
		}
		s := l.nodes[40].Scrape(ih)
		var last mainline.SwarmEstimate
		for e, err := range s.Estimates(t.Context()) {
			require.NoError(t, err)
			require.NotEqual(t, last, e)
			last = e
		}
		require.Equal(t, last, s.Estimate())
		require.InDelta(t, 10, last.Seeds, 1)
		require.InDelta(t, 20, last.Peers, 1)
		require.Equal(t, 8, last.Filters)
		require.Zero(t, last.Values)

		none := l.nodes[40].Scrape(krpc.ID{0x78})
		for e := range none.Estimates(t.Context()) {
			t.Fatal("nothing to report", e)
		}
		require.Equal(t, mainline.SwarmEstimate{}, none.Estimate())
	})
}

func TestScrapeAsksAgainForPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 20)
		ih := krpc.ID{0x77}
		for range l.nodes[5].Announce(ih, 7000).Stored(t.Context()) {
		}
		asked := 0
		for _, n := range l.nodes { // which answer a scrape without peers, as libtorrent does
			n.RPC().OnQuery(krpc.MethodGetPeers, func(q *krpc.Query) {
				args, _ := q.GetPeers()
				res := &krpc.GetPeersResults{}
				res.Nodes = q.Closest(ih.Key(), 8)
				if args.Scrape {
					var f mainline.Filter
					f.Insert(addr(5).Addr())
					res.BFsd, res.BFpe = make([]byte, len(f)), f[:]
				} else {
					asked++
					res.Values = append(res.Values, addr(5))
				}
				q.Reply(res)
			})
		}
		s := l.nodes[10].Scrape(ih)
		var got []string
		for p, err := range s.Peers(t.Context()) {
			require.NoError(t, err)
			got = append(got, p.String())
		}
		require.Equal(t, []string{addr(5).String()}, got[len(got)-1:])
		require.Equal(t, 8, asked, "the closest, once")
		require.InDelta(t, 1, s.Estimate().Peers, 0.1)
		require.Zero(t, l.nodes[10].RPC().InFlight())
	})
}
