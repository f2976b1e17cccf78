package interop

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// startOurs starts nodes of ours in this process, node i on an address like "127.71.%d.1" (and on one for each of more).
// They join through the first and through cfg.Bootstrap, one after the other. Their ids depend on hosts and i only.
func startOurs(t *testing.T, hosts string, nodes int, cfg mainline.Config, more ...string) []*mainline.Node {
	t.Helper()
	cfg.Private = true
	cfg.Bootstrap = slices.Clone(cfg.Bootstrap)
	var ours []*mainline.Node
	for i := range nodes {
		addr := fmt.Sprintf(hosts, i) + ":0"
		var others []string
		for _, hosts := range more {
			others = append(others, fmt.Sprintf(hosts, i)+":0")
		}
		cfg.ID = sha1.Sum([]byte("dhtkit interop " + addr))
		n, err := mainline.Listen(addr, cfg, others...)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, n.Close()) })
		ours = append(ours, n)
		for _, e := range n.Endpoints() {
			if i == 0 {
				cfg.Bootstrap = append(cfg.Bootstrap, e.Addr().String())
				continue
			}
			require.NoError(t, n.Ready(limited(t)))
			await(t, "our first node knows the others", func() bool { return knows(ours[0], e.Addr()) })
		}
	}
	return ours
}

// knows reports whether a node of ours has that at addr in its table.
func knows(n *mainline.Node, addr netip.AddrPort) bool {
	return slices.ContainsFunc(n.Nodes(), func(c krpc.Node) bool { return c.Addr == addr })
}

// contactOf returns a node of ours as the scripts name theirs.
func contactOf(n *mainline.Node) contact { return contact{n.Addr().String(), n.ID().String()} }

// peersOf returns what a lookup by a node of ours finds, in order.
func peersOf(t *testing.T, n *mainline.Node, infoHash krpc.ID) (peers []string) {
	t.Helper()
	for peer, err := range n.GetPeers(infoHash).Peers(limited(t)) {
		require.NoError(t, err)
		peers = append(peers, peer.String())
	}
	slices.Sort(peers)
	return peers
}

// announceFrom lets a node of ours announce a peer and returns the addresses of those who took it.
func announceFrom(t *testing.T, n *mainline.Node, infoHash krpc.ID, port uint16, opts ...mainline.AnnounceOption) (stored []string) {
	t.Helper()
	for node, err := range n.Announce(infoHash, port, opts...).Stored(limited(t)) {
		require.NoError(t, err)
		stored = append(stored, node.Addr.String())
	}
	return stored
}

// ask sends a query from a node of ours, which has to be answered with a reply.
func ask(t *testing.T, n *mainline.Node, addr string, args krpc.Args) *krpc.Reply {
	t.Helper()
	reply, err := endpointFor(n, addr).RPC().Query(limited(t), netip.MustParseAddrPort(addr), args)
	require.NoError(t, err, "%s %+v", args.Method(), args)
	return reply
}

// endpointFor returns the endpoint that can reach addr.
func endpointFor(n *mainline.Node, addr string) *mainline.Endpoint {
	all := n.Endpoints()
	v6 := netip.MustParseAddrPort(addr).Addr().Is6()
	return all[slices.IndexFunc(all, func(e *mainline.Endpoint) bool { return e.IPv6() == v6 })]
}

// refused sends a query from a node of ours, which has to be answered with an error, and returns that.
func refused(t *testing.T, n *mainline.Node, addr string, args krpc.Args) *krpc.Error {
	t.Helper()
	_, err := endpointFor(n, addr).RPC().Query(limited(t), netip.MustParseAddrPort(addr), args)
	refusal, ok := errors.AsType[*krpc.Error](err)
	require.True(t, ok, "%s %+v: %v", args.Method(), args, err)
	return refusal
}

// limited returns a context that ends when a test has lost patience.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await polls a condition that others bring about until it holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	pace := time.NewTicker(patience / 6000)
	defer pace.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-pace.C {
		require.True(t, time.Now().Before(deadline), "not within %v: %s", patience, what)
	}
}

// hexID reads an id as the scripts write it.
func hexID(t *testing.T, s string) krpc.ID {
	t.Helper()
	id, err := krpc.ParseID(s)
	require.NoError(t, err)
	return id
}

// near returns an id to which that of c is nearer than any other.
func near(t *testing.T, c contact) krpc.ID {
	t.Helper()
	id := hexID(t, c.ID)
	id[len(id)-1] ^= 1
	return id
}

// nearest returns the addresses of the n contacts nearest to a target.
func nearest(t *testing.T, target krpc.ID, all []contact, n int) (addrs []string) {
	t.Helper()
	all = slices.SortedFunc(slices.Values(all), func(a, b contact) int {
		return routing.CompareDistance(target.Key(), hexID(t, a.ID).Key(), hexID(t, b.ID).Key())
	})
	for _, c := range all[:min(n, len(all))] {
		addrs = append(addrs, c.Addr)
	}
	return addrs
}

// shared returns the members of a that are members of b.
func shared(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}
