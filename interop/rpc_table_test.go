package interop

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// hint tells a node that another one is down, as any stranger may.
func (r *rpcRaw) hint(node rpcNode, down string) {
	r.t.Helper()
	a := dhtrpc.Addrs(nil).Append(netip.MustParseAddrPort(down))
	tid := r.ask(node.addr(), dhtrpc.CommandDownHint, a)
	require.Empty(r.t, r.until(node, tid), "only that it was heard")
}

// leave ends a node without a word.
func leave(t *testing.T, n rpcNode) {
	t.Helper()
	switch n := n.(type) {
	case *rpcOurs:
		require.NoError(t, n.Close())
	case rpcTheirs:
		n.destroy(t)
	}
}

// lists waits until a node of any kind has one in its table, or, if it shall not, until it has it no more.
func lists(t *testing.T, n rpcNode, addr string, shall bool) {
	t.Helper()
	await(t, n.addr()+" and "+addr, func() bool { return slices.Contains(n.nodes(t), addr) == shall })
}

// TestRPCDead: a node has the other kind in its table, hears that it is down when it is, and drops it after four attempts of
// a second.
func TestRPCDead(t *testing.T) {
	l := startRPCLab(t)
	raw := l.raw()
	for _, cast := range rpcCasts(2) {
		n := l.first(cast[0])
		dead := l.node(cast[1], rpcSetting{bootstrap: []string{n.addr()}, open: true})
		alive := l.node(cast[1], rpcSetting{bootstrap: []string{n.addr()}, open: true})
		lists(t, n, dead.addr(), true)
		lists(t, n, alive.addr(), true)
		leave(t, dead)
		began := time.Now()
		raw.hint(n, dead.addr())
		if cast[0] {
			raw.hint(n, alive.addr())
		}
		lists(t, n, dead.addr(), false)
		ended := time.Now()
		if js, ok := n.(rpcTheirs); ok {
			ended = js.wait(t, "remove-node", dead.addr())
		}
		t.Logf("%s drops %s %v after it died", castName(cast[:1]), castName(cast[1:]), ended.Sub(began).Round(10*time.Millisecond))
		require.Greater(t, ended.Sub(began), 3900*time.Millisecond)
		require.Contains(t, n.nodes(t), alive.addr())
	}
}

// TestRPCHints: a query of one kind meets a dead node and tells who named it, which drops it.
func TestRPCHints(t *testing.T) {
	l := startRPCLab(t)
	type dropping struct {
		named rpcNode
		dead  string
	}
	var all []dropping
	for _, cast := range rpcCasts(2) {
		named := l.first(cast[0])
		s := rpcSetting{bootstrap: []string{named.addr()}, open: true}
		dead := l.node(cast[0], s)
		lists(t, named, dead.addr(), true)
		s.ephemeral = true
		asks := l.node(cast[1], s)
		leave(t, dead)
		found := asks.query(t, rpcQuery{target: dead.id(), once: true})
		require.NotZero(t, found.Errors)
		all = append(all, dropping{named, dead.addr()})
	}
	for _, d := range all { // the checks take four seconds, side by side
		lists(t, d.named, d.dead, false)
	}
}

// TestRPCFullRowOfTheirs: a row of a node of npm dht-rpc is full of ours. A newcomer gets no place as long as the one
// heard from longest ago answers, and the place of it if it does not.
func TestRPCFullRowOfTheirs(t *testing.T) {
	l := startRPCLab(t)
	owner := l.create(fields{"bootstrapper": true, "addrs": l.free(1, inHalf(0))})[0].(rpcTheirs)
	s := rpcSetting{bootstrap: []string{owner.addr()}, addrs: l.free(20, inHalf(1))}
	row := l.ours(s)
	for _, n := range row {
		lists(t, owner, n.addr(), true)
	}
	s.addrs = l.free(1, inHalf(1))
	newcomer := l.ours(s)[0]
	// heardFrom lets a tick pass in which the owner hears of all but one.
	heardFrom := func(not rpcNode) {
		owner.tick(t)
		for _, n := range others(row, not) {
			require.Empty(t, n.ping(t, owner.addr(), 0, false).Failed)
		}
	}
	pings := func(n rpcNode) uint64 { return n.(*rpcOurs).Stats().Received[dhtrpc.CommandPing] }

	heardFrom(row[7])
	before := pings(row[7])
	require.Empty(t, newcomer.ping(t, owner.addr(), 0, false).Failed)
	await(t, "the owner looks whether it is there", func() bool { return pings(row[7]) > before })
	require.Empty(t, newcomer.ping(t, owner.addr(), 0, false).Failed)
	require.ElementsMatch(t, addrsOfNodes(row), owner.nodes(t))

	heardFrom(row[3])
	leave(t, row[3])
	require.Empty(t, newcomer.ping(t, owner.addr(), 0, false).Failed)
	owner.wait(t, "remove-node", row[3].addr())
	owner.wait(t, "add-node", newcomer.addr())
	require.ElementsMatch(t, append(addrsOfNodes(others(row, row[3])), newcomer.addr()), owner.nodes(t))
}

// TestRPCFullRowOfOurs: a bucket of a node of ours is full of nodes of npm dht-rpc. A newcomer waits beside it, and gets the place
// of one that is gone.
func TestRPCFullRowOfOurs(t *testing.T) {
	l := startRPCLab(t)
	owner := l.ours(rpcSetting{addrs: l.free(1, inHalf(0))})[0]
	s := rpcSetting{bootstrap: []string{owner.addr()}, open: true, addrs: l.free(21, inHalf(1))}
	row := l.theirs(s)
	newcomer := row[20]
	row = row[:20]
	for _, n := range row {
		lists(t, owner, n.addr(), true)
	}
	raw := l.raw()
	for _, n := range row[10:15] {
		raw.hint(owner, n.addr()) // they are there, and stay
	}
	require.Empty(t, newcomer.ping(t, owner.addr(), 0, false).Failed)
	asks := l.node(true, rpcSetting{ephemeral: true})
	named := func() []string { // by an answer of the owner, which are the nodes of that bucket
		return asks.request(t, owner.addr(), rpcRequest{command: rpcUnknown, target: newcomer.id()}).Closer
	}
	require.ElementsMatch(t, addrsOfNodes(row), named())

	leave(t, row[3])
	raw.hint(owner, row[3].addr())
	lists(t, owner, row[3].addr(), false)
	await(t, "the newcomer has the place", func() bool { return slices.Contains(named(), newcomer.addr()) })
	require.ElementsMatch(t, append(addrsOfNodes(others(row, row[3])), newcomer.addr()), named())
}

func addrsOfNodes(nodes []rpcNode) (addrs []string) {
	for _, n := range nodes {
		addrs = append(addrs, n.addr())
	}
	return addrs
}
