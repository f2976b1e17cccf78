package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/lab"
)

// Small runs of each verb under sim.
var smallRuns = []struct {
	args string
	row  string // what each line of the plain output is like
	rows int
	kind string // of the records that are such a line
}{
	{"sim lookup --nodes 2000 --lookups 5 --profile fast,alpha3", `^(fast|alpha3) +\d+ +\d+ +\d+ +\d+ +\d+ +0\.\d{3} +[01]\.\d{3} [0-9a-f]{16}$`, 2, "profile"},
	{"sim crawl --nodes 500 --skew --decoys 0.1 --window 100", `^ *[01]\.\d{4} +\d+\.\d{3} +\d+ +\d+ +0 +\d+ +\d+ [0-9a-f]{16}$`, 1, "crawl"},
	{"sim size --nodes 3000 --lookups 4", `^ *\d+ +\d+ +\d+ +\d+ +[-+]\d+\.\d\d +(yes|no) [01]\.\d{4} +\d+ +\d+ [0-9a-f]{16}$`, 1, "size"},
	{"sim growth --nodes 1000 --from 100 --lookups 4", `^fast +\d+ +\d+\.\d\d +\d+\.\d\d +(-|[-+]\d+\.\d\d) +\d+ +\d+ +[01]\.\d{3} [0-9a-f]{16}$`, 3, "growth"},
	{"sim churn --nodes 12 --hours 0.5 --boot 5m", `^ *\d+ +\d+ +\d+\.\d +[01]\.\d{3} +\d+\.\d +\d+ +\d+ +(-|\d+) +(-|[01]\.\d{3})$`, 4, "point"},
	{"sim rpc --nodes 60 --lookups 5", `^(fast|thorough|original) +[01]\.\d{4} +[01]\.\d{4} +\d+ +\d+ +\d+ +\d+\.\d +\d+\.\d +0\.\d{3}$`, 3, "policy"},
}

func TestSimPlain(t *testing.T) {
	t.Parallel()
	for _, test := range smallRuns {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(test.args)
			r := dhtkit(t, args...)
			require.Equal(t, exitFound, r.code, r.stderr)
			rows := lines(r.stdout)
			require.Len(t, rows, test.rows, r.stdout)
			header := lines(r.stderr)[0]
			for _, row := range rows {
				require.Regexp(t, test.row, row)
				require.Len(t, strings.Fields(header), len(strings.Fields(row)), "a name for each column")
				require.Equal(t, len(row), len(rows[0]), "aligned")
			}
			require.Regexp(t, `^\d+ queries, \d+ answered, \d+ datagrams, .* virtual in `, lines(r.stderr)[len(lines(r.stderr))-1])

			again := dhtkit(t, append(args, "-q")...)
			require.Equal(t, r.stdout, again.stdout, "equal seeds, equal output")
			require.Empty(t, again.stderr)
			require.NotEqual(t, r.stdout, dhtkit(t, append(args, "--seed", "2")...).stdout)
		})
	}
}

func TestSimRecords(t *testing.T) {
	t.Parallel()
	for _, test := range smallRuns {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			args := append(strings.Fields(test.args), "--json", "--seed", "7")
			r := dhtkit(t, args...)
			require.Equal(t, exitFound, r.code, r.stderr)
			require.Empty(t, r.stderr)
			all := records(t, r.stdout)
			first, sum := all[0], all[len(all)-1]
			require.Equal(t, strings.Join(args[:2], " "), first["verb"])
			require.Equal(t, "simulated", first["network"])
			require.Equal(t, 7., first["seed"])
			require.IsType(t, 0., first["options"].(map[string]any)["nodes"])
			require.Len(t, ofType(all, test.kind), test.rows)
			require.Equal(t, float64(len(all)-2), sum["results"])
			require.NotContains(t, sum, "stopped")
			require.Greater(t, sum["datagrams"], sum["queries"])
			require.Greater(t, sum["queries"], sum["answered"])
			require.Greater(t, sum["virtual_seconds"], 0.)
			require.Equal(t, undated(r.stdout), undated(dhtkit(t, args...).stdout), "equal seeds, equal records")
		})
	}
}

// undated leaves out what depends on the machine and the hour.
func undated(text string) string {
	return regexp.MustCompile(`"(time|seconds|boot_seconds|seconds_per_minute|packet_microseconds|bytes_per_node)":[^,}]*`).ReplaceAllString(text, "")
}

