package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever is wrong with a command line, the exit code is 2, nothing is on standard output, and the message names the
// input and a remedy.
func TestBadInput(t *testing.T) {
	tests := []struct {
		name  string
		args  string // split at blanks
		stdin string
		says  []string
	}{
		{name: "no verb", args: "", says: []string{"Usage:", "crawl --local"}},
		{name: "unknown verb", args: "frobnicate", says: []string{`"frobnicate"`, "--help"}},
		{name: "mistyped verb", args: "peer " + infoHash, says: []string{`"peer"`, "Did you mean this?", "peers"}},
		{name: "unknown flag", args: "crawl --speed 3", says: []string{"--speed", "dhtkit crawl --help"}},
		{name: "flag without value", args: "crawl --local", says: []string{"--local"}},
		{name: "flag of the wrong type", args: "crawl --local many", says: []string{`"many"`, "--local"}},
		{name: "unknown topic", args: "help nothing", says: []string{`"nothing"`}},

		{name: "no hash", args: "peers", says: []string{"info hashes", "dhtkit peers --help"}},
		{name: "short hash", args: "peers abc123", says: []string{`"abc123"`, "40 hex digits"}},
		{name: "hash that is not hex", args: "peers " + strings.Repeat("zz", 20), says: []string{"zzzz", "40 hex digits"}},
		{name: "magnet link without a hash", args: "peers magnet:?dn=x", says: []string{`"magnet:?dn=x"`, "xt=urn:btih"}},
		{name: "bad hash in standard input", args: "peers -", stdin: "# fine\n" + infoHash + "\nbad\n", says: []string{`"bad"`, "line 3"}},
		{name: "empty standard input", args: "peers -", stdin: "# nothing\n\n", says: []string{"standard input", "one item a line"}},
		{name: "port to announce in peers", args: "peers --announce 99999 " + infoHash, says: []string{"--announce", `"99999"`}},

		{name: "announce without a port", args: "announce " + infoHash, says: []string{"port", "--implied"}},
		{name: "announce of a bad hash", args: "announce xyz 6881", says: []string{`"xyz"`}},
		{name: "announce at a bad port", args: "announce " + infoHash + " 65536", says: []string{`"65536"`, "1..65535"}},
		{name: "announce at port 0", args: "announce " + infoHash + " 0", says: []string{`"0"`}},
		{name: "announce too much", args: "announce " + infoHash + " 1 2", says: []string{`"2"`}},
		{name: "announce without a pause", args: "announce --every 0s " + infoHash + " 1", says: []string{"--every"}},

		{name: "get nothing", args: "get", says: []string{"target", "dhtkit get --help"}},
		{name: "get what is no target", args: "get abc", says: []string{`"abc"`, "40 hex digits", "64 hex digits"}},
		{name: "get in two forms", args: "get --raw --bencode " + infoHash, says: []string{"--raw", "--bencode"}},
		{name: "salt that is not hex", args: "get --salt hex:0 " + infoHash, says: []string{`"hex:0"`}},
		{name: "long salt", args: "get --salt " + strings.Repeat("x", 65) + " " + infoHash, says: []string{"65", "64"}},
		{name: "put nothing", args: "put", says: []string{"value", "dhtkit put --help"}},
		{name: "put too much", args: "put " + strings.Repeat("x", 997), says: []string{"1000"}},
		{name: "put a bad value", args: "put hex:zz", says: []string{`"hex:zz"`}},
		{name: "put unsigned with a version", args: "put --seq 3 x", says: []string{"--key"}},
		{name: "put a negative version", args: "put --key k --seq -1 x", says: []string{"--seq"}},
		{name: "put never again", args: "put --republish -1s x", says: []string{"--republish -1s"}},

		{name: "sample of nobody", args: "sample", says: []string{"HOST:PORT", "--walk"}},
		{name: "sample of something", args: "sample xyz", says: []string{`"xyz"`, "40 hex digits"}},
		{name: "walk to somewhere", args: "sample --walk " + infoHash, says: []string{"--walk"}},
		{name: "one node again", args: "sample --again " + infoHash, says: []string{"--again", "--walk"}},
		{name: "publish without a key", args: "put --torrent " + infoHash, says: []string{"--key"}},
		{name: "publish a torrent and a value", args: "put --key k --torrent " + infoHash + " x", says: []string{"--torrent", `"x"`}},
		{name: "publish what is no torrent", args: "put --key k --torrent xyz", says: []string{`"xyz"`}},
		{name: "the torrent of a hash", args: "get --torrent " + infoHash, says: []string{"--torrent", "btpk"}},

		{name: "short id", args: "find 00ff", says: []string{`"00ff"`}},
		{name: "no nodes wanted", args: "find -k 0 " + infoHash, says: []string{"-k 0"}},

		{name: "ping nobody", args: "ping", says: []string{"HOST:PORT"}},
		{name: "address without a port", args: "ping 127.0.0.1", says: []string{`"127.0.0.1"`, "HOST:PORT"}},
		{name: "address with port 0", args: "ping 127.0.0.1:0", says: []string{`"127.0.0.1:0"`, "1..65535"}},
		{name: "address with a large port", args: "ping 127.0.0.1:70000", says: []string{`"127.0.0.1:70000"`}},
		{name: "address that is none", args: "ping 127.0.0.256:1", says: []string{`"127.0.0.256"`}},
		{name: "address without a host", args: "ping :6881", says: []string{`":6881"`}},
		{name: "IPv6 without brackets", args: "ping ::1:6881", says: []string{`"::1:6881"`, "brackets"}},
		{name: "both families", args: "ping 127.0.0.1:1 [::1]:2", says: []string{"127.0.0.1:1", "[::1]:2"}},
		{name: "bad address in standard input", args: "ping -", stdin: "127.0.0.1:1\nnothing\n", says: []string{`"nothing"`, "line 2"}},
		{name: "negative count", args: "ping -c -1 127.0.0.1:1", says: []string{"-c -1"}},
		{name: "no interval", args: "ping -i 0s 127.0.0.1:1", says: []string{"-i 0s"}},

		{name: "query without a method", args: "query 127.0.0.1:1", says: []string{"method"}},
		{name: "argument without a value", args: "query 127.0.0.1:1 ping a", says: []string{`"a"`, "KEY=VALUE"}},
		{name: "argument twice", args: "query 127.0.0.1:1 ping a=1 a=2", says: []string{`"a=2"`}},
		{name: "argument that is not hex", args: "query 127.0.0.1:1 ping a=hex:0g", says: []string{`"a=hex:0g"`}},
		{name: "argument that is no integer", args: "query 127.0.0.1:1 ping a=int:1.5", says: []string{`"a=int:1.5"`}},
		{name: "argument that is not JSON", args: "query 127.0.0.1:1 ping a=json:[", says: []string{`"a=json:["`}},
		{name: "argument that bencode has not", args: "query 127.0.0.1:1 ping a=json:null", says: []string{`"a=json:null"`}},
		{name: "two forms of output", args: "query 127.0.0.1:1 ping --hex --bencode", says: []string{"--hex", "--bencode"}},

		{name: "rpc without a verb", args: "rpc", says: []string{"testnet", "Usage:"}},
		{name: "rpc with an unknown verb", args: "rpc fly", says: []string{"Usage:"}},
		{name: "first node nowhere", args: "rpc bootstrap", says: []string{"--listen HOST:PORT"}},
		{name: "first node everywhere", args: "rpc bootstrap --listen :49737", says: []string{"0.0.0.0", "--listen"}},
		{name: "node without a network", args: "rpc node", says: []string{"--bootstrap"}},
		{name: "no test network", args: "rpc testnet 0", says: []string{`"0"`}},
		{name: "test network elsewhere", args: "rpc testnet 3 --listen 127.0.0.1:1", says: []string{"--listen"}},
		{name: "call without a command", args: "rpc call --target " + rpcTarget, says: []string{"--command"}},
		{name: "call of a short target", args: "rpc call --command 1 --target ab", says: []string{`"ab"`, "64 hex digits"}},
		{name: "call with two values", args: "rpc call --command 1 --value x --value-hex 00 --target " + rpcTarget, says: []string{"--value-hex"}},
		{name: "call with a bad value", args: "rpc call --command 1 --value-hex 0 --target " + rpcTarget, says: []string{`"0"`}},
		{name: "set without a value", args: "rpc set motd", says: []string{"a value"}},
		{name: "set a hash to a value", args: "rpc set --hash motd x", says: []string{"--hash", `"motd"`}},
		{name: "set a hash with a key", args: "rpc set --hash --key me.key x", says: []string{"--hash", "--key"}},
		{name: "set with a key to make nowhere", args: "rpc set --new-key motd x", says: []string{"--new-key", "--key FILE"}},
		{name: "set with a key that is not there", args: "rpc set --key no-such.key motd x", says: []string{"no-such.key", "--new-key"}},
		{name: "set a long name", args: "rpc set " + strings.Repeat("n", 65) + " x", says: []string{"nnn", "64 bytes"}},
		{name: "set a long value", args: "rpc set motd -", stdin: strings.Repeat("v", 1001), says: []string{"too long", "1000 bytes"}},
		{name: "get of nothing", args: "rpc get", says: []string{"a key"}},
		{name: "get of a bad hash", args: "rpc get --hash motd", says: []string{`"motd"`, "64 hex digits"}},
		{name: "get from a bad owner", args: "rpc get --owner me status", says: []string{"--owner", `"me"`, "64 hex digits"}},
		{name: "get of an owned hash", args: "rpc get --owner me --hash status", says: []string{"--owner", "--hash"}},
		{name: "get raw objects", args: "rpc get --raw --json motd", says: []string{"--raw", "--json"}},
		{name: "rpc in public", args: "rpc lookup --public " + rpcTarget, says: []string{"--public", "--bootstrap"}},
		{name: "rpc over IPv6", args: "rpc lookup --bootstrap [::1]:1 " + rpcTarget, says: []string{"[::1]:1", "IPv6"}},
		{name: "hint that is no address", args: "rpc lookup --bootstrap x@127.0.0.1:1 " + rpcTarget, says: []string{"x@127.0.0.1:1"}},

		{name: "crawl with arguments", args: "crawl everything", says: []string{`"everything"`}},
		{name: "negative number of nodes", args: "crawl --max-nodes -1", says: []string{"--max-nodes -1"}},
		{name: "negative time", args: "crawl --max-time -1s", says: []string{"--max-time -1s"}},
		{name: "large window", args: "crawl --window 100000", says: []string{"--window 100000", "1..1024"}},

		{name: "no embedded nodes", args: "crawl --local 0", says: []string{"--local 0"}},
		{name: "negative embedded nodes", args: "find --local -5 " + infoHash, says: []string{"--local -5"}},
		{name: "more embedded nodes than addresses", args: "crawl --local 100000", says: []string{"--local 100000"}},
		{name: "embedded and not", args: "crawl --local 3 --bootstrap 127.0.0.1:1", says: []string{"--local", "--bootstrap"}},
		{name: "public and not", args: "crawl --public --bootstrap 127.0.0.1:1", says: []string{"--public", "--bootstrap"}},
		{name: "bootstrap without a port", args: "crawl --bootstrap 127.0.0.1", says: []string{"--bootstrap", `"127.0.0.1"`}},
		{name: "second bootstrap wrong", args: "crawl --bootstrap 127.0.0.1:1,x:y", says: []string{"--bootstrap", `"x:y"`}},
		{name: "bootstrap of the other family", args: "crawl -6 --bootstrap 127.0.0.1:1", says: []string{"127.0.0.1:1", "-6"}},
		{name: "IPv6 alone", args: "crawl -6", says: []string{"-6", "embedded"}},
		{name: "both family flags", args: "crawl -4 -6", says: []string{"-4", "-6", "crawl"}},
		{name: "both families embedded", args: "peers -4 -6 " + infoHash, says: []string{"-6", "embedded"}},
		{name: "sockets of both families", args: "crawl --bootstrap 127.0.0.1:1 --listen 127.0.0.1:0,[::1]:0", says: []string{"--listen", "crawl"}},
		{name: "nodes of both families", args: "ping 127.0.0.1:1 [::1]:1", says: []string{"127.0.0.1:1", "[::1]:1"}},
		{name: "listen without a port", args: "node --listen 127.0.0.1", says: []string{"--listen", `"127.0.0.1"`}},
		{name: "listen on a name", args: "node --listen example.invalid:1", says: []string{"--listen", `"example.invalid"`}},
		{name: "listen on a strange address", args: "node --listen 192.0.2.1:0", says: []string{"192.0.2.1:0", "--listen"}},
		{name: "state of an embedded network", args: "peers --local 3 --state x " + infoHash, says: []string{"--local", "--state"}},
		{name: "state of no network", args: "peers --state x " + infoHash, says: []string{"--state", "--bootstrap"}},
		{name: "negative rate", args: "crawl --rate -1", says: []string{"--rate -1"}},
		{name: "negative timeout", args: "crawl --timeout -1s", says: []string{"--timeout -1s"}},
		{name: "negative deadline", args: "crawl --deadline -1s", says: []string{"--deadline -1s"}},
		{name: "negative maximum", args: "crawl --max -1", says: []string{"--max -1"}},
		{name: "progress now and then", args: "crawl --progress sometimes", says: []string{`"sometimes"`, "auto"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := dhtkitWith(t, test.stdin, strings.Fields(test.args)...)
			require.Equal(t, exitUsage, r.code, r.stderr)
			require.Empty(t, r.stdout)
			for _, text := range test.says {
				require.Contains(t, r.stderr, text)
			}
		})
	}
}

