package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const helloTarget = "e5f96f6f38320f0f33959cb4d3d656452117aadb" // of "Hello World!", from BEP 44

func TestPutGet(t *testing.T) {
	t.Parallel()
	at, _ := node(t)
	require.Equal(t, []string{helloTarget}, found(t, "put", "Hello World!", "--bootstrap", at))
	require.Equal(t, []string{"Hello World!"}, found(t, "get", helloTarget, "--bootstrap", at))
	require.Equal(t, "Hello World!", dhtkit(t, "get", helloTarget, "--bootstrap", at, "--raw").stdout)
	require.Equal(t, "12:Hello World!", dhtkit(t, "get", helloTarget, "--bootstrap", at, "--bencode").stdout)

	for _, c := range []struct{ in, stdin, out, raw string }{
		{"12", "", "12", "12"},
		{"int:12", "", "12", "i12e"},
		{"hex:00ff", "", "hex:00ff", "\x00\xff"},
		{`json:{"b":[1,"x"],"a":"hex:00"}`, "", `{"a":"hex:00","b":[1,"x"]}`, "d1:a1:\x001:bli1e1:xee"},
		{"-", "a\nb\n", "hex:610a620a", "a\nb\n"},
	} {
		put := dhtkitWith(t, c.stdin, "put", c.in, "--bootstrap", at)
		require.Equal(t, exitFound, put.code, put.stderr)
		target := strings.TrimSpace(put.stdout)
		require.Equal(t, []string{c.out}, found(t, "get", target, "--bootstrap", at))
		require.Equal(t, c.raw, dhtkit(t, "get", target, "--raw", "--bootstrap", at).stdout)
	}

	r := dhtkit(t, "get", infoHash, "--bootstrap", at)
	require.Equal(t, exitNothing, r.code, r.stderr)
	require.Empty(t, r.stdout)
}

// A signed value is replaced by its next version, and only by that.
func TestPutSigned(t *testing.T) {
	t.Parallel()
	at, _ := node(t)
	file := filepath.Join(t.TempDir(), "key")
	put := func(args ...string) result {
		return dhtkit(t, append([]string{"put", "--bootstrap", at, "--key", file}, args...)...)
	}
	first := put("--new-key", "v1")
	require.Equal(t, exitFound, first.code, first.stderr)
	target := strings.TrimSpace(first.stdout)
	secret, err := os.ReadFile(file)
	require.NoError(t, err)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Len(t, strings.TrimSpace(string(secret)), 64)

	second := put("v2", "--json")
	all := records(t, second.stdout)
	item := ofType(all, "item")[0]
	require.Equal(t, []any{target, 2.}, []any{item["target"], item["seq"]}, "one above what was found")
	key := item["key"].(string)
	require.Equal(t, []string{"v2"}, found(t, "get", key, "--bootstrap", at))
	require.Equal(t, []string{"v2"}, found(t, "get", target, "--bootstrap", at))

	r := put("v3", "--seq", "1")
	require.Equal(t, exitNothing, r.code)
	require.Contains(t, r.stderr, "--seq 3")
	r = put("v3", "--cas", "1")
	require.Equal(t, exitNothing, r.code)
	require.Contains(t, r.stderr, "--cas 2")
	require.Equal(t, exitFound, put("v3", "--cas", "2").code)
	require.Equal(t, exitNothing, dhtkit(t, "get", key, "--newer-than", "3", "--bootstrap", at).code)

	require.Equal(t, exitFound, put("other", "--salt", "hex:00").code)
	require.Equal(t, []string{"other"}, found(t, "get", key, "--salt", "hex:00", "--bootstrap", at))
	value := ofType(records(t, dhtkit(t, "get", key, "--json", "--bootstrap", at).stdout), "value")
	require.Equal(t, []any{"v3", "323a7633", key, 3.}, []any{value[0]["value"], value[0]["bencode"], value[0]["key"], value[0]["seq"]})

	for _, r := range []result{first, second, r} {
		require.NotContains(t, r.stdout+r.stderr, strings.TrimSpace(string(secret)), "the secret is never shown")
	}
	require.Equal(t, exitUsage, put("--new-key", "v4").code, "a key file is not overwritten")
}

// Until an interrupt, which is the normal end.
func TestPutAgain(t *testing.T) {
	t.Parallel()
	at, _ := node(t)
	b := start(t, "put", "x", "--bootstrap", at, "--republish", "1ms", "--json", "--progress", "never")
	b.out.line(4) // start, item, stored, stored
	r := b.stop()
	require.Equal(t, exitFound, r.code, r.stderr)
	all := records(t, r.stdout)
	require.GreaterOrEqual(t, all[len(all)-1]["rounds"], 2.)
}

func TestBadKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"words": "hunter2", "short": "00ff", "binary": "\x00\x01"} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		r := dhtkit(t, "put", "x", "--key", file)
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.stderr, file)
		require.NotContains(t, r.stderr, text, "what is in a key file is not shown")
	}
	r := dhtkit(t, "put", "x", "--key", filepath.Join(dir, "none"))
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "--new-key")
}

// The newest torrent of a key is found through one link (BEP 46), and its peers with that.
func TestMutableTorrent(t *testing.T) {
	t.Parallel()
	at, _ := node(t)
	file := filepath.Join(t.TempDir(), "key")
	link := found(t, "put", "--torrent", strings.Repeat("00", 19)+"01", "--key", file, "--new-key", "--salt", "hex:6e", "--bootstrap", at)[0]
	require.Regexp(t, `^magnet:\?xs=urn:btpk:[0-9a-f]{64}&s=6e$`, link)
	require.Equal(t, []string{link}, found(t, "put", "--torrent", magnet, "--key", file, "--salt", "n", "--bootstrap", at))
	require.Equal(t, []string{infoHash}, found(t, "get", "--torrent", link, "--bootstrap", at))

	found(t, "put", "nothing", "--key", file, "--bootstrap", at)
	r := dhtkit(t, "get", "--torrent", strings.TrimSuffix(strings.TrimPrefix(link, "magnet:?xs=urn:btpk:"), "&s=6e"), "--bootstrap", at)
	require.Equal(t, exitNothing, r.code)
	require.Contains(t, r.stderr, "no torrent")
}
