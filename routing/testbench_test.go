package routing

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var t0 = time.Unix(1_800_000_000, 0)

// addr returns the i-th address of a series in which every one has a /24 of its own.
func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(1 + i>>16), byte(i >> 8), byte(i), 1}), 6881)
}

// at returns the node of the one-byte key k at the address that goes with it.
func at(k byte) Node { return Node{Key: Key{k}, Addr: addr(int(k))} }

// bench is a table whose invariants are checked after every step.
type bench struct {
	*Table
	t   testing.TB
	now time.Time
}

func newBench(t testing.TB, self Key, cfg Config) *bench {
	return &bench{NewTable(self, cfg), t, t0}
}

func (b *bench) check() {
	b.t.Helper()
	require.NoError(b.t, b.Check())
}

func (b *bench) answered(n Node, ms int) bool {
	b.t.Helper()
	ok := b.Answered(n, time.Duration(ms)*time.Millisecond, b.now)
	b.check()
	require.Equal(b.t, ok, b.has(n), "Answered must tell whether the node is in a bucket")
	return ok
}

func (b *bench) heard(n Node)  { b.t.Helper(); b.Heard(n, b.now); b.check() }
func (b *bench) failed(n Node) { b.t.Helper(); b.Failed(n, b.now); b.check() }

func (b *bench) wait(d time.Duration) { b.now = b.now.Add(d) }

func (b *bench) due() []Task {
	b.t.Helper()
	tasks, next := b.Due(nil, b.now)
	b.check()
	require.True(b.t, next.After(b.now), "the next wake-up lies ahead")
	return tasks
}

func (b *bench) pings() []Node {
	b.t.Helper()
	var nodes []Node
	for _, task := range b.due() {
		if task.Kind == Ping {
			nodes = append(nodes, task.Node)
		}
	}
	return nodes
}

// live returns the nodes in buckets; has looks for one of them.
func (b *bench) live() (nodes []Node) {
	for i := range b.buckets {
		for j := range b.buckets[i].live {
			nodes = append(nodes, b.buckets[i].live[j].node())
		}
	}
	return nodes
}

func (b *bench) has(n Node) bool { return slices.Contains(b.live(), n) }

// waiting returns the candidates.
func (b *bench) waiting() (nodes []Node) {
	for c := range b.All() {
		if !b.has(c.Node) {
			nodes = append(nodes, c.Node)
		}
	}
	return nodes
}

func oneByte(k int) Config { return Config{KeyLen: 1, K: k} }

// fill answers for n random nodes and returns them.
func (b *bench) fill(seed uint64, n int) []Node {
	r := seeded(seed)
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i] = Node{RandomKey(r, b.cfg.KeyLen, Key{}, 0), addr(i)}
		b.Answered(nodes[i], time.Duration(10+r.IntN(300))*time.Millisecond, b.now)
	}
	b.check()
	return nodes
}
