package interop

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// hyperFound is what hyper.mjs answers.
type hyperFound struct {
	Closest, Keys   []string
	Replies, Errors int
	Key, Hash       string
	Value           *string
	Version         int
	Text            string
}

// TestHyperdht: a network of 20 nodes of hyperdht and 20 of ours, with a bootstrap node of ours. Two clients of hyperdht use it. Ours
// do not know hyperdht's commands: they say so, and name nodes closer to the target.
func TestHyperdht(t *testing.T) {
	t.Parallel()
	l := newRPCLab(t, startNodeScript(t, "hyper.mjs"))
	addrs := l.free(42, func(dhtrpc.ID) bool { return true })
	var ours []*dhtrpc.Node
	for _, n := range l.testnet(addrs[:20]) {
		n := n.(*rpcOurs)
		for c := range uint64(rpcUnknown) {
			n.Handle(c, nil)
		}
		ours = append(ours, n.Node)
	}
	theirs := addrs[20:40]
	s := fields{"bootstrap": addrs[:1], "addrs": theirs}
	l.npm.do(t, "create", s, nil)
	s["ephemeral"], s["addrs"] = true, addrs[40:]
	l.npm.do(t, "create", s, nil)
	const writer, reader = 20, 21

	do := func(what string, args fields) (f hyperFound) {
		t.Helper()
		l.npm.do(t, what, args, &f)
		return f
	}
	// taken counts the nodes that took something, which are those of hyperdht, nearly all here.
	taken := func(closest []string) int {
		t.Helper()
		require.Greater(t, len(closest), 10)
		require.Len(t, shared(closest, theirs), len(closest))
		return len(closest)
	}
	topics, mutable, immutable, found, declined := 0, 0, 0, 0, 0
	for i := range rpcTargets {
		seed := dhtrpc.Hash(fmt.Append(nil, "seed ", i)).String()
		topic := dhtrpc.Hash(fmt.Append(nil, "topic ", i)).String()
		put := do("announce", fields{"node": writer, "target": topic, "seed": seed})
		topics += taken(put.Closest)
		seen := do("lookup", fields{"node": reader, "target": topic})
		require.Len(t, seen.Keys, 1)
		found, declined = found+seen.Replies, declined+put.Errors+seen.Errors

		value := hexOf(fmt.Sprint("value ", i))
		put = do("mutablePut", fields{"node": writer, "seed": seed, "value": value, "version": i})
		require.Equal(t, seen.Keys[0], put.Key)
		mutable += taken(put.Closest)
		require.Equal(t, hyperFound{Value: value, Version: i}, do("mutableGet", fields{"node": reader, "key": put.Key}))

		put = do("immutablePut", fields{"node": writer, "value": value})
		immutable += taken(put.Closest)
		require.Equal(t, hyperFound{Value: value}, do("immutableGet", fields{"node": reader, "hash": put.Hash}))
	}
	text := do("connect", fields{"node": reader, "to": writer, "seed": dhtrpc.Hash(nil).String(), "text": "hello"}).Text
	require.Equal(t, "hello", text)

	var asked uint64
	for _, n := range ours {
		asked += n.Stats().User
	}
	require.Greater(t, asked, uint64(20*rpcTargets), "they are on the way")
	t.Logf("20 nodes of ours and 20 of hyperdht: %d topics taken by %d, found at %d nodes, %d mutable values taken by %d, %d immutable by %d",
		rpcTargets, topics, found, rpcTargets, mutable, rpcTargets, immutable)
	t.Logf("ours were asked %d times for what they do not know, %d times for topics", asked, declined)
}
