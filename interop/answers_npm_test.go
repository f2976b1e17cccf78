package interop

import (
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// What a bittorrent-dht node answers to each query of ours, and where that is not what the texts say.
func TestAnswersOfBittorrentDHT(t *testing.T) {
	t.Parallel()
	theirs := startSwarm(t, 87, 3)
	addr := theirs.nodes[1].Addr
	ours := startOurs(t, "127.90.%d.1", 3, mainline.Config{Bootstrap: []string{addr}})
	us := ours[1]

	r := ask(t, us, addr, krpc.PingArgs{})
	id, _ := r.ID()
	require.Equal(t, theirs.nodes[1].ID, id.String())
	require.Empty(t, r.Version())
	_, ok := r.IP()
	require.False(t, ok, "it knows nothing of BEP 42")
	r = ask(t, us, addr, krpc.FindNodeArgs{Target: us.ID(), Want: krpc.WantBoth})
	require.NotEmpty(t, slices.Collect(r.Nodes))
	require.Nil(t, r.Field("nodes6"), "nor of BEP 32")

	// Peers: with values it sends no nodes (BEP 5 has either), and no filters (BEP 33).
	infoHash := us.ID()
	r = ask(t, us, addr, krpc.GetPeersArgs{InfoHash: infoHash})
	require.NotEmpty(t, slices.Collect(r.Nodes))
	announcement := krpc.AnnouncePeerArgs{InfoHash: infoHash, Port: 7001, ImpliedPort: true, Token: r.Token()}
	require.Equal(t, 203, refused(t, ours[2], addr, announcement).Code, "the token of another address")
	ask(t, us, addr, announcement)
	r = ask(t, us, addr, krpc.GetPeersArgs{InfoHash: infoHash, Scrape: true})
	require.Equal(t, []netip.AddrPort{us.Addr()}, slices.Collect(r.Values))
	require.Nil(t, r.Field("nodes"))
	require.Nil(t, r.BFpe())

	testItemsAtBittorrentDHT(t, us, addr)
}

// testItemsAtBittorrentDHT puts items to a bittorrent-dht node that it takes, refuses or ignores.
func testItemsAtBittorrentDHT(t *testing.T, us *mainline.Node, addr string) {
	t.Helper()
	item, target := signed(30, "salt", 5, "1:a")
	r := ask(t, us, addr, krpc.GetArgs{Target: target})
	require.NotEmpty(t, slices.Collect(r.Nodes))
	token := r.Token()
	ask(t, us, addr, item.WithToken(token))
	r = ask(t, us, addr, krpc.GetArgs{Target: target, Seq: 5, HasSeq: true})
	require.Equal(t, item.V, r.Value(), "it sends the value although there is nothing newer: seq is ignored")
	require.Nil(t, r.Field("nodes"), "and with a value no nodes, which BEP 44 has always")

	refusal := func(item krpc.PutArgs) int { return refused(t, us, addr, item.WithToken(token)).Code }
	require.Equal(t, 302, refusal(item), "the version that it has, which BEP 44 has put again every hour")
	older, _ := signed(30, "salt", 4, "1:b")
	require.Equal(t, 302, refusal(older))
	older.Cas, older.HasCas = 3, true
	require.Equal(t, 301, refusal(older), "cas is looked at before seq")
	negative, other := signed(30, "negative", -1, "1:a")
	ask(t, us, addr, negative.WithToken(token)) // its tokens open every target
	seq, _ := ask(t, us, addr, krpc.GetArgs{Target: other}).Seq()
	require.EqualValues(t, -1, seq)

	// It decodes and encodes anew: what is put unsorted, and has to be refused, it stores sorted, under another target.
	unsorted, sorted := []byte("d1:bi1e1:ai2ee"), newItem(t, map[string]int{"a": 2, "b": 1})
	ask(t, us, addr, krpc.PutArgs{V: unsorted, Token: token})
	require.Equal(t, sorted.V, ask(t, us, addr, krpc.GetArgs{Target: sorted.Target()}).Value())

	// A bad signature (206) and a method that it does not know get no answer.
	forged, _ := signed(30, "salt", 7, "1:c")
	forged.Sig = slices.Clone(item.Sig)
	requireSilence(t, us, addr, forged.WithToken(token), krpc.SampleArgs{Target: target}, krpc.RawArgs{Name: "foo"})
	require.Equal(t, item.V, ask(t, us, addr, krpc.GetArgs{Target: target}).Value())
}

// requireSilence requires that none of the queries is answered.
func requireSilence(t *testing.T, us *mainline.Node, addr string, queries ...krpc.Args) {
	t.Helper()
	errs := make([]error, len(queries))
	var asked sync.WaitGroup
	for i, args := range queries {
		asked.Go(func() { _, errs[i] = us.RPC().Query(t.Context(), netip.MustParseAddrPort(addr), args) })
	}
	asked.Wait()
	for i, err := range errs {
		require.ErrorIs(t, err, krpc.ErrTimeout, queries[i].Method())
	}
}
