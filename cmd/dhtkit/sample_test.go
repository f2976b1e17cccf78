package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSample(t *testing.T) {
	t.Parallel()
	first, _ := node(t)
	other := "00000000000000000000000000000000000000ff"
	for _, hash := range []string{infoHash, other} {
		found(t, "announce", hash, "7001", "--once", "--bootstrap", first)
	}
	require.ElementsMatch(t, []string{infoHash, other}, found(t, "sample", first))
	require.ElementsMatch(t, []string{infoHash, other}, found(t, "sample", infoHash, "--bootstrap", first))
	require.ElementsMatch(t, []string{infoHash, other}, found(t, "sample", "--walk", "--bootstrap", first))
	require.Len(t, found(t, "sample", first, "--max", "1"), 1)

	all := records(t, dhtkit(t, "sample", first, "--json").stdout)
	one := ofType(all, "sample")[0]
	require.Equal(t, []any{first, 2., 0., true}, []any{one["addr"], one["num"], one["interval_s"], one["supported"]})
	require.Len(t, one["hashes"], 2)
	require.Equal(t, []any{2., 1., 1.}, []any{all[2]["hashes"], all[2]["nodes"], all[2]["supported"]})
}

func TestSampleNothing(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "sample", "--walk", "--local", "20")
	require.Equal(t, exitNothing, r.code, r.stderr)
	require.Contains(t, r.stderr, "20 of 20 nodes")

	silent := silentAddr(t)
	r = dhtkit(t, "sample", silent, "--timeout", "200ms")
	require.Equal(t, exitNoAnswer, r.code, r.stderr)
	require.Contains(t, r.stderr, silent)
}
