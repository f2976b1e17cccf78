package lab_test

import (
	"flag"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/sim"
)

// The full size, 10,000 nodes and 1,000 lookups of each policy:
//
//	go test ./internal/simnet/lab -run TestRPCLookups -v -rpcnodes 10000 -timeout 1h
var rpcNodes = flag.Int("rpcnodes", 0, "nodes of TestRPCLookups, a tenth of that are lookups; 0: 1000, or 500 with -short")

func runRPC(t testing.TB, r lab.RPCRun) lab.RPCResult {
	t.Helper()
	res, err := lab.RunRPC(r)
	require.NoError(t, err)
	require.Len(t, res.Lookups, len(r.Policies))
	for _, lookups := range res.Lookups {
		require.Len(t, lookups, r.Lookups)
	}
	return res
}

// Of 1,000 lookups with 20 % of the nodes dead, 99 % are to find the exact 20 closest of the living (issue 5).
func TestRPCLookups(t *testing.T) {
	nodes := *rpcNodes
	if nodes == 0 {
		nodes = size(1000, 500)
	}
	run := lab.RPCRun{Nodes: nodes, Dead: 0.2, Seed: 1, Lookups: nodes / 10, Policies: lab.RPCPolicies}
	before, most := runtime.NumGoroutine(), 0
	run.Progress = func(int, int) { most = max(most, runtime.NumGoroutine()) }
	res := runRPC(t, run)
	require.LessOrEqual(t, most, before+2, "nodes have no goroutines")
	t.Logf("boot %v, %v a virtual minute, %.0f bytes a node, %v a packet; table %.1f, %.1f %% dead at first, %.1f %% in the end; lookups %v",
		res.Boot, res.PerMinute, res.BytesPerNode, res.PacketCost, res.Table, 100*res.Stale, 100*res.After, res.Wall)
	got := make(map[string]lab.RPCSummary)
	for i, p := range lab.RPCPolicies {
		got[p.Name] = res.Summary(i)
		t.Log(p.Name, got[p.Name])
		require.Zero(t, got[p.Name].Failed)
	}
	fast, thorough, original := got["fast"], got["thorough"], got["original"]
	require.Equal(t, nodes-nodes/5, res.Living)
	require.InDelta(t, 0.2, res.Stale, 0.03, "the dead are in the tables")
	require.GreaterOrEqual(t, thorough.Exact, 0.99)
	require.Less(t, original.Exact, 0.9)
	if nodes >= 1000 { // the original takes longer with every step
		require.Less(t, thorough.DoneP50, original.DoneP50)
	}
	require.Less(t, thorough.Sent, original.Sent)
	require.Less(t, 3*fast.DoneP50, original.DoneP50)
	require.Less(t, 2*fast.Sent, original.Sent)
	require.Less(t, res.BytesPerNode, 100_000.)
}

// In a network without faults both ways find the same, and everything.
func TestRPCLookupsOfAPerfectWorld(t *testing.T) {
	for _, rows := range []bool{false, true} {
		run := lab.RPCRun{
			Nodes: size(400, 200), Seed: 2, Lookups: size(60, 20), Links: sim.LinkConfig{Seed: 2, Flat: 100e6},
			Policies: lab.RPCPolicies, Node: dhtrpc.Config{RowOrder: rows},
		}
		res := runRPC(t, run)
		require.Zero(t, res.Stale)
		for i, p := range lab.RPCPolicies {
			s := res.Summary(i)
			t.Log(rows, p.Name, s)
			require.Zero(t, s.Failed)
			if p.Name == "original" {
				require.Zero(t, s.Unanswered, "it waits for all")
			}
			for _, l := range res.Lookups[i] {
				require.Zero(t, l.Done%100e6, "whole round trips: %v", l.Done)
				require.Equal(t, l.Asked, l.Sent, "nothing is sent twice")
			}
			if p.Name == "thorough" || !rows {
				require.GreaterOrEqual(t, s.Exact, 0.99, p.Name)
			}
		}
	}
}

func TestEqualSeedsEqualRPCNetworks(t *testing.T) {
	run := lab.RPCRun{
		Nodes: size(150, 60), Dead: 0.3, Seed: 5, Boot: 2 * time.Minute, Calm: time.Minute, Lookups: 10, Policies: lab.RPCPolicies,
	}
	type trace struct {
		hash    uint64
		net     sim.Stats
		lookups [][]lab.RPCLookup
	}
	of := func(r lab.RPCRun) trace {
		res := runRPC(t, r)
		return trace{res.Hash, res.Net, res.Lookups}
	}
	a := of(run)
	require.Equal(t, a, of(run))
	run.Seed = 6
	require.NotEqual(t, a.hash, of(run).hash)
}
