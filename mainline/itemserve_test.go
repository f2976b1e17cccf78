package mainline

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// tokenFor asks for a write token.
func tokenFor(t testing.TB, n *Node, from netip.AddrPort, target krpc.ID) []byte {
	t.Helper()
	answers := exchange(n, from, query("aa", krpc.GetArgs{Target: target}))
	require.Len(t, answers, 1)
	m, err := krpc.Parse(answers[0])
	require.NoError(t, err)
	return m.Token()
}

// putArgs sends a put with a good token for target and returns what came of it.
func putArgs(t *testing.T, n *Node, args krpc.PutArgs, target krpc.ID) string {
	t.Helper()
	args.Token = tokenFor(t, n, asker, target)
	return outcome(t, exchange(n, asker, query("aa", args)))
}

func put(t *testing.T, n *Node, it *Item) string {
	t.Helper()
	return putArgs(t, n, it.args(), it.Target())
}

func putCas(t *testing.T, n *Node, it *Item, cas int64) string {
	t.Helper()
	args := it.args()
	args.Cas, args.HasCas = cas, true
	return putArgs(t, n, args, it.Target())
}

func get(t *testing.T, n *Node, args krpc.GetArgs) krpc.Message {
	t.Helper()
	return parsed(t, exchange(n, asker, query("aa", args)))
}

// rawPut sends arguments that our types do not write, with a token for target.
func rawPut(t *testing.T, n *Node, fields map[string]any, target krpc.ID) string {
	t.Helper()
	args := krpc.RawArgs{Name: krpc.MethodPut, Fields: fields, Token: tokenFor(t, n, asker, target)}
	require.NoError(t, args.Check())
	return outcome(t, exchange(n, asker, query("aa", args)))
}

func TestItemsAreServedAsTheyWerePut(t *testing.T) {
	n := stepped(t, Config{}, 100)
	fixed, err := NewItem(map[string]any{"v": "inner", "a": []int{1}})
	require.NoError(t, err)
	mutable := signed(t, testKey(1), "salt", 4, "value")
	for _, it := range []*Item{fixed, mutable} {
		m := get(t, n, krpc.GetArgs{Target: it.Target()})
		require.Nil(t, m.Value())
		require.NotNil(t, m.Token())
		require.Equal(t, "reply", put(t, n, it))
		m = get(t, n, krpc.GetArgs{Target: it.Target()})
		require.Equal(t, it.V, m.Value())
		require.Equal(t, 8, nodesIn(&m))
		seq, ok := m.Seq()
		require.Equal(t, it.Mutable(), ok)
		require.Equal(t, it.Seq, seq)
		require.Equal(t, []byte(it.K), m.K())
		require.Equal(t, it.Sig, m.Sig())
		require.Nil(t, m.Field("salt"), "never returned")
	}
}

func nodesIn(m *krpc.Message) (n int) {
	for range m.Contacts(krpc.IDSize) {
		n++
	}
	return n
}

func TestAskerThatHasTheVersionGetsItsNumberOnly(t *testing.T) {
	n := stepped(t, Config{}, 8)
	it := signed(t, testKey(1), "", 4, "value")
	require.Equal(t, "reply", put(t, n, it))
	for seq, want := range map[int64]bool{1: true, 3: true, 4: false, 5: false} {
		m := get(t, n, krpc.GetArgs{Target: it.Target(), Seq: seq, HasSeq: true})
		require.Equal(t, want, m.Value() != nil, seq)
		require.Equal(t, want, m.K() != nil, seq)
		require.Equal(t, want, m.Sig() != nil, seq)
		got, ok := m.Seq()
		require.True(t, ok)
		require.EqualValues(t, 4, got)
	}
	fixed, err := NewItem("x")
	require.NoError(t, err)
	require.Equal(t, "reply", put(t, n, fixed))
	m := get(t, n, krpc.GetArgs{Target: fixed.Target(), Seq: 9, HasSeq: true})
	require.NotNil(t, m.Value(), "an immutable item has no number")
}

// The order of checks and the codes are those of mainline digest 6.2.
func TestPutIsJudged(t *testing.T) {
	n := stepped(t, Config{}, 8)
	version := func(seq int64, value string) *Item { return signed(t, testKey(1), "s", seq, value) }
	spoiled := func(it *Item) *Item {
		it.Sig[0] ^= 1
		return it
	}
	require.Equal(t, "206", put(t, n, spoiled(version(4, "four"))))
	require.Equal(t, "reply", putCas(t, n, version(4, "four"), 99), "a cas with nothing stored is ignored")
	for _, c := range []struct{ name, want, got string }{
		{"the same again", "reply", put(t, n, version(4, "four"))},
		{"equal number, another value", "302", put(t, n, version(4, "vier"))},
		{"lower", "302", put(t, n, version(3, "three"))},
		{"lower, badly signed", "302", put(t, n, spoiled(version(3, "three")))},
		{"higher, badly signed", "206", put(t, n, spoiled(version(5, "five")))},
		{"the same, badly signed", "206", put(t, n, spoiled(version(4, "four")))},
		{"wrong cas", "301", putCas(t, n, version(5, "five"), 3)},
		{"wrong cas and lower", "301", putCas(t, n, version(3, "three"), 2)},
		{"right cas and lower", "302", putCas(t, n, version(3, "three"), 4)},
		{"right cas", "reply", putCas(t, n, version(5, "five"), 4)},
		{"the same message again", "301", putCas(t, n, version(5, "five"), 4)},
		{"skipping numbers", "reply", put(t, n, version(1<<62, "high"))},
	} {
		require.Equal(t, c.want, c.got, c.name)
	}
	m := get(t, n, krpc.GetArgs{Target: version(1, "").Target()})
	require.Equal(t, "4:high", string(m.Value()))
}

