package mainline_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

var ownerKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

func version(t *testing.T, salt string, seq int64, value any) *mainline.Item {
	t.Helper()
	it, err := mainline.SignItem(ownerKey, []byte(salt), seq, value)
	require.NoError(t, err)
	return it
}

// putAt puts an item and returns how many nodes took it, and the error that came last.
func putAt(t *testing.T, n *mainline.Node, it *mainline.Item, opts ...mainline.PutOption) (stored int, last error) {
	t.Helper()
	for _, err := range n.PutItem(it, opts...).Stored(t.Context()) {
		if last = err; err == nil {
			stored++
		}
	}
	return stored, last
}

// getAt returns what a lookup yields.
func getAt(t *testing.T, n *mainline.Node, target krpc.ID, opts ...mainline.GetOption) (items []*mainline.Item) {
	t.Helper()
	for it, err := range n.GetItem(target, opts...).Items(t.Context()) {
		require.NoError(t, err)
		items = append(items, it)
	}
	return items
}

func TestItemsArePutAndFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 40)
		fixed, err := mainline.NewItem("forever")
		require.NoError(t, err)
		salted := version(t, "salt", 1, map[string]any{"n": 1})
		plain := version(t, "", 1, "plain")
		longest := version(t, "long", 1, string(make([]byte, 996)))
		longestFixed, err := mainline.NewItem(string(make([]byte, 996)))
		require.NoError(t, err)
		for _, it := range []*mainline.Item{fixed, salted, plain, longest, longestFixed} {
			stored, err := putAt(t, l.nodes[5], it)
			require.NoError(t, err)
			require.Equal(t, 8, stored)
			got := getAt(t, l.nodes[30], it.Target(), mainline.Salt(it.Salt))
			require.Len(t, got, 1)
			require.Equal(t, it.V, got[0].V)
			require.Equal(t, it.Seq, got[0].Seq)
			require.Equal(t, it.Sig, got[0].Sig)
		}
		fresh := l.add(mainline.Config{}) // that stores nothing itself
		require.Empty(t, getAt(t, fresh, salted.Target()), "without the salt it does not verify")
		require.NotEmpty(t, getAt(t, fresh, salted.Target(), mainline.Salt(salted.Salt)))
		require.Empty(t, getAt(t, l.nodes[30], krpc.ID{9}))

		next := version(t, "salt", 2, map[string]any{"n": 2})
		stored, err := putAt(t, l.nodes[6], next)
		require.NoError(t, err)
		require.Equal(t, 8, stored)
		got := getAt(t, l.nodes[31], next.Target(), mainline.Salt([]byte("salt")), mainline.NewerThan(1))
		require.Equal(t, next.V, got[len(got)-1].V)
		require.Empty(t, getAt(t, l.nodes[31], next.Target(), mainline.Salt([]byte("salt")), mainline.NewerThan(2)))
		for _, n := range l.nodes {
			require.Zero(t, n.RPC().InFlight())
		}
	})
}

func TestPutSaysWhatStandsAgainstIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30)
		five := version(t, "", 5, "five")
		stored, err := putAt(t, l.nodes[5], five, mainline.Cas(1))
		require.NoError(t, err, "nothing to compare with")
		require.Equal(t, 8, stored)

		for name, c := range map[string]struct {
			it   *mainline.Item
			opts []mainline.PutOption
			want int
		}{
			"lower":         {version(t, "", 4, "four"), nil, krpc.CodeSeqTooLow},
			"another value": {version(t, "", 5, "fünf"), nil, krpc.CodeSeqTooLow},
			"other cas":     {version(t, "", 6, "six"), []mainline.PutOption{mainline.Cas(4)}, krpc.CodeCasMismatch},
		} {
			stored, err := putAt(t, l.nodes[6], c.it, c.opts...)
			require.Zero(t, stored, name)
			conflict, ok := errors.AsType[*mainline.ConflictError](err)
			require.True(t, ok, name)
			require.Equal(t, c.want, conflict.Reason.Code, name)
			require.ErrorIs(t, err, &krpc.Error{Code: c.want})
			require.Equal(t, five.V, conflict.Stored.V, name)
			require.Zero(t, conflict.Refused, name)
		}
		for range 2 { // the second time it is there already
			stored, err = putAt(t, l.nodes[6], version(t, "", 6, "six"), mainline.Cas(5))
			require.NoError(t, err)
			require.Equal(t, 8, stored)
		}
		broken := version(t, "", 7, "seven")
		broken.Sig[0] ^= 1
		_, err = putAt(t, l.nodes[6], broken)
		require.ErrorIs(t, err, mainline.ErrItemSignature)
	})
}

