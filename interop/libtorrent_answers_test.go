package interop

import (
	"crypto/ed25519"
	"crypto/sha1"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// What a libtorrent node answers to each query of ours, read with our own codec, and where that is not what the
// texts say.
func TestAnswersOfLibtorrent(t *testing.T) {
	t.Parallel()
	ours, theirs := startMixed(t, 73, 5, 2)
	us, it := ours[2], theirs.nodes[0]
	target := near(t, it)
	await(t, "libtorrent knows our node", func() bool { return slices.Contains(theirs.table(t, 0), contactOf(us)) })

	t.Run("ping", func(t *testing.T) {
		r := ask(t, us, it.Addr, krpc.PingArgs{})
		id, _ := r.ID()
		require.Equal(t, it.ID, id.String())
		require.True(t, strings.HasPrefix(string(r.Version()), "LT"), "%q", r.Version())
		ip, ok := r.IP()
		require.True(t, ok)
		require.Equal(t, us.Addr(), ip, "BEP 42: our address, as it sees it")
	})

	t.Run("find_node with want", func(t *testing.T) {
		requireLists(t, us, it.Addr)
		var named []string
		r := ask(t, us, it.Addr, krpc.FindNodeArgs{Target: us.ID()})
		for n := range r.Nodes {
			named = append(named, n.Addr.String())
		}
		require.Contains(t, named, us.Addr().String(), "libtorrent names the asker, too: we have to skip ourselves")
	})

	t.Run("announce_peer, get_peers, sample_infohashes", func(t *testing.T) {
		testPeersAtLibtorrent(t, ours, it.Addr, target)
	})

	t.Run("unknown methods", func(t *testing.T) {
		require.Equal(t, 203, refused(t, us, it.Addr, krpc.RawArgs{Name: "foo"}).Code, "BEP 5 says 204")
		r := ask(t, us, it.Addr, krpc.RawArgs{Name: "foo", Fields: map[string]any{"target": string(target[:])}})
		require.NotEmpty(t, slices.Collect(r.Nodes), "with a target it is a find_node")
	})

	t.Run("get and put", func(t *testing.T) { testItemsAtLibtorrent(t, us, it.Addr) })
}

// requireLists requires that a node of IPv4, which knows no other, answers with nodes if asked for them (BEP 32), and leaves
// out the list that would be empty. (Ours sends it empty, as some take a reply without nodes for an error.)
func requireLists(t *testing.T, us *mainline.Node, addr string) {
	t.Helper()
	for want, lists := range map[krpc.Want][]bool{ // nodes, nodes6
		0:             {true, false},
		krpc.WantN4:   {true, false},
		krpc.WantN6:   {false, false},
		krpc.WantBoth: {true, false},
	} {
		r := ask(t, us, addr, krpc.FindNodeArgs{Target: us.ID(), Want: want})
		require.Equal(t, lists, []bool{r.Field("nodes") != nil, r.Field("nodes6") != nil}, "want %d", want)
		id, _ := r.ID()
		for n := range r.Nodes {
			require.NotEqual(t, id, n.ID, "its own id")
		}
	}
}

// testPeersAtLibtorrent announces a peer and a seed to a libtorrent node and asks for them.
func testPeersAtLibtorrent(t *testing.T, ours []*mainline.Node, addr string, target krpc.ID) {
	for i, n := range ours[:2] {
		token := ask(t, n, addr, krpc.GetPeersArgs{InfoHash: target}).Token()
		require.Len(t, token, 4)
		announcement := krpc.AnnouncePeerArgs{InfoHash: target, Port: uint16(7000 + i), Seed: i == 1, Token: token}
		require.Equal(t, 203, refused(t, ours[3], addr, announcement).Code, "the token of another address")
		ask(t, n, addr, announcement)
	}
	peers := func(args krpc.GetPeersArgs) (all []string) {
		r := ask(t, ours[3], addr, args)
		require.NotEmpty(t, slices.Collect(r.Nodes), "libtorrent sends nodes and values")
		for peer := range r.Values {
			all = append(all, peer.String())
		}
		return all
	}
	peer, seed := ours[0].Addr().Addr().String()+":7000", ours[1].Addr().Addr().String()+":7001"
	require.ElementsMatch(t, []string{peer, seed}, peers(krpc.GetPeersArgs{InfoHash: target}))
	require.Equal(t, []string{peer}, peers(krpc.GetPeersArgs{InfoHash: target, NoSeed: true}))

	// BEP 33 adds the filters to the reply; libtorrent sends them in place of the values (its issue 8005).
	require.Empty(t, peers(krpc.GetPeersArgs{InfoHash: target, Scrape: true}))
	r := ask(t, ours[3], addr, krpc.GetPeersArgs{InfoHash: target, Scrape: true})
	var seeds, others mainline.Filter
	seeds.Insert(ours[1].Addr().Addr())
	others.Insert(ours[0].Addr().Addr())
	require.Equal(t, seeds[:], r.BFsd())
	require.Equal(t, others[:], r.BFpe())

	r = ask(t, ours[3], addr, krpc.SampleArgs{Target: ours[0].ID()}) // BEP 51
	require.True(t, r.HasSamples())
	require.Equal(t, []krpc.ID{target}, slices.Collect(r.Samples))
	require.NotEmpty(t, slices.Collect(r.Nodes))
	num, _ := r.Num()
	interval, _ := r.Interval()
	require.Equal(t, [2]int64{1, 21600}, [2]int64{num, interval})
}

// testItemsAtLibtorrent puts items to a libtorrent node that it has to take or to refuse, and gets them back.
func testItemsAtLibtorrent(t *testing.T, us *mainline.Node, addr string) {
	get := func(target krpc.ID) *krpc.Reply { return ask(t, us, addr, krpc.GetArgs{Target: target}) }
	put := func(target krpc.ID, item krpc.PutArgs) { ask(t, us, addr, item.WithToken(get(target).Token())) }
	refusal := func(target krpc.ID, item krpc.PutArgs) int {
		return refused(t, us, addr, item.WithToken(get(target).Token())).Code
	}

	value := []byte("d1:ai1e1:bli2ei3eee")
	put(sha1.Sum(value), krpc.PutArgs{V: value})
	require.Equal(t, value, get(sha1.Sum(value)).Value())
	big := fmt.Appendf(nil, "997:%0997d", 0)
	require.Equal(t, 205, refusal(sha1.Sum(big), krpc.PutArgs{V: big}), "1001 bytes")
	unsorted := []byte("d1:bi1e1:ai2ee")
	require.Equal(t, 203, refusal(sha1.Sum(unsorted), krpc.PutArgs{V: unsorted}))

	item, target := signed(1, "salt", 5, "1:a")
	put(target, item)
	r := get(target)
	seq, _ := r.Seq()
	require.EqualValues(t, 5, seq)
	require.Equal(t, item.V, r.Value())
	require.Equal(t, [][]byte{item.K, item.Sig}, [][]byte{r.K(), r.Sig()})

	r = ask(t, us, addr, krpc.GetArgs{Target: target, Seq: 5, HasSeq: true})
	seq, ok := r.Seq()
	require.True(t, ok)
	require.EqualValues(t, 5, seq)
	require.Nil(t, r.Value(), "nothing newer: seq without a value")
	require.NotNil(t, ask(t, us, addr, krpc.GetArgs{Target: target, Seq: 4, HasSeq: true}).Value())

	other, _ := signed(1, "salt", 5, "1:b")
	put(target, other) // BEP 44 has this rejected; libtorrent says it took it
	require.Equal(t, item.V, get(target).Value(), "but keeps what it had")
	older, _ := signed(1, "salt", 4, "1:b")
	require.Equal(t, 302, refusal(target, older))
	older.Cas, older.HasCas = 3, true
	require.Equal(t, 301, refusal(target, older), "cas is looked at before seq")
	newer, _ := signed(1, "salt", 6, "1:b")
	newer.Cas, newer.HasCas = 5, true
	put(target, newer)
	require.Equal(t, newer.V, get(target).Value())

	forged, _ := signed(1, "salt", 7, "1:c")
	forged.Sig = slices.Clone(forged.Sig)
	forged.Sig[0] ^= 1
	require.Equal(t, 206, refusal(target, forged))
	long, target := signed(1, strings.Repeat("s", krpc.MaxSalt+1), 1, "1:a")
	require.Equal(t, 207, refusal(target, long))
	negative, target := signed(1, "negative", -1, "1:a")
	require.Equal(t, 203, refusal(target, negative))
}

// signed returns a mutable item without a token, and its target. Each key is another author.
func signed(key byte, salt string, seq int64, value string) (krpc.PutArgs, krpc.ID) {
	private := ed25519.NewKeyFromSeed(slices.Repeat([]byte{key}, ed25519.SeedSize))
	public := []byte(private.Public().(ed25519.PublicKey))
	var text []byte // what is signed: BEP 44
	if salt != "" {
		text = fmt.Appendf(text, "4:salt%d:%s", len(salt), salt)
	}
	text = fmt.Appendf(text, "3:seqi%de1:v%s", seq, value)
	item := krpc.PutArgs{V: []byte(value), K: public, Sig: ed25519.Sign(private, text), Salt: []byte(salt), Seq: seq}
	return item, sha1.Sum(slices.Concat(public, item.Salt))
}
