package kv

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/routing"
)

// lab is a network of nodes with stores in memory, inside a synctest bubble.
type lab struct {
	t      *testing.T
	net    *simnet.Net
	made   int
	nodes  []*dhtrpc.Node
	stores []*Store // of nodes
	cfg    Config
}

func newLab(t *testing.T, count int, cfg Config, net simnet.Config) *lab {
	if net.Latency == nil {
		net.Latency = func(from, to netip.AddrPort) time.Duration {
			return time.Duration(5+(from.Port()^to.Port())%10)*time.Millisecond + time.Duration(from.Port()%977)
		}
	}
	l := &lab{t: t, net: simnet.New(net), cfg: cfg}
	t.Cleanup(func() {
		for i := range l.nodes {
			l.stores[i].Close()
			l.nodes[i].Close()
		}
		l.net.Close()
	})
	for range count {
		require.NoError(t, l.add(dhtrpc.Config{}).node.Ready(t.Context()))
	}
	time.Sleep(time.Second)
	return l
}

// add starts a node with a store.
func (l *lab) add(cfg dhtrpc.Config) *Store {
	l.t.Helper()
	cfg.Private = true
	for i := 0; i < len(l.nodes) && i < 3; i++ {
		cfg.Bootstrap = append(cfg.Bootstrap, l.nodes[i].Addr().String())
	}
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(l.made >> 8), byte(l.made), 1}), 40000+uint16(l.made%20000))
	l.made++
	n, err := dhtrpc.New(cfg, l.net.Listen(addr))
	require.NoError(l.t, err)
	s, err := Open(n, l.cfg)
	require.NoError(l.t, err)
	l.nodes, l.stores = append(l.nodes, n), append(l.stores, s)
	return s
}

// leave takes a node out of the network, without a word.
func (l *lab) leave(s *Store) {
	i := slices.Index(l.stores, s)
	s.Close()
	s.node.Close()
	l.nodes, l.stores = slices.Delete(l.nodes, i, i+1), slices.Delete(l.stores, i, i+1)
}

// holders returns the stores that hold something under a key, and what.
func (l *lab) holders(key Key) (stores []*Store, values []string) {
	for _, s := range l.stores {
		if r, err := s.Peek(key); err == nil {
			stores, values = append(stores, s), append(values, string(r.Value))
		}
	}
	return stores, values
}

// near returns the stores of the count nodes nearest to a key.
func (l *lab) near(key Key, count int) []*Store {
	stores := slices.Clone(l.stores)
	slices.SortFunc(stores, func(a, b *Store) int {
		x, _ := a.node.ID()
		y, _ := b.node.ID()
		return routing.CompareDistance(key.Target().Key(), x.Key(), y.Key())
	})
	return stores[:min(count, len(stores))]
}

func (l *lab) value(s *Store, key Key) string {
	l.t.Helper()
	r, err := s.Get(l.t.Context(), key)
	require.NoError(l.t, err, key)
	require.Equal(l.t, key.Kind(), r.Kind)
	return string(r.Value)
}

func TestSetAndGet(t *testing.T) {
	for _, count := range []int{1, 2, 3, 30} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, count, Config{}, simnet.Config{})
				writer, reader := l.stores[0], l.stores[count-1]
				ctx := t.Context()
				for _, key := range []Key{Name("motd"), writer.Own("x"), writer.Own(""), HashOf([]byte("first"))} {
					_, err := reader.Get(ctx, key)
					require.ErrorIs(t, err, ErrNotFound)
					copies, err := writer.SetCount(ctx, key, []byte("first"))
					require.NoError(t, err)
					want := l.near(key, 20)
					require.GreaterOrEqual(t, copies, min(count, 20))
					holders, _ := l.holders(key)
					require.Len(t, holders, copies)
					for _, s := range want {
						require.Contains(t, holders, s)
					}
					require.Equal(t, "first", l.value(reader, key))
					require.Equal(t, "first", l.value(writer, key))
					if key.Kind() == KindHash {
						continue
					}
					require.NoError(t, writer.Set(ctx, key, []byte("second")))
					require.Equal(t, "second", l.value(reader, key))
					r, err := reader.Get(ctx, key)
					require.NoError(t, err)
					require.Equal(t, writer.PublicKey(), r.Owner)
					require.InDelta(t, 24*time.Hour, r.TTL, float64(time.Minute))
				}
				require.Equal(t, 4, writer.Stats().Owned)
				key, err := reader.Put(ctx, []byte("put"))
				require.NoError(t, err)
				require.Equal(t, HashOf([]byte("put")), key)
				require.Equal(t, "put", l.value(writer, key))
			})
		})
	}
}

func TestWhoMayWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30, Config{}, simnet.Config{})
		ctx := t.Context()
		a, b, c := l.stores[3], l.stores[9], l.stores[20]
		require.NoError(t, a.Set(ctx, Name("motd"), []byte("a")))
		require.ErrorIs(t, b.Set(ctx, Name("motd"), []byte("b")), ErrTaken)
		require.ErrorIs(t, b.Set(ctx, a.Own("x"), []byte("b")), ErrNotOurs)
		require.ErrorIs(t, b.Set(ctx, Owned(nil, "x"), []byte("b")), ErrNotOurs)
		require.ErrorIs(t, b.Set(ctx, HashOf([]byte("a")), []byte("b")), ErrNotOurs)
		require.ErrorIs(t, b.Set(ctx, b.Own("x"), make([]byte, MaxValue+1)), ErrTooLong)
		require.ErrorIs(t, b.Set(ctx, Name(strings.Repeat("x", MaxName+1)), nil), ErrTooLong)
		require.NoError(t, b.Set(ctx, b.Own("x"), []byte("b")), "each has names of its own")
		require.Equal(t, "a", l.value(c, Name("motd")))
		require.Equal(t, 1, b.Stats().Owned)

		// Some nodes that have not heard of the name do not let a latecomer in.
		for _, s := range l.near(Name("motd"), 8) {
			s.letGo(*s.shelf.items[Name("motd").Target()])
		}
		require.ErrorIs(t, b.Set(ctx, Name("motd"), []byte("b")), ErrTaken)
		_, values := l.holders(Name("motd"))
		require.NotContains(t, values, "b")
	})
}

// One store writes a key many times at once: in the end all nodes have one version, and it is the one put anew.
func TestSetAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30, Config{}, simnet.Config{})
		s := l.stores[5]
		key := s.Own("x")
		errs := make(chan error, 8)
		for i := range cap(errs) {
			go func() { errs <- s.Set(t.Context(), key, fmt.Append(nil, "version ", i)) }()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				require.ErrorIs(t, err, ErrStale)
			}
		}
		_, values := l.holders(key)
		slices.Sort(values)
		require.Len(t, slices.Compact(values), 1)
		require.Equal(t, values[0], string(s.own.items[key.Target()].rec.Value))
		require.Equal(t, 1, s.Stats().Owned)
	})
}

// Numbers only rise, and an older version that is done later does not take the place of a newer one.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLab(t, 1, Config{}, simnet.Config{}).stores[0]
		before := s.nextSeq(0)
		for range 3 {
			next := s.nextSeq(0)
			require.Greater(t, next, before)
			before = next
		}
		require.Equal(t, before+100, s.nextSeq(before+99))
		key := Owned(alice.Public().(ed25519.PublicKey), "x")
		for _, seq := range []uint64{2, 1} {
			s.keep(signed(t, KindOwned, alice, "x", seq, "x"))
		}
		require.EqualValues(t, 2, s.own.items[key.Target()].rec.Seq)
	})
}

// Two want a name at the same moment: one of them gets it, and the other hears so or learns it when it puts its own anew.
func TestNameAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30, Config{Republish: 10 * time.Minute}, simnet.Config{})
		refused := 0
		for i := range 5 {
			key := Name(fmt.Sprint("name ", i))
			errs := make(chan error, 2)
			for _, s := range l.stores[3:5] {
				go func() { errs <- s.Set(t.Context(), key, s.PublicKey()) }()
			}
			for range cap(errs) {
				if err := <-errs; err != nil {
					require.ErrorIs(t, err, ErrTaken)
					refused++
				}
			}
		}
		require.GreaterOrEqual(t, refused, 3, "unless both have as many nodes, one hears at once")
		time.Sleep(40 * time.Minute)
		for i := range 5 {
			key := Name(fmt.Sprint("name ", i))
			_, values := l.holders(key)
			require.GreaterOrEqual(t, len(values), 20)
			slices.Sort(values)
			require.Len(t, slices.Compact(values), 1, "all agree by now")
		}
		require.Equal(t, 5, l.stores[3].Stats().Owned+l.stores[4].Stats().Owned)
	})
}

// Programs with one key at different times, and clocks that run back: the later one wins.
func TestOneKeyTwoPrograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 25, Config{Key: alice, Republish: 10 * time.Minute}, simnet.Config{})
		a, b := l.stores[1], l.stores[2]
		key := Owned(alice.Public().(ed25519.PublicKey), "x")
		require.Equal(t, key, a.Own("x"))
		a.seq = uint64(time.Now().Add(time.Hour).UnixMilli())
		require.NoError(t, a.Set(t.Context(), key, []byte("a")))
		require.NoError(t, b.Set(t.Context(), key, []byte("b")))
		require.Equal(t, "b", l.value(l.stores[9], key))
		time.Sleep(30 * time.Minute)
		require.Equal(t, "b", l.value(l.stores[9], key))
		require.Zero(t, a.Stats().Owned, "what was replaced is not put anew")
		require.Equal(t, 1, b.Stats().Owned)
	})
}

