package interop

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

const rpcTargets = 10 // that a test looks for

// TestRPCTheirsAmongOurs: a node of npm dht-rpc is a full member of a network of ours. We show it its address, and that it can be
// reached.
func TestRPCTheirsAmongOurs(t *testing.T) {
	l := startRPCLab(t)
	net := l.network(40, 0, 20)
	n := l.theirs(rpcSetting{bootstrap: []string{net[0].addr()}})[0].(rpcTheirs)
	n.wait(t, "persistent", "")
	require.Equal(t, rpcState{ID: rpcIDAt(n.addr()).String(), Remote: n.addr()}, n.state(t))

	requireExact(t, n, net)
	l.settled(append(slices.Clone(net), n))
	requireNamed(t, n, net)
}

// TestRPCOursAmongTheirs: a node of ours is a full member of a network of npm dht-rpc. One that is bound to one address knows that
// from the start, one bound to all of them has to be told.
func TestRPCOursAmongTheirs(t *testing.T) {
	l := startRPCLab(t)
	net := l.network(0, 40, 20)
	for _, host := range []string{l.host, "0.0.0.0"} {
		persistent := make(chan struct{}, 1)
		n := l.one(host+":0", dhtrpc.Config{
			Bootstrap: []string{net[0].addr()},
			On:        dhtrpc.Events{Persistent: func() { persistent <- struct{}{} }},
		}, false)
		select {
		case <-persistent:
		case <-patiently(t).Done():
			require.Fail(t, "not persistent")
		}
		if host == "0.0.0.0" {
			n.self.Addr = fmt.Sprintf("127.0.0.1:%d", n.Addr().Port())
			n.self.ID = rpcIDAt(n.addr()).String()
		}
		state := n.State()
		require.Equal(t, n.addr(), state.Remote.String())
		require.False(t, state.Firewalled)

		requireExact(t, n, net)
		known := l.knownTo(n.addr(), 10)
		t.Logf("bound to %s: %d of 40 nodes of npm dht-rpc have it in their table", host, known)
		requireNamed(t, n, net)
		net = append(net, n)
	}
}

// TestRPCUneven: where a half of the network has more than 20 nodes, nobody who is far away knows all of them, and nodes of npm
// dht-rpc name those with the smallest ids. Then whoever looks misses some of the nearest, as theirs do; a thorough query, as every
// commit is, asks around.
func TestRPCUneven(t *testing.T) {
	l := startRPCLab(t)
	net := l.network(0, 40, 15)
	s := rpcSetting{ephemeral: true, bootstrap: []string{net[0].addr()}}
	ours, theirs := l.node(true, s), l.node(false, s)
	missed := make(map[string]int)
	for _, look := range []struct {
		name     string
		node     rpcNode
		thorough bool
	}{{"go", ours, false}, {"go, thorough", ours, true}, {"npm", theirs, false}} {
		exact, answers := 0, 0
		for i := range 100 {
			target := dhtrpc.Hash(fmt.Append(nil, i)).String()
			found := look.node.query(t, rpcQuery{target: target, thorough: look.thorough})
			answers += len(found.Replies)
			missing := 20 - len(shared(rpcNearest(t, target, net, 20), addrsOf(found.Closest)))
			if missed[look.name] += missing; missing == 0 {
				exact++
			}
		}
		t.Logf("%s: %d of 100 lookups find the exact 20, %d of 2000 nodes missed, %d answers", look.name, exact, missed[look.name], answers)
	}
	require.Less(t, missed["go"], 200)
	require.Less(t, missed["go, thorough"], 20)
}

// requireExact makes sure that a node finds exactly the 20 nodes of a network that are nearest to a target, and that all of them
// take what it commits. One lookup of each kind may miss: on a busy machine a node may be silent for longer than one waits.
func requireExact(t *testing.T, n rpcNode, net []rpcNode) {
	t.Helper()
	found, stored, commits := 0, 0, 0
	for i := range rpcTargets {
		target := dhtrpc.Hash(fmt.Append(nil, n.addr(), i)).String()
		nearest := rpcNearest(t, target, net, 20)
		if slices.Equal(nearest, addrsOf(n.query(t, rpcQuery{target: target}).Closest)) {
			found++
		}
		put := n.query(t, rpcQuery{command: rpcStore, target: target, value: hexOf("value"), commit: true})
		require.Empty(t, put.Failed)
		commits += put.Commits
		if slices.Sort(nearest); slices.Equal(nearest, slices.Sorted(slices.Values(storedAt(t, target, net)))) {
			stored++
		}
	}
	t.Logf("%d of %d lookups find the 20 nearest, %d of as many commits reach them; %d accepted", found, rpcTargets, stored, commits)
	require.GreaterOrEqual(t, found, rpcTargets-1)
	require.GreaterOrEqual(t, stored, rpcTargets-1)
	require.GreaterOrEqual(t, commits, 20*rpcTargets-20)
}

// requireNamed makes sure that the members of a network name a node to those who look for it.
func requireNamed(t *testing.T, n rpcNode, net []rpcNode) {
	t.Helper()
	listed, named := 0, 0
	for _, o := range net {
		if slices.Contains(o.nodes(t), n.addr()) {
			listed++
		}
		if n.addr() == o.query(t, rpcQuery{target: n.id()}).Closest[0].Addr {
			named++
		}
	}
	t.Logf("%d of %d nodes list it, %d find it", listed, len(net), named)
	require.GreaterOrEqual(t, listed, 10) // others may have 20 nodes as far away from them
	require.GreaterOrEqual(t, named, len(net)*9/10)
}
