package legacy_test

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc/legacy"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/routing"
)

// lab is a network of nodes in memory, inside a synctest bubble: it ends with a panic if a goroutine is left.
type lab struct {
	t     *testing.T
	net   *simnet.Net
	nodes []*legacy.Node
}

// bootstrapAddr is where the lab's ephemeral bootstrap node lives.
var bootstrapAddr = addr(0)

// inLab runs a test in a lab with nothing but a bootstrap node.
func inLab(t *testing.T, cfg simnet.Config, test func(t *testing.T, l *lab)) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{t: t, net: simnet.New(cfg)}
		t.Cleanup(func() {
			for _, n := range l.nodes {
				n.Close()
			}
			l.net.Close()
		})
		l.start(l.net.Listen(bootstrapAddr), legacy.Config{Ephemeral: true})
		test(t, l)
	})
}

// addr gives each node a /24 of its own.
func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i >> 8), byte(i), 1}), 10001)
}

func (l *lab) bootstrap() *legacy.Node { return l.nodes[0] }

func (l *lab) start(conn *simnet.Conn, cfg legacy.Config) *legacy.Node {
	l.t.Helper()
	if cfg.ID == (legacy.ID{}) {
		cfg.ID = sha256.Sum256([]byte(conn.AddrPort().String()))
	}
	n, err := legacy.New(cfg, conn)
	require.NoError(l.t, err)
	l.nodes = append(l.nodes, n)
	return n
}

// join starts a node at addr(i) that joins through the bootstrap node, and waits until it is ready.
func (l *lab) join(i int, cfg legacy.Config) *legacy.Node {
	l.t.Helper()
	cfg.Bootstrap = []string{bootstrapAddr.String()}
	n := l.start(l.net.Listen(addr(i)), cfg)
	require.NoError(l.t, n.Ready(l.t.Context()))
	return n
}

// all returns what a query gives, and its error.
func (l *lab) all(q *legacy.Query) (replies []*legacy.Reply, err error) {
	for r, e := range q.Replies(l.t.Context()) {
		if e != nil {
			return replies, e
		}
		replies = append(replies, r)
	}
	return replies, nil
}

// must is all of a query that does not fail.
func (l *lab) must(q *legacy.Query) []*legacy.Reply {
	l.t.Helper()
	replies, err := l.all(q)
	require.NoError(l.t, err)
	return replies
}

func values(replies []*legacy.Reply) (all []string) {
	for _, r := range replies {
		all = append(all, string(r.Value))
	}
	return all
}

// nearest returns the ids of the k nodes nearest to a target, of those that are listed.
func (l *lab) nearest(target legacy.ID, k int) (ids []legacy.ID) {
	for _, n := range l.nodes {
		if !n.Ephemeral() {
			ids = append(ids, n.ID())
		}
	}
	slices.SortFunc(ids, func(a, b legacy.ID) int { return routing.CompareDistance(target.Key(), a.Key(), b.Key()) })
	return ids[:min(k, len(ids))]
}

func ids(contacts []legacy.Contact) (all []legacy.ID) {
	for _, c := range contacts {
		all = append(all, c.ID)
	}
	return all
}

// pause lets a little time pass, in which nodes verify each other.
func pause() { time.Sleep(5 * time.Second) }

var v6 = netip.MustParseAddrPort("[2001:470::1]:1")
