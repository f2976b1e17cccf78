package dhtrpc_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/routing"
)

// lab is a network of nodes in memory, inside a synctest bubble: it ends with a panic if a goroutine is left.
type lab struct {
	t     *testing.T
	net   *simnet.Net
	nodes []*dhtrpc.Node
}

func newLab(t *testing.T, cfg simnet.Config) *lab {
	cfg.Seed = 1
	if cfg.Latency == nil {
		cfg.Latency = func(from, to netip.AddrPort) time.Duration {
			return time.Duration(5+(from.Port()^to.Port())%10)*time.Millisecond + time.Duration(from.Port()%977)
		}
	}
	l := &lab{t: t, net: simnet.New(cfg)}
	t.Cleanup(func() {
		for _, n := range l.nodes {
			n.Close()
		}
		l.net.Close()
	})
	return l
}

// at is the address of node i.
func at(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 40000+uint16(i))
}

// add starts a persistent node at at(i), which begins at the first if there is one.
func (l *lab) add(i int, cfg dhtrpc.Config) *dhtrpc.Node {
	l.t.Helper()
	cfg.Private = true
	if len(l.nodes) > 0 && cfg.Bootstrap == nil {
		cfg.Bootstrap = []string{l.nodes[0].Addr().String()}
	}
	n, err := dhtrpc.New(cfg, l.net.Listen(at(i)))
	require.NoError(l.t, err)
	l.nodes = append(l.nodes, n)
	return n
}

// grow starts nodes 0 to count-1, one after the other.
func (l *lab) grow(count int) {
	l.t.Helper()
	for i := range count {
		require.NoError(l.t, l.add(i, dhtrpc.Config{}).Ready(l.t.Context()))
	}
	time.Sleep(time.Second)
}

// nearest returns the addresses of the count nodes nearest to target.
func (l *lab) nearest(target dhtrpc.ID, count int) (addrs []netip.AddrPort) {
	for _, n := range l.nodes {
		addrs = append(addrs, n.Addr())
	}
	slices.SortFunc(addrs, func(a, b netip.AddrPort) int {
		return routing.CompareDistance(target.Key(), dhtrpc.IDOf(a).Key(), dhtrpc.IDOf(b).Key())
	})
	return addrs[:min(count, len(addrs))]
}

func addrsOf(contacts []dhtrpc.Contact) (addrs []netip.AddrPort) {
	for _, c := range contacts {
		addrs = append(addrs, c.Addr)
	}
	return addrs
}

// drain reads a query to its end.
func drain(t *testing.T, q *dhtrpc.Query) (replies []*dhtrpc.Reply) {
	t.Helper()
	for r, err := range q.Replies(t.Context()) {
		require.NoError(t, err)
		replies = append(replies, r)
	}
	return replies
}

// storing lets a node keep one value a target, of those who can be reached: command 1 reads, and with a token writes.
func storing(n *dhtrpc.Node) map[dhtrpc.ID]string {
	held := make(map[dhtrpc.ID]string)
	n.Handle(1, func(q *dhtrpc.Request) {
		switch {
		case q.Target == nil:
			q.Error(16)
		case q.Token != nil:
			held[*q.Target] = string(q.Value)
			q.Reply(nil)
		default:
			var value []byte
			if v, ok := held[*q.Target]; ok {
				value = []byte(v)
			}
			q.Reply(value)
		}
	})
	return held
}