func TestSimFigures(t *testing.T) {
	t.Parallel()
	nodes, lookups := 3000., 20.
	if testing.Short() { // the race detector makes this a hundred times slower
		nodes, lookups = 300, 3
	}
	sim := func(args ...string) []record {
		return records(t, dhtkit(t, append([]string{"sim", "lookup", "--nodes", fmt.Sprint(nodes), "--lookups", fmt.Sprint(lookups), "--json"}, args...)...).stdout)
	}
	all := sim("--profile", "all")
	profiles := ofType(all, "profile")
	require.Len(t, profiles, len(lab.Profiles))
	hashes := make(map[any]bool)
	for i, p := range profiles {
		require.Equal(t, lab.Profiles[i].Name, p["name"])
		require.Equal(t, lookups, p["lookups"])
		require.InDelta(t, nodes, p["nodes"], nodes/8)
		require.LessOrEqual(t, p["first_p50_ms"], p["first_p95_ms"])
		require.LessOrEqual(t, p["done_p50_ms"], p["done_p95_ms"])
		require.Less(t, p["first_p50_ms"], p["done_p50_ms"])
		require.InDelta(t, 0.4, p["unanswered"], 0.25)
		require.Greater(t, p["recall"], 0.6)
		hashes[p["hash"]] = true
	}
	require.Len(t, hashes, len(profiles))

	alive := sim("--dead", "0")
	require.Less(t, ofType(alive, "profile")[0]["unanswered"], 0.25, "--dead 0 means none")

	grown := ofType(records(t, dhtkit(t, "sim", "growth", "--from", "100", "--nodes", "1700", "--lookups", "5", "--json").stdout), "growth")
	require.Len(t, grown, 3)
	require.NotContains(t, grown[0], "queries_per_doubling")
	require.InDelta(t, (grown[1]["queries_mean"].(float64)-grown[0]["queries_mean"].(float64))/2, grown[1]["queries_per_doubling"], 0.001)
	require.Equal(t, 1700., grown[2]["nodes"], "not 1600 and 1700")
}

// A flag that may stand alone takes its value after a blank all the same.
func TestSkewFlag(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]float64{"": 1, "--skew": 4, "--skew=8": 8, "--skew 8": 8, "--skew 1": 1} {
		all := records(t, dhtkit(t, strings.Fields("sim crawl --nodes 50 --json "+args)...).stdout)
		require.Equal(t, want, all[0]["options"].(map[string]any)["skew"], args)
	}
}

func TestSimPlots(t *testing.T) {
	t.Parallel()
	for _, test := range smallRuns {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "plot.svg")
			args := append(strings.Fields(test.args), "--svg", file)
			r := dhtkit(t, args...)
			require.Equal(t, exitFound, r.code, r.stderr)
			require.Contains(t, r.stderr, "plot in "+file)
			drawn, err := os.ReadFile(file)
			require.NoError(t, err)
			requireXML(t, drawn)
			require.Contains(t, string(drawn), "dhtkit "+strings.Join(args[:2], " ")+" --")
			require.NotContains(t, string(drawn), file, "the same picture wherever it is")

			r = dhtkit(t, args...)
			require.Equal(t, exitUsage, r.code)
			require.Contains(t, r.stderr, file+" exists")
			require.Contains(t, r.stderr, "--force")
			require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("longer than a plot "), 10_000), 0o644))
			require.Equal(t, exitFound, dhtkit(t, append(args, "--force")...).code)
			again, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(drawn), string(again), "overwritten, by the same picture")
		})
	}
}

func requireXML(t *testing.T, b []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// An interrupt after the first result: what is there is printed and drawn, the summary is last, and it is exit code 4.
func TestInterruptedSim(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, kind string }{
		{"sim lookup --nodes 1000 --lookups 3 --profile all", `{"type":"profile"`},
		{"sim crawl --nodes 3000", `"point"`},
		{"sim growth --from 100 --nodes 100000 --lookups 3", `"growth"`},
		{"sim churn --nodes 30 --hours 8000", `"point"`},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "plot.svg")
			ctx, cancel := context.WithCancelCause(t.Context())
			out := &trigger{text: regexp.MustCompile(test.kind), call: func() { cancel(errInterrupted) }}
			errs := newPipe()
			code := run(ctx, append(strings.Fields(test.args), "--json", "--svg", file), nil, out, errs)
			require.Equal(t, exitStopped, code, errs)
			all := records(t, out.String())
			sum := all[len(all)-1]
			require.Equal(t, "signal", sum["stopped"])
			require.Equal(t, float64(len(all)-2), sum["results"])
			require.Greater(t, sum["datagrams"], 0.)
			drawn, err := os.ReadFile(file)
			require.NoError(t, err)
			requireXML(t, drawn)
			require.Equal(t, file, sum["svg"])
		})
	}
}

// Interrupted before there is anything: a summary, and no empty file.
func TestInterruptedSimStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	for _, verb := range []string{"lookup", "growth", "churn"} {
		file := filepath.Join(t.TempDir(), "plot.svg")
		var out bytes.Buffer
		code := run(ctx, []string{"sim", verb, "--nodes", "1000", "--json", "--svg", file}, nil, &out, io.Discard)
		require.Equal(t, exitStopped, code, verb)
		all := records(t, out.String())
		require.Equal(t, "signal", all[len(all)-1]["stopped"], verb)
		require.NoFileExists(t, file, verb)
	}
}

func TestSimDeadline(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "sim", "churn", "--nodes", "30", "--hours", "8000", "--deadline", "50ms", "--json")
	require.Equal(t, exitStopped, r.code)
	all := records(t, r.stdout)
	require.Equal(t, "deadline", all[len(all)-1]["stopped"])
}