func TestPutNeedsItsToken(t *testing.T) {
	n := stepped(t, Config{}, 8)
	it := signed(t, testKey(1), "", 1, "x")
	other := signed(t, testKey(2), "", 1, "x")
	require.Equal(t, "203", putArgs(t, n, it.args(), other.Target()), "token of another target")
	args := it.args()
	args.Token = tokenFor(t, n, asker, it.Target())
	require.Equal(t, "203", outcome(t, exchange(n, netip.MustParseAddrPort("46.67.8.9:1"), query("aa", args))), "of another address")
	require.Zero(t, n.cfg.Items.(*MemoryItems).Len())
}

// Some clients take a put that lacks part of what a signed item has for an immutable one, and serve it in its place.
func TestHalfSignedPutIsRefused(t *testing.T) {
	n := stepped(t, Config{}, 8)
	it := signed(t, testKey(1), "", 1, "x")
	whole := func() map[string]any {
		return map[string]any{"v": "x", "k": string(it.K), "sig": string(it.Sig), "seq": it.Seq}
	}
	for _, part := range []string{"k", "sig", "seq"} {
		for name, value := range map[string]any{"absent": nil, "short": "123", "of another type": []int{1}} {
			fields := whole()
			if fields[part] = value; value == nil {
				delete(fields, part)
			}
			require.Equal(t, "203", rawPut(t, n, fields, it.Target()), "%s %s", part, name)
		}
	}
	fields := whole()
	fields["seq"] = -1
	require.Equal(t, "203", rawPut(t, n, fields, it.Target()))
	fields = whole()
	fields["salt"] = strings.Repeat("s", 65)
	require.Equal(t, "207", rawPut(t, n, fields, it.Target()))
	require.Equal(t, "203", rawPut(t, n, map[string]any{}, it.Target()), "no value")
	require.Zero(t, n.cfg.Items.(*MemoryItems).Len())
	require.Equal(t, "reply", rawPut(t, n, whole(), it.Target()))
}

func TestLargestItemsAndTheirReplies(t *testing.T) {
	n := stepped(t, Config{}, 100)
	for _, size := range []int{0, 400, 700, 900, 996} {
		it := signed(t, testKey(byte(size)), "", 1<<62, string(make([]byte, size)))
		require.Equal(t, "reply", put(t, n, it))
		answers := exchange(n, asker, query("aaaa", krpc.GetArgs{Target: it.Target(), Want: krpc.WantBoth}))
		m := parsed(t, answers)
		require.True(t, bytes.Equal(it.V, m.Value()))
		require.LessOrEqual(t, len(answers[0]), itemCap)
		if nodes := nodesIn(&m); size <= 900 {
			require.NotNil(t, m.Token())
			require.True(t, nodes == 8 || len(answers[0])+26 > itemCap, "no room for another node")
		}
	}
}

func TestWhoRepeatedATokenGetsLongAnswersToShortQueries(t *testing.T) {
	n := stepped(t, Config{}, 100)
	it := signed(t, testKey(1), "", 1, string(make([]byte, 996)))
	ask := func() *Item {
		m := get(t, n, krpc.GetArgs{Target: it.Target()})
		return &Item{V: m.Value()}
	}
	n.cfg.Items.Put(it.Target(), it, asker.Addr(), testStart)
	require.Nil(t, ask().V, "twelve times the query is less")
	require.Equal(t, "reply", put(t, n, signed(t, testKey(2), "", 1, "x")))
	require.Len(t, ask().V, krpc.MaxValue)
}

func TestItemsExpire(t *testing.T) {
	store := NewItemStore(ItemStoreConfig{})
	it := signed(t, testKey(1), "", 1, "x")
	store.Put(it.Target(), it, asker.Addr(), testStart.Add(-2*time.Hour))
	n := stepped(t, Config{Items: store}, 0)
	m := get(t, n, krpc.GetArgs{Target: it.Target()})
	require.Nil(t, m.Value())
}

func TestGetAllocatesNothing(t *testing.T) {
	n := stepped(t, Config{}, 300)
	it := signed(t, testKey(1), "", 1, "x")
	require.Equal(t, "reply", put(t, n, it))
	for name, target := range map[string]krpc.ID{"stored": it.Target(), "nothing": {7}} {
		d := socket.Datagram{Payload: query("aa", krpc.GetArgs{Target: target}), From: asker, At: testStart}
		out := func(int, netip.AddrPort, []byte) {}
		n.RPC().Socket().Receive(d, out)
		require.Zero(t, testing.AllocsPerRun(1000, func() { n.RPC().Socket().Receive(d, out) }), name)
	}
}