// Two owners of one key write at once: each looks before the other has written.
func TestMoreRefusalsThanStoresAreAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30)
		target := version(t, "", 1, "").Target()
		refusing := 0
		closest := l.nodes[5].FindNode(target)
		for range closest.Nodes(t.Context()) {
		}
		for _, c := range closest.Closest()[:5] { // refuse whatever they are sent
			for i, n := range l.nodes {
				if addr(i) == c.Addr {
					n.RPC().OnQuery(krpc.MethodPut, func(q *krpc.Query) { q.Fail(krpc.ErrCasMismatch) })
					refusing++
				}
			}
		}
		require.Equal(t, 5, refusing)
		stored, err := putAt(t, l.nodes[5], version(t, "", 1, "one"))
		require.Equal(t, 3, stored)
		conflict, ok := errors.AsType[*mainline.ConflictError](err)
		require.True(t, ok)
		require.Equal(t, []int{5, 3, 301}, []int{conflict.Refused, conflict.Taken, conflict.Reason.Code})
		require.Nil(t, conflict.Stored)
	})
}

// except returns the nodes without those given and without the n nearest to target of the others.
func (l *lab) except(target krpc.ID, n int, without ...int) (nodes []int) {
	for i := range l.nodes {
		if !slices.Contains(without, i) {
			nodes = append(nodes, i)
		}
	}
	slices.SortFunc(nodes, func(a, b int) int {
		return routing.CompareDistance(target.Key(), l.nodes[a].ID().Key(), l.nodes[b].ID().Key())
	})
	return nodes[n:]
}

// liar makes a node answer get with an item.
func liar(n *mainline.Node, it mainline.Item) {
	n.RPC().OnQuery(krpc.MethodGet, func(q *krpc.Query) {
		args, _ := q.Get()
		res := &krpc.GetResults{V: it.V, K: it.K, Sig: it.Sig, Seq: it.Seq, HasSeq: it.K != nil, Token: []byte("token")}
		res.Nodes = q.Closest(args.Target.Key(), 8)
		q.Reply(res)
	})
}

func TestWhatDoesNotVerifyIsNoItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30)
		good := version(t, "", 5, "good")
		stored, err := putAt(t, l.nodes[5], good)
		require.NoError(t, err)
		require.Equal(t, 8, stored)
		forged, other := *good, *version(t, "other", 9, "elsewhere")
		forged.Seq = 9
		immutable := mainline.Item{V: []byte("3:lie")}
		larger := *version(t, "", 5, "good and larger")
		putTo := make(map[int]int)
		liars := l.except(good.Target(), 2, 3, 4, 5)
		for _, i := range liars {
			liar(l.nodes[i], []mainline.Item{forged, other, immutable, {V: good.V, K: good.K, Seq: 9}}[i%4])
			l.nodes[i].RPC().OnQuery(krpc.MethodPut, func(q *krpc.Query) {
				putTo[i]++
				q.Reply(&krpc.PingResults{})
			})
		}
		got := getAt(t, l.nodes[3], good.Target())
		require.NotEmpty(t, got)
		require.Equal(t, good.V, got[len(got)-1].V)
		require.EqualValues(t, 5, got[len(got)-1].Seq)

		for range l.nodes[3].PutItem(version(t, "", 6, "next")).Stored(t.Context()) {
		}
		require.Empty(t, putTo, "whoever lies is not written to")

		for _, i := range liars {
			liar(l.nodes[i], larger)
		}
		got = getAt(t, l.nodes[4], good.Target())
		require.EqualValues(t, 6, got[len(got)-1].Seq, "the highest")
		for _, i := range liars {
			liar(l.nodes[i], *version(t, "", 6, "ooze"))
		}
		got = getAt(t, l.nodes[4], good.Target())
		require.Equal(t, "4:ooze", string(got[len(got)-1].V), "then the largest")
	})
}

func TestItemsInBothNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newDualLab(t, 20)
		fixed, err := mainline.NewItem("fixed")
		require.NoError(t, err)
		asker := l.addDual(mainline.Config{}) // stores nothing itself
		for _, it := range []*mainline.Item{fixed, version(t, "", 1, "x")} {
			stored := map[bool]int{}
			for n, err := range l.nodes[3].PutItem(it).Stored(t.Context()) {
				require.NoError(t, err)
				stored[n.Addr.Addr().Is6()]++
			}
			require.Equal(t, map[bool]int{false: 8, true: 8}, stored)
			require.Len(t, getAt(t, asker, it.Target()), 1, "once, though two networks answer")
		}
		require.Zero(t, inFlight(asker))
	})
}

func TestOwnStoreIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		it := version(t, "", 1, "x")
		stored, err := putAt(t, l.nodes[1], it)
		require.NoError(t, err)
		require.Equal(t, 1, stored)
		require.Len(t, getAt(t, l.nodes[0], it.Target()), 1, "where it was stored, and nowhere else")
	})
}

func TestItemsAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		fixed, err := mainline.NewItem("fixed")
		require.NoError(t, err)
		mutable := version(t, "salt", 3, "x")
		for _, it := range []*mainline.Item{fixed, mutable} {
			_, err := putAt(t, l.nodes[1], it)
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		state, err := l.nodes[0].State()
		require.NoError(t, err)
		held := func(state *mainline.State) int {
			store := mainline.NewItemStore(mainline.ItemStoreConfig{})
			n, err := mainline.New(mainline.Config{State: state, Items: store, NoUpkeep: true}, l.net.Listen(addr(9)))
			require.NoError(t, err)
			defer n.Close()
			for s := range store.All(time.Now()) {
				require.NoError(t, s.Item.Verify())
				require.Equal(t, addr(1).Addr(), s.From)
			}
			return store.Len()
		}
		require.Equal(t, 1, held(state), "the other is two hours old")
		time.Sleep(59 * time.Minute)
		require.Equal(t, 1, held(state))
		forged := bytes.Replace(state.Parts["items"], []byte(`"seq":3`), []byte(`"seq":4`), 1)
		require.Zero(t, held(&mainline.State{Parts: map[string]json.RawMessage{"items": forged}}))
		time.Sleep(2 * time.Minute)
		require.Zero(t, held(state), "the time it had left")
		_, err = mainline.New(mainline.Config{State: &mainline.State{Parts: map[string]json.RawMessage{"items": []byte("7")}}})
		require.ErrorIs(t, err, mainline.ErrState)
	})
}

func TestKeptItemOutlivesItsLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30)
		it := version(t, "", 1, "kept")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		home := errors.New("gone home")
		rounds := 0
		for round, err := range l.nodes[5].Keep(ctx, it, 0) {
			if err != nil {
				require.ErrorIs(t, err, home)
				break
			}
			require.NoError(t, round.Err)
			require.Len(t, round.Stored, 8)
			if rounds > 0 {
				require.Equal(t, 8, round.Copies)
			}
			if rounds++; rounds == 3 {
				cancel(home)
			}
		}
		require.Equal(t, 3, rounds)
		time.Sleep(time.Hour + 55*time.Minute)
		require.Len(t, getAt(t, l.nodes[20], it.Target()), 1)
		time.Sleep(10 * time.Minute)
		require.Empty(t, getAt(t, l.nodes[20], it.Target()))
	})
}

func TestKeepWritesNothingWhereCopiesAbound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30)
		it := version(t, "", 1, "everywhere")
		for _, n := range l.nodes { // each stores it
			liar(n, *it)
		}
		cfg := mainline.Config{NoUpkeep: true} // asks far nodes first, then the closest
		for _, i := range l.except(it.Target(), 22) {
			cfg.Bootstrap = append(cfg.Bootstrap, addr(i).String())
		}
		keeper := l.add(cfg)
		for round, err := range keeper.Keep(t.Context(), it, time.Minute) {
			require.NoError(t, err)
			require.NoError(t, round.Err)
			require.Empty(t, round.Stored)
			require.Greater(t, round.Copies, 8)
			break
		}
		for _, err := range keeper.Keep(t.Context(), version(t, "", 0, "older"), time.Minute) {
			_, ok := errors.AsType[*mainline.ConflictError](err)
			require.True(t, ok)
		}
		for _, err := range keeper.Keep(t.Context(), &mainline.Item{}, time.Minute) {
			require.ErrorIs(t, err, mainline.ErrItemValue)
		}
	})
}