func TestBadEnvironment(t *testing.T) {
	t.Setenv("DHTKIT_TIMEOUT", "soon")
	r := dhtkit(t, "crawl")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "DHTKIT_TIMEOUT")
	require.Contains(t, r.stderr, `"soon"`)
}

func TestEnvironment(t *testing.T) {
	t.Setenv("DHTKIT_LOCAL", "3")
	t.Setenv("DHTKIT_JSON", "true")
	require.Equal(t, 3., records(t, dhtkit(t, "crawl").stdout)[0]["local"])
	require.Len(t, found(t, "crawl", "--local", "5", "--json=false"), 5, "the command line wins")
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	addr := silentAddr(t)
	for _, verb := range [][]string{{"node"}, {"crawl", "--local", "2"}, {"peers", infoHash, "--bootstrap", "127.0.0.1:1"}} {
		r := dhtkit(t, append(verb, "--listen", addr)...)
		require.Equal(t, exitUsage, r.code, verb)
		require.Contains(t, r.stderr, addr, verb)
		require.Contains(t, r.stderr, "--listen", verb)
		require.Empty(t, r.stdout, verb)
	}
}

// Nobody answers: exit code 3, and a sentence about whom we asked and what happened to the packets.
func TestUnreachableBootstrap(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"peers " + infoHash, "announce " + infoHash + " 6881", "find " + infoHash, "crawl"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			one, two := silentAddr(t), silentAddr(t)
			args := append(strings.Fields(verb), "--bootstrap", one+","+two, "--timeout", "50ms")
			r := dhtkit(t, args...)
			require.Equal(t, exitNoAnswer, r.code, r.stderr)
			require.Empty(t, r.stdout)
			require.Regexp(t, `no node answered: tried `+one+`, `+two+`; sent 4 queries, 0 answered, lost: timeout 4`, r.stderr)

			r = dhtkit(t, append(args, "--json")...)
			require.Equal(t, exitNoAnswer, r.code)
			all := records(t, r.stdout)
			require.Len(t, all, 2)
			require.Equal(t, map[string]any{"timeout": 4.}, all[1]["losses"])
		})
	}
}