func TestOneSourceDoesNotUseUpACore(t *testing.T) {
	c := newCheckBudget()
	spent := func(from string, now time.Time, tries int) (n int) {
		for i := range tries {
			from := netip.MustParseAddr(from)
			if i%2 == 1 {
				from = from.Next() // the same network
			}
			if c.spend(from, now) {
				n++
			}
		}
		return n
	}
	require.Equal(t, checkBurst, spent("45.1.1.1", testStart, 1000))
	require.Equal(t, checkRate, spent("45.1.1.1", testStart.Add(time.Second), 1000))
	require.Equal(t, checkBurst, spent("2a01::1", testStart.Add(time.Second), 1000), "somebody else")
	all := 0
	for i := range 100 {
		all += spent(fmt.Sprintf("60.1.%d.1", i), testStart.Add(time.Minute), 40)
	}
	require.LessOrEqual(t, all, checkAll)
	require.Greater(t, all, checkAll/2)

	n := stepped(t, Config{}, 8)
	codes := map[string]int{}
	for i := range 100 {
		it := signed(t, testKey(byte(i)), "", 1, "x")
		it.Sig[0] ^= 1
		codes[put(t, n, it)]++
	}
	require.Equal(t, map[string]int{"206": checkBurst, "202": 100 - checkBurst}, codes)
}

// countingStore counts what reaches the store.
type countingStore struct {
	ItemStore
	puts int
}

func (s *countingStore) Put(target krpc.ID, it *Item, from netip.Addr, now time.Time) bool {
	s.puts++
	return s.ItemStore.Put(target, it, from, now) && s.puts < 3
}

func TestStoreOfOnesOwn(t *testing.T) {
	s := &countingStore{ItemStore: NewItemStore(ItemStoreConfig{})}
	n := stepped(t, Config{Items: s}, 0)
	require.Equal(t, "reply", put(t, n, signed(t, testKey(1), "", 1, "x")))
	require.Equal(t, "reply", put(t, n, signed(t, testKey(1), "", 1, "x")))
	require.Equal(t, "201", put(t, n, signed(t, testKey(2), "", 1, "x")), "no room")
	require.Equal(t, 3, s.puts)
}

func checkItems(c *checker, v *vectors) {
	n := stepped(c, Config{}, 8)
	for _, x := range append(v.BEP44.Spec, v.BEP44.Own...) {
		it := &Item{V: x.V, K: ed25519.PublicKey(x.K), Salt: x.Salt, Seq: x.Seq, Sig: x.Sig}
		if x.Kind == "immutable" {
			it = &Item{V: x.V}
		}
		c.equal(x.Target, hexBytes(idBytes(it.Target())), x.Name)
		switch {
		case x.Seq < 0:
			c.equal(ErrItemSeq, it.Verify(), x.Name)
			c.equal(true, ed25519.Verify(it.K, it.appendSigned(nil), it.Sig), x.Name)
			c.equal("203", put(c.T, n, it), x.Name)
		default:
			c.equal(nil, it.Verify(), x.Name)
			checkStored(c, x.Name, it)
		}
		if x.Kind == "immutable" {
			continue
		}
		c.equal(x.Buffer, hexBytes(it.appendSigned(nil)), x.Name)
		key, err := ParsePrivateKey(append(x.Seed, x.Expanded...))
		require.NoError(c, err)
		c.equal(it.K, key.Public().(ed25519.PublicKey), x.Name)
		sig, err := key.Sign(nil, x.Buffer, crypto.Hash(0))
		require.NoError(c, err)
		c.equal(x.Sig, hexBytes(sig), x.Name)
	}
	dropped := 0
	for _, x := range v.BEP44.MustReject {
		want := fmt.Sprint(x.Error)
		if got := x.put(c, n); got == "drop" { // numbers that package krpc refuses wherever they are in a datagram
			require.False(c, krpc.Canonical(x.V), x.Name)
			c.equal("203", want, x.Name)
			dropped++
		} else {
			c.equal(want, got, x.Name)
		}
	}
	c.equal(3, dropped, "leading zeros of an integer and of a length, minus zero")
	c.equal(0, n.cfg.Items.(*MemoryItems).Len())
}

// checkStored wants the item back from a node to which it was put.
func checkStored(c *checker, name string, it *Item) {
	n := stepped(c, Config{}, 8)
	c.equal("reply", put(c.T, n, it), name)
	m := get(c.T, n, krpc.GetArgs{Target: it.Target(), Want: krpc.WantBoth})
	c.equal(true, bytes.Equal(it.V, m.Value()), name)
	c.equal(it.Sig, m.Sig(), name)
	c.equal(true, it.equal(n.cfg.Items.Get(it.Target(), testStart)), name)
}

func idBytes(id krpc.ID) []byte { return id[:] }
