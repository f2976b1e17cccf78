package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the help texts under testdata")

var helps = []string{
	"", "peers", "announce", "scrape", "get", "put", "sample", "find", "ping", "query", "crawl", "size", "node", "doctor", "version",
	"rpc", "rpc bootstrap", "rpc node", "rpc testnet", "rpc call", "rpc lookup", "rpc set", "rpc get", "rpc status",
	"sim", "sim lookup", "sim crawl", "sim size", "sim growth", "sim churn", "sim rpc",
	"exit-codes", "environment", "records", "politeness",
}

// The help is what testdata says; -update rewrites it, for the eyes of a reviewer.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, name := range helps {
		r := dhtkit(t, append([]string{"help"}, strings.Fields(name)...)...)
		require.Equal(t, exitFound, r.code, name)
		require.Empty(t, r.stderr, name)

		file := filepath.Join("testdata", "help", "dhtkit-"+strings.ReplaceAll(name, " ", "-")+".txt")
		if name == "" {
			file = filepath.Join("testdata", "help", "dhtkit.txt")
		}
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(r.stdout), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), r.stdout, name)
		require.Equal(t, r.stdout, dhtkit(t, append(strings.Fields(name), "--help")...).stdout, name)
	}
}

// Examples come first, then what it is, then the flags; no line is too long for a terminal of 140 columns.
func TestHelpShape(t *testing.T) {
	t.Parallel()
	for _, name := range helps[:len(helps)-4] {
		r := dhtkit(t, append(strings.Fields(name), "--help")...)
		require.True(t, strings.HasPrefix(r.stdout, "Examples:\n  dhtkit"), name)
		for _, line := range lines(r.stdout) {
			require.LessOrEqual(t, len(line), 140, line)
		}
	}
}

func TestVersionAndCompletion(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^dhtkit \S+ go1\.\S+ \w+/\w+$`, found(t, "version")[0])
	require.True(t, strings.HasPrefix(dhtkit(t, "version", "--json").stdout, `{"type":"version"`))
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		r := dhtkit(t, "completion", shell)
		require.Equal(t, exitFound, r.code, shell)
		require.Contains(t, r.stdout, "dhtkit", shell)
	}
}