func TestSilentNode(t *testing.T) {
	t.Parallel()
	addr := silentAddr(t)
	for _, verb := range [][]string{{"ping", addr}, {"query", addr, "ping"}} {
		r := dhtkit(t, append(verb, "--timeout", "50ms")...)
		require.Equal(t, exitNoAnswer, r.code, r.stderr)
		require.Empty(t, r.stdout)
		require.Contains(t, r.stderr, "tried "+addr)
		require.Contains(t, r.stderr, "timeout 1")

		r = dhtkit(t, append(verb, "--timeout", "50ms", "--json")...)
		losses := ofType(records(t, r.stdout), "loss")
		require.Len(t, losses, 1)
		require.Equal(t, "timeout", losses[0]["outcome"])
	}
}

// Loopback addresses among others are held back, and the user hears why.
func TestFilteredAddress(t *testing.T) {
	t.Parallel()
	addr := silentAddr(t)
	r := dhtkit(t, "ping", addr, "--bootstrap", "dht.invalid:6881", "--timeout", "50ms")
	require.Equal(t, exitNoAnswer, r.code)
	require.Contains(t, r.stderr, addr+": not asked")
	require.Contains(t, r.stderr, "--allow-private")
	require.Contains(t, r.stderr, "sent 0 queries")
}

// The panic of a bug is exit code 70, with a trace.
func TestInternalError(t *testing.T) {
	t.Parallel()
	errs := newPipe()
	code := run(t.Context(), []string{"version"}, nil, nil, errs) // an output that is none
	require.Equal(t, exitInternal, code)
	require.Contains(t, errs.String(), "internal error")
	require.Contains(t, errs.String(), "goroutine")
}