func TestSimOutputThatBreaks(t *testing.T) {
	t.Parallel()
	errs := newPipe()
	code := run(t.Context(), strings.Fields("sim churn --nodes 30 --hours 8000"), nil, &brokenPipe{after: 3}, errs)
	require.Equal(t, exitInternal, code)
	require.Contains(t, errs.String(), io.ErrClosedPipe.Error())
}

func TestSimProgress(t *testing.T) {
	t.Parallel()
	r := dhtkit(t, "sim", "churn", "--nodes", "8", "--hours", "8000", "--deadline", "1300ms", "--progress", "always")
	require.Equal(t, exitStopped, r.code)
	require.Regexp(t, `(?m)^minute \d+ of 480010, \d\.\d\d s for each$`, r.stderr)
}

func TestBadSim(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, test := range []struct {
		args string
		says []string
	}{
		{"sim", []string{"Usage:", "lookup", "churn"}},
		{"sim dance", []string{`"dance"`, "lookup", "--help"}},
		{"sim lookup --nodes 7", []string{"--nodes 7", "8.."}},
		{"sim lookup --nodes -1", []string{"--nodes -1"}},
		{"sim lookup --nodes 1000000000", []string{"--nodes 1000000000", "50000000"}},
		{"sim lookup --nodes many", []string{`"many"`, "--nodes"}},
		{"sim lookup --dead 1", []string{"--dead 1", "0.4"}},
		{"sim lookup --dead -0.1", []string{"--dead -0.1"}},
		{"sim lookup --dead NaN", []string{"--dead NaN"}},
		{"sim lookup --dead 0.99", []string{"--dead 0.99", "0.95"}},
		{"sim lookup --skew=0", []string{"--skew 0", "1 means"}},
		{"sim lookup --skew=65", []string{"--skew 65"}},
		{"sim lookup --skew nine", []string{`"nine"`}},
		{"sim lookup --lookups 0", []string{"--lookups 0", "1.."}},
		{"sim lookup --profile best", []string{`"best"`, "fast", "thorough", "alpha3", "alpha16", "libtorrent", "dht-rpc", "all"}},
		{"sim lookup --profile fast,", []string{`""`, "thorough"}},
		{"sim lookup extra", []string{`"extra"`}},
		{"sim lookup --public", []string{"--public", "real networks"}},
		{"sim lookup --bootstrap 127.0.0.1:1", []string{"--bootstrap", "real networks"}},
		{"sim churn --timeout 2s", []string{"--timeout", "real networks"}},
		{"sim lookup --deadline -1s", []string{"--deadline -1s"}},
		{"sim lookup --svg " + filepath.Join(dir, "no", "such"), []string{"--svg", filepath.Join(dir, "no", "such")}},
		{"sim lookup --force --svg " + dir, []string{"--svg", dir}},
		{"sim size --lookups 0", []string{"--lookups 0"}},
		{"sim crawl --decoys 1", []string{"--decoys 1"}},
		{"sim crawl --decoys -1", []string{"--decoys -1"}},
		{"sim crawl --window 0", []string{"--window 0"}},
		{"sim growth --from 0", []string{"--from 0"}},
		{"sim growth --from 100 --nodes 50", []string{"--from 100", "--nodes"}},
		{"sim growth --factor 1", []string{"--factor 1"}},
		{"sim growth --profile none", []string{`"none"`}},
		{"sim churn --nodes 3", []string{"--nodes 3"}},
		{"sim churn --hours -1", []string{"--hours -1"}},
		{"sim churn --hours NaN", []string{"--hours NaN"}},
		{"sim churn --boot 0s", []string{"--boot 0s"}},
		{"sim churn --every 90s", []string{"--every 1m30s", "whole minutes"}},
		{"sim churn --return 2", []string{"--return 2"}},
		{"sim churn --nat 1", []string{"--nat 1"}},
		{"sim churn --probes -1", []string{"--probes -1"}},
		{"sim rpc --nodes 49", []string{"--nodes 49", "50.."}},
		{"sim rpc --dead NaN", []string{"--dead NaN"}},
		{"sim rpc --dead 0.95", []string{"--dead 0.95", "0.9"}},
		{"sim rpc --lookups 0", []string{"--lookups 0"}},
		{"sim rpc --policy best", []string{`"best"`, "original"}},
		{"sim churn --profile all", []string{"--profile all"}},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			r := dhtkit(t, strings.Fields(test.args)...)
			require.Equal(t, exitUsage, r.code, r.stderr)
			require.Empty(t, r.stdout)
			for _, text := range test.says {
				require.Contains(t, r.stderr, text)
			}
		})
	}
}

// What the environment says about real networks does not concern simulated ones.
func TestSimEnvironment(t *testing.T) {
	t.Setenv("DHTKIT_BOOTSTRAP", "127.0.0.1:1")
	t.Setenv("DHTKIT_NODES", "50")
	require.Equal(t, 50., records(t, dhtkit(t, "sim", "crawl", "--json").stdout)[0]["options"].(map[string]any)["nodes"])
}