// Nodes that answer with garbage, with another's record or with their own signature change nothing.
func TestLiars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30, Config{}, simnet.Config{})
		ctx := t.Context()
		writer, reader := l.stores[3], l.stores[4]
		keys := []Key{Name("motd"), writer.Own("x"), HashOf([]byte("truth"))}
		for _, k := range keys {
			require.NoError(t, writer.Set(ctx, k, []byte("truth")))
		}
		var lies atomic.Int64
		for i, s := range l.stores[5:14] {
			s.node.Handle(s.cfg.Command, func(q *dhtrpc.Request) {
				lies.Add(1)
				k := keys[slices.IndexFunc(keys, func(k Key) bool { return k.Target() == *q.Target })]
				bad := signed(t, k.Kind(), bob, k.name, 1<<60, "lie")
				if k.Kind() == KindOwned {
					bad.Owner = writer.PublicKey()
				}
				lie := [][]byte{bad.append(nil), hashed("lie").append(nil), []byte("\x01garbage")}
				if k.Kind() == KindName {
					lie = lie[:1] // the best that they can do, all of them
				}
				q.Reply(lie[i%len(lie)])
			})
		}
		for _, k := range keys {
			require.Equal(t, "truth", l.value(reader, k))
		}
		require.NotZero(t, lies.Load())
		require.NoError(t, writer.Set(ctx, writer.Own("x"), []byte("more truth")), "nor do they keep the owner from writing")
		require.Equal(t, "more truth", l.value(reader, writer.Own("x")))
	})
}

// The owner puts its values anew: to nodes that came, and beyond the time to live.
func TestOwnerRepublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30, Config{TTL: 20 * time.Minute, Republish: 10 * time.Minute}, simnet.Config{})
		s := l.stores[0]
		keys := []Key{Name("motd"), s.Own("x"), HashOf([]byte("x"))}
		for _, k := range keys {
			require.NoError(t, s.Set(t.Context(), k, []byte("x")))
		}
		time.Sleep(70 * time.Minute)
		for _, k := range keys {
			require.Equal(t, "x", l.value(l.stores[20], k))
		}
		s.Forget(keys[0])
		time.Sleep(21 * time.Minute)
		_, err := l.stores[20].Get(t.Context(), keys[0])
		require.ErrorIs(t, err, ErrNotFound)
		holders, _ := l.holders(keys[0])
		require.Empty(t, holders)
		require.Equal(t, "x", l.value(l.stores[20], keys[1]))
	})
}

// With the owner gone the holders pass its values on, to newcomers that are nearer, until their time is over and no longer.
func TestHoldersRepublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30, Config{TTL: time.Hour, Republish: 10 * time.Minute}, simnet.Config{})
		begin := time.Now()
		s := l.stores[29]
		keys := []Key{Name("motd"), s.Own("x"), HashOf([]byte("x"))}
		for _, k := range keys {
			require.NoError(t, s.Set(t.Context(), k, []byte("x")))
		}
		l.leave(s)
		for range 30 {
			require.NoError(t, l.add(dhtrpc.Config{}).node.Ready(t.Context()))
		}
		time.Sleep(30 * time.Minute)
		for _, k := range keys {
			holders, _ := l.holders(k)
			for _, near := range l.near(k, 20) {
				require.Contains(t, holders, near, "newcomers hold it")
			}
			require.Less(t, len(holders), 30, "who is no longer near lets go")
		}
		time.Sleep(time.Until(begin.Add(time.Hour - time.Minute)))
		for _, k := range keys {
			require.Equal(t, "x", l.value(l.stores[7], k))
		}
		time.Sleep(2 * time.Minute)
		for _, k := range keys {
			_, err := l.stores[7].Get(t.Context(), k)
			require.ErrorIs(t, err, ErrNotFound)
		}
		time.Sleep(rest)
		for _, s := range l.stores {
			require.Zero(t, s.Stats().Records, "what has expired is gone")
		}
	})
}

func TestWithoutRepublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 5, Config{TTL: time.Hour, Republish: -1}, simnet.Config{})
		require.NoError(t, l.stores[0].Set(t.Context(), Name("motd"), []byte("x")))
		time.Sleep(time.Hour - time.Minute)
		require.Equal(t, "x", l.value(l.stores[3], Name("motd")))
		time.Sleep(2 * time.Minute)
		_, err := l.stores[3].Get(t.Context(), Name("motd"))
		require.ErrorIs(t, err, ErrNotFound)
		time.Sleep(rest)
		for _, s := range l.stores {
			require.Zero(t, s.Stats().Records)
			require.Zero(t, s.Stats().Republished)
		}
	})
}

