package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCrawlFindsEverybody(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "crawl", "--local", "30")
	require.Equal(t, exitFound, r.code, r.stderr)
	nodes := lines(r.stdout)
	require.Len(t, nodes, 30)
	for _, line := range nodes {
		require.Regexp(t, `^[0-9a-f]{40} 127\.[0-9.]+:[0-9]+$`, line)
	}
	slices.Sort(nodes)
	require.Len(t, slices.Compact(nodes), 30, "each once")
	require.Regexp(t, `^30 nodes, [0-9.]+ queries per node; [0-9]+ queries, [0-9]+ answered, [0-9.]+ s, lost: none\n$`, r.stderr)
}

func TestCrawlRecords(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "crawl", "--local", "30", "--json")
	require.Equal(t, exitFound, r.code, r.stderr)
	require.Empty(t, r.stderr)
	all := records(t, r.stdout)
	require.Equal(t, "local", all[0]["network"])
	require.Equal(t, 30., all[0]["local"])
	nodes := ofType(all, "node")
	require.Len(t, nodes, 30)
	for _, n := range nodes {
		require.Regexp(t, `^[0-9a-f]{40}$`, n["id"])
		require.Regexp(t, `^127\.`, n["addr"])
		require.Equal(t, "DK0001", n["version"])
		require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, n["time"])
		require.IsType(t, 0., n["rtt_ms"])
	}
	sum := all[len(all)-1]
	require.Equal(t, 30., sum["nodes"])
	require.Equal(t, sum["queries"], sum["answered"])
	require.LessOrEqual(t, sum["queries"], 3.4*30)
	require.Equal(t, map[string]any{}, sum["losses"])
	require.Regexp(t, `^\{"type":"summary","nodes":30,"queries":\d+,"answered":\d+,"seconds":[0-9.]+,"losses":\{\}`, lines(r.stdout)[31])
}

// Without a network named it works on an embedded one, and says so.
func TestCrawlOfNoNetwork(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "crawl")
	require.Equal(t, exitFound, r.code, r.stderr)
	require.Len(t, lines(r.stdout), defaultLocal)
	require.Regexp(t, `no network was named.* 100 nodes .*--public.*--bootstrap`, r.stderr)

	require.Empty(t, dhtkit(t, "crawl", "-q").stderr)
}

func TestCrawlStopsAtItsLimits(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"--max-nodes", "--max"} {
		r := dhtkit(t, "crawl", "--local", "30", "--json", limit, "7")
		require.Equal(t, exitStopped, r.code, r.stderr)
		all := records(t, r.stdout)
		require.Len(t, ofType(all, "node"), 7)
		require.Equal(t, 7., all[8]["nodes"])
		require.Equal(t, "limit", all[8]["stopped"])
	}
	r := dhtkit(t, "crawl", "--local", "30", "--json", "--max-time", "1ns")
	require.Equal(t, exitStopped, r.code)
	require.Equal(t, "limit", records(t, r.stdout)[len(lines(r.stdout))-1]["stopped"])
	r = dhtkit(t, "crawl", "--local", "30", "--json", "--deadline", "1ns")
	require.Equal(t, exitStopped, r.code)
	require.Equal(t, "deadline", records(t, r.stdout)[len(lines(r.stdout))-1]["stopped"])
}

// trigger calls something when a text has been written.
type trigger struct {
	bytes.Buffer
	text *regexp.Regexp
	call func()
}

func (w *trigger) Write(b []byte) (int, error) {
	if w.text.Match(b) {
		w.call()
	}
	return w.Buffer.Write(b)
}

// An interrupt in the middle of a crawl: what was found stays printed, the summary is the last line of standard output,
// and it agrees with what was printed.
func TestInterruptedCrawl(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	out := &trigger{text: regexp.MustCompile(`"node"`), call: func() { cancel(errInterrupted) }}
	var errs bytes.Buffer
	code := run(ctx, []string{"crawl", "--local", "60", "--json", "--window", "1"}, nil, out, &errs)
	require.Equal(t, exitStopped, code, errs.String())
	all := records(t, out.String())
	sum := all[len(all)-1]
	require.Equal(t, "signal", sum["stopped"])
	require.Equal(t, float64(len(ofType(all, "node"))), sum["nodes"])
	require.Equal(t, sum["queries"], sum["answered"], "answers in flight were waited for")
	require.Contains(t, errs.String(), "interrupted")
}

// An interrupt while the embedded network starts: there is a summary all the same.
func TestInterruptedStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	for _, verb := range []string{"crawl", "peers " + infoHash, "find " + infoHash, "announce " + infoHash + " 1"} {
		var out bytes.Buffer
		code := run(ctx, append(strings.Fields(verb), "--json", "--local", "20"), nil, &out, io.Discard)
		require.Equal(t, exitStopped, code, verb)
		all := records(t, out.String())
		require.Equal(t, "signal", all[1]["stopped"], verb)
		require.Equal(t, 0., all[1]["queries"], verb)
	}
}

type brokenPipe struct{ after int }

func (w *brokenPipe) Write(b []byte) (int, error) {
	if w.after--; w.after < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

func TestOutputThatBreaks(t *testing.T) {
	t.Parallel()
	errs := newPipe()
	code := run(t.Context(), []string{"crawl", "--local", "30"}, nil, &brokenPipe{after: 3}, errs)
	require.Equal(t, exitInternal, code)
	require.Contains(t, errs.String(), io.ErrClosedPipe.Error())
}
