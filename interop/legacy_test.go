package interop

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/blake2b"
)

// What follows are the nine tests of npm dht-rpc 4.9.6 itself, with every cast of its nodes and ours. The names of the roles are
// the original's; names of commands carry the cast where calls are counted, since npm's handlers are all in one process.

func hexOf(s string) *string { return new(hex.EncodeToString([]byte(s))) }

func TestV4SimpleUpdate(t *testing.T) {
	eachV4Cast(t, func(t *testing.T, l *v4lab, cast v4cast, bootstrap v4) {
		cfg := v4config{bootstrap: bootstrap.contact().Addr}
		a, b := l.node(cast.a, cfg), l.node(cast.b, cfg)
		echo := "echo " + cast.String()
		a.serve(t, echo, "fail", "echo")
		a.ready(t)
		got, err := b.run(t, v4run{command: echo, target: a.contact().ID, value: hexOf("Hello, World!"), update: true})
		require.NoError(t, err)
		require.Equal(t, []v4reply{{"update", hexOf("Hello, World!"), a.contact().Addr, a.contact().ID}}, got)
		require.Equal(t, v4calls{0, 1}, l.calls(echo))
	})
}

func TestV4SimpleQuery(t *testing.T) {
	eachV4Cast(t, func(t *testing.T, l *v4lab, cast v4cast, bootstrap v4) {
		cfg := v4config{bootstrap: bootstrap.contact().Addr}
		a, b := l.node(cast.a, cfg), l.node(cast.b, cfg)
		a.serve(t, "hello", "world", "")
		a.ready(t)
		got, err := b.run(t, v4run{command: "hello", target: a.contact().ID, query: true})
		require.NoError(t, err)
		require.Equal(t, []v4reply{{"query", hexOf("world"), a.contact().Addr, a.contact().ID}}, got)
	})
}

func TestV4QueryAndUpdate(t *testing.T) {
	eachV4Cast(t, func(t *testing.T, l *v4lab, cast v4cast, bootstrap v4) {
		cfg := v4config{bootstrap: bootstrap.contact().Addr}
		a, b := l.node(cast.a, cfg), l.node(cast.b, cfg)
		hello := "hello " + cast.String()
		a.serve(t, hello, "world", "none")
		a.ready(t)
		got, err := b.run(t, v4run{command: hello, target: a.contact().ID, query: true, update: true})
		require.NoError(t, err)
		require.Equal(t, []v4reply{
			{"query", hexOf("world"), a.contact().Addr, a.contact().ID}, {"update", nil, a.contact().Addr, a.contact().ID},
		}, got)
		require.Equal(t, v4calls{1, 1}, l.calls(hello))
	})
}

func TestV4Swarm(t *testing.T) {
	t.Parallel()
	sum := blake2b.Sum256([]byte("hello"))
	target := hex.EncodeToString(sum[:])
	size := 256
	if testing.Short() {
		size = 64
	}
	for _, mix := range []struct {
		name         string
		ours, theirs int
	}{{"npm", 0, size}, {"go", size, 0}, {"both", size / 2, size / 2}} {
		t.Run(mix.name, func(t *testing.T) {
			l := startV4Lab(t)
			bootstrap := l.node(mix.theirs == 0, v4config{ephemeral: true})
			cfg := v4config{bootstrap: bootstrap.contact().Addr}
			var swarm []v4
			for range mix.ours {
				n := l.ours(cfg)
				n.serve(t, "kv", "get", "put")
				n.ready(t)
				swarm = append(swarm, n)
			}
			if mix.theirs > 0 {
				swarm = append(swarm, l.theirs(cfg, mix.theirs)...)
			}
			before := 0
			for _, ours := range []bool{true, false} {
				me := l.node(ours, v4config{bootstrap: cfg.bootstrap, ephemeral: true})
				me.ready(t)
				stored, err := me.run(t, v4run{command: "kv", target: target, value: hexOf("hello"), update: true})
				require.NoError(t, err)
				calls := l.calls("kv").Update
				require.Equal(t, 20, calls-before, "the closest, each once")
				require.Len(t, stored, 20)
				requireNearestStored(t, swarm, target, stored)
				before = calls

				found, err := me.run(t, v4run{command: "kv", target: target, query: true})
				require.NoError(t, err)
				isHello := func(r v4reply) bool { return r.Value != nil && *r.Value == *hexOf("hello") }
				require.True(t, slices.ContainsFunc(found, isHello))
			}
		})
	}
}

// requireNearestStored makes sure that an update reached the nodes nearest to its target, or nearly so.
func requireNearestStored(t *testing.T, swarm []v4, target string, stored []v4reply) {
	t.Helper()
	var all, got []contact
	for _, n := range swarm {
		all = append(all, n.contact())
	}
	for _, r := range stored {
		got = append(got, contact{r.Addr, r.ID})
	}
	require.GreaterOrEqual(t, countIn(sortedByDistance(t, target, all)[:20], got), 18)
}

