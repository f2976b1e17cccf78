package torrentdht

import (
	"cmp"
	"crypto/sha1"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/anacrolix/dht/v2"
	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// lab is a network of nodes in memory, inside a synctest bubble, which ends with a panic if a goroutine is left.
type lab struct {
	t     *testing.T
	net   *simnet.Net
	nodes []*mainline.Node
}

// newLab starts n nodes that join through the first.
func newLab(t *testing.T, n int) *lab {
	l := &lab{t: t, net: simnet.New(simnet.Config{Seed: 1})}
	t.Cleanup(func() {
		for _, node := range l.nodes {
			require.NoError(t, node.Close())
		}
		l.net.Close()
	})
	for range n {
		l.add(mainline.Config{Bootstrap: []string{addr(0).String()}})
		time.Sleep(2 * time.Minute) // a newcomer is asked after 90 s, and listed then
	}
	return l
}

// addr is the address of a node, in a /24 of its own.
func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i >> 8), byte(i), 1}), 6881)
}

func (l *lab) add(cfg mainline.Config) *mainline.Node {
	l.t.Helper()
	cfg.ID = sha1.Sum([]byte{byte(len(l.nodes))}) // so that it is the same nodes that are near a key, every time
	node, err := mainline.New(cfg, l.net.Listen(addr(len(l.nodes))))
	require.NoError(l.t, err)
	l.nodes = append(l.nodes, node)
	return node
}

// farthest returns the node that is the last to be given anything to store under a key.
func (l *lab) farthest(key krpc.ID) *mainline.Node {
	return slices.MaxFunc(l.nodes, func(a, b *mainline.Node) int {
		return cmp.Compare(a.ID()[0]^key[0], b.ID()[0]^key[0])
	})
}

// serve returns a Server for a node. It is closed before the node.
func (l *lab) serve(node *mainline.Node, cfg Config) *Server {
	s := New(node, cfg)
	l.t.Cleanup(func() { require.NoError(l.t, s.Close()) })
	return s
}

// next returns the peers of the next PeersValues; nil if the channel was closed.
func next(a *Announce) []netip.AddrPort {
	v, ok := <-a.Peers()
	if !ok {
		return nil
	}
	return FromPeers(v.Peers)
}

// drain reads until the channel is closed, and returns how long that took and what came.
func drain(a *Announce) (took time.Duration, values []dht.PeersValues) {
	start := time.Now()
	for v := range a.Peers() {
		values = append(values, v)
	}
	return time.Since(start), values
}
