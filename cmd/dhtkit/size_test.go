package main

import (
	"bytes"
	"context"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizeCountsASmallNetwork(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "size", "--local", "30")
	require.Equal(t, exitFound, r.code, r.stderr)
	require.Regexp(t, `^3[0-2] nodes, .*by count\n$`, r.stdout)
	require.Regexp(t, `^30 nodes counted in \d+ lookups; [0-9]+ queries, [0-9]+ answered, [0-9.]+ s, lost: none\n$`, r.stderr)
}

func TestSizeRecords(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "size", "--local", "30", "--json", "--lookups", "2")
	require.Equal(t, exitFound, r.code, r.stderr)
	require.Empty(t, r.stderr)
	all := records(t, r.stdout)
	estimates := ofType(all, "estimate")
	require.Len(t, estimates, len(all)-2)
	sum, last := all[len(all)-1], estimates[len(estimates)-1]
	for _, name := range []string{"nodes", "low", "high", "method", "lookups", "counted", "share", "completeness"} {
		require.Equal(t, last[name], sum[name], name)
	}
	require.Equal(t, "count", sum["method"])
	require.Equal(t, 30., sum["counted"])
	require.Equal(t, sum["queries"], sum["answered"])
}

// An estimate that was cut short is printed with what it knows, and ends with 4.
func TestSizeInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	out := &trigger{text: regexp.MustCompile(`"estimate"`), call: func() { cancel(errInterrupted) }}
	var errs bytes.Buffer
	code := run(ctx, []string{"size", "--local", "150", "--json"}, nil, out, &errs)
	require.Equal(t, exitStopped, code, errs.String())
	all := records(t, out.String())
	sum := all[len(all)-1]
	require.Equal(t, "signal", sum["stopped"])
	estimates := ofType(all, "estimate")
	require.Equal(t, estimates[len(estimates)-1]["low"], sum["low"])
}

func TestSizeOfNothing(t *testing.T) {
	t.Parallel()
	require.Equal(t, exitUsage, dhtkit(t, "size", "--lookups", "0").code)
	r := dhtkit(t, "size", "--bootstrap", "127.0.0.1:1", "--timeout", "100ms")
	require.Equal(t, exitNoAnswer, r.code, r.stderr)
	require.Empty(t, r.stdout)
}