func TestV4Holepunch(t *testing.T) {
	eachV4Cast(t, func(t *testing.T, l *v4lab, cast v4cast, bootstrap v4) {
		cfg := v4config{bootstrap: bootstrap.contact().Addr}
		a, b := l.node(cast.a, cfg), l.node(cast.b, cfg)
		a.ready(t)
		b.ready(t)
		require.NoError(t, a.holepunch(t, b.contact(), bootstrap.contact()))
		require.Equal(t, []string{a.contact().Addr + " " + b.contact().Addr}, bootstrap.punches(t))
	})
}

// Both sides are behind NATs and the bootstrap node helps, without being told to.
func TestV4QueriesPunchHoles(t *testing.T) {
	eachV4Cast(t, func(t *testing.T, l *v4lab, cast v4cast, bootstrap v4) {
		cfg := v4config{bootstrap: bootstrap.contact().Addr, nat: true}
		b := l.node(cast.b, cfg)
		b.serve(t, "hello", "world", "noted")
		b.ready(t)
		nodesWithin(t, bootstrap)
		a := l.node(cast.a, v4config{bootstrap: cfg.bootstrap, nat: true, ephemeral: true})
		got, err := a.run(t, v4run{command: "hello", target: b.contact().ID, query: true, update: true})
		require.NoError(t, err)
		require.Equal(t, []v4reply{
			{"query", hexOf("world"), b.contact().Addr, b.contact().ID}, {"update", hexOf("noted"), b.contact().Addr, b.contact().ID},
		}, got)
		require.Contains(t, bootstrap.punches(t), a.contact().Addr+" "+b.contact().Addr)
	})
}

func TestV4Timeouts(t *testing.T) {
	t.Parallel()
	for _, cast := range []v4cast{{a: true}, {bootstrap: true, b: true}} { // others add nothing but seven seconds each
		t.Run(cast.String(), func(t *testing.T) {
			t.Parallel()
			l := startV4Lab(t)
			bootstrap := l.node(cast.bootstrap, v4config{ephemeral: true})
			cfg := v4config{bootstrap: bootstrap.contact().Addr}
			a, b := l.node(cast.a, v4config{bootstrap: cfg.bootstrap, ephemeral: true}), l.node(cast.b, cfg)
			b.serve(t, "nope", "", "silent")
			b.ready(t)
			_, err := a.run(t, v4run{command: "nope", target: strings.Repeat("00", 32), update: true})
			require.Error(t, err)
			require.Equal(t, v4calls{0, 3}, l.calls("nope"), "three attempts")
		})
	}
}

func TestV4Persistent(t *testing.T) {
	eachV4Cast(t, func(t *testing.T, l *v4lab, cast v4cast, bootstrap v4) {
		cfg := v4config{bootstrap: bootstrap.contact().Addr}
		a, b := l.node(cast.a, v4config{bootstrap: cfg.bootstrap, ephemeral: true}), l.node(cast.b, cfg)
		a.serve(t, "hello", "world", "")
		a.ready(t)
		b.ready(t)
		sum := blake2b.Sum256([]byte("hello"))
		query := v4run{command: "hello", target: hex.EncodeToString(sum[:]), query: true}
		got, err := b.run(t, query)
		require.NoError(t, err)
		require.Empty(t, got, "nobody knows it")

		a.persistent(t)
		got, err = b.run(t, query)
		require.NoError(t, err)
		require.Equal(t, []v4reply{{"query", hexOf("world"), a.contact().Addr, a.contact().ID}}, got)
	})
}

// nodesWithin returns a node's nodes as soon as there are any: ours list whoever asked them once it has answered, too.
func nodesWithin(t *testing.T, n v4) []contact {
	t.Helper()
	pace := time.NewTicker(patience / 600)
	defer pace.Stop()
	for deadline := time.Now().Add(patience / 6); ; <-pace.C {
		if nodes := n.nodes(t); len(nodes) > 0 || time.Now().After(deadline) {
			return nodes
		}
	}
}

func TestV4GetNodes(t *testing.T) {
	eachV4Cast(t, func(t *testing.T, l *v4lab, cast v4cast, bootstrap v4) {
		cfg := v4config{bootstrap: bootstrap.contact().Addr}
		a := l.node(cast.a, cfg)
		a.ready(t)
		b := l.node(cast.b, cfg)
		b.ready(t)
		require.Equal(t, []contact{b.contact()}, nodesWithin(t, a))
		require.Equal(t, []contact{a.contact()}, nodesWithin(t, b))
	})
}

func TestV4AddNodes(t *testing.T) {
	eachV4Cast(t, func(t *testing.T, l *v4lab, cast v4cast, bootstrap v4) {
		a, b := l.node(cast.a, v4config{bootstrap: bootstrap.contact().Addr}), l.node(cast.b, v4config{})
		a.serve(t, "hello", "world", "")
		a.ready(t)
		b.addNodes(t, a.contact())
		b.ready(t)
		require.Equal(t, []contact{a.contact()}, b.nodes(t))
		got, err := b.run(t, v4run{command: "hello", target: a.contact().ID, query: true})
		require.NoError(t, err)
		require.Equal(t, []v4reply{{"query", hexOf("world"), a.contact().Addr, a.contact().ID}}, got)
		require.Equal(t, []contact{b.contact()}, nodesWithin(t, a))
	})
}