// Nobody to store at: an ephemeral node does not keep to itself what others will never find.
func TestNobodyThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0, Config{}, simnet.Config{})
		s := l.add(dhtrpc.Config{Mode: dhtrpc.Ephemeral})
		require.ErrorIs(t, s.Set(t.Context(), Name("motd"), nil), routing.ErrNoNodes)
		_, err := s.Get(t.Context(), Name("motd"))
		require.ErrorIs(t, err, routing.ErrNoNodes)

		l.leave(s)
		lone := l.add(dhtrpc.Config{Bootstrap: []string{"10.9.9.9:1"}})
		require.ErrorIs(t, lone.Set(t.Context(), Name("motd"), nil), routing.ErrNoAnswer)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30, Config{}, simnet.Config{})
		s := l.stores[3]
		errs := make(chan error, 2)
		go func() { errs <- s.Set(t.Context(), Name("motd"), nil) }()
		go func() { _, err := s.Get(t.Context(), Name("other")); errs <- err }()
		time.Sleep(time.Millisecond)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		for range cap(errs) {
			require.ErrorIs(t, <-errs, ErrClosed)
		}
		require.ErrorIs(t, s.Set(t.Context(), Name("motd"), nil), ErrClosed)
		_, err := s.Get(t.Context(), Name("motd"))
		require.ErrorIs(t, err, ErrClosed)
		_, err = l.nodes[4].Request(t.Context(), s.node.Addr(), dhtrpc.Call{Command: 27510, Target: &dhtrpc.ID{}})
		require.ErrorContains(t, err, "1", "unknown command")

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = l.stores[4].Get(ctx, Name("motd"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// A key that is no ed25519 key is refused, and each error code is what it says.
func TestOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, Config{MaxRecords: 1}, simnet.Config{})
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		_, err = Open(l.nodes[0], Config{Key: other})
		require.Error(t, err)
		a, b := l.nodes[0], l.nodes[1].Addr()
		target := Name("x").Target()
		ask := func(c dhtrpc.Call) uint64 {
			_, err := a.Request(t.Context(), b, c)
			if err == nil {
				return 0
			}
			e := new(dhtrpc.Error)
			require.ErrorAs(t, err, &e)
			return e.Code
		}
		require.EqualValues(t, CodeInvalid, ask(dhtrpc.Call{Command: 27510}), "no target")
		require.EqualValues(t, dhtrpc.CodeInvalidToken, ask(dhtrpc.Call{Command: 27511, Target: &target}), "no token")
		r, err := a.Request(t.Context(), b, dhtrpc.Call{Command: 27510, Target: &target})
		require.NoError(t, err)
		put := func(r2 *Record, target dhtrpc.ID) uint64 {
			return ask(dhtrpc.Call{Command: 27511, Target: &target, Token: r.Token, Value: r2.append(nil)})
		}
		require.EqualValues(t, CodeInvalid, ask(dhtrpc.Call{Command: 27511, Target: &target, Token: r.Token}), "no record")
		require.Zero(t, put(signed(t, KindName, alice, "x", 5, "x"), target))
		require.EqualValues(t, CodeStale, put(signed(t, KindName, alice, "x", 4, "x"), target))
		require.EqualValues(t, CodeTaken, put(signed(t, KindName, bob, "x", 9, "x"), target))
		require.EqualValues(t, Stats{Records: 1, Bytes: 1, Gets: 1, Puts: 3, Refused: 2}, l.stores[1].Stats())
		for code, err := range map[uint64]error{CodeStale: ErrStale, CodeTaken: ErrTaken, CodeFull: ErrFull} {
			require.Equal(t, err, codeError(code))
		}
	})
}

// The largest record passes the paths of the Internet, in both directions.
func TestDatagramsFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var longest atomic.Int64
		l := newLab(t, 40, Config{}, simnet.Config{OnPacket: func(_, _ netip.AddrPort, b []byte) {
			longest.Store(max(longest.Load(), int64(len(b))))
		}})
		key := l.stores[2].Own(strings.Repeat("n", MaxName))
		require.NoError(t, l.stores[2].Set(t.Context(), key, make([]byte, MaxValue)))
		require.Len(t, l.value(l.stores[5], key), MaxValue)
		require.Greater(t, longest.Load(), int64(1300), "with twenty nodes beside it")
		require.LessOrEqual(t, longest.Load(), int64(1452))
	})
}
