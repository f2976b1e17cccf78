package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each announcement comes from an address of its own, since filters count addresses.
func TestScrape(t *testing.T) {
	t.Parallel()
	first, _ := node(t)
	announced := [][]string{
		{"127.0.8.1:0", "--seed"}, {"127.0.8.2:0", "--seed"}, {"127.0.8.3:0"}, {"127.0.8.4:0"}, {"127.0.8.5:0"},
	}
	for _, a := range announced {
		if !bindable(t, a[0]) {
			t.Skip("only one loopback address")
		}
		found(t, append([]string{"announce", infoHash, "7001", "--once", "--bootstrap", first, "--listen"}, a...)...)
	}
	require.Equal(t, []string{infoHash + " 2 3 1"}, found(t, "scrape", infoHash, "--bootstrap", first))

	r := dhtkitWith(t, infoHash+"\n0000000000000000000000000000000000000001\n", "scrape", "-", "--json", "--bootstrap", first)
	require.Equal(t, exitFound, r.code, r.stderr)
	all := records(t, r.stdout)
	require.Len(t, all, 3)
	require.Equal(t, []any{infoHash, 2., 3., 1., 0.}, []any{all[1]["info_hash"], all[1]["seeds"], all[1]["peers"], all[1]["nodes"], all[1]["values"]})
	require.Equal(t, []any{2., 1.}, []any{all[2]["hashes"], all[2]["known"]})
}

func TestScrapeNothing(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "scrape", "--local", "20", infoHash)
	require.Equal(t, exitNothing, r.code, r.stderr)
	require.Empty(t, r.stdout)
}

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n          float64
		text, json string
	}{{0, "0", "0.0"}, {2.003, "2", "2.0"}, {1224.93, "1225", "1224.9"}, {math.Inf(1), "many", "null"}} {
		b, err := count(c.n).MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, []string{c.text, c.json}, []string{count(c.n).String(), string(b)})
	}
}
