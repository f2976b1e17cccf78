package main

import (
	"encoding/hex"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/krpc"
)

// distance is the XOR distance of an id from infoHash, in hex.
func distance(t *testing.T, id string) string {
	t.Helper()
	a, err := krpc.ParseID(id)
	require.NoError(t, err)
	b, err := krpc.ParseID(infoHash)
	require.NoError(t, err)
	for i := range a {
		a[i] ^= b[i]
	}
	return a.String()
}

func bindable(t *testing.T, addr string) bool {
	t.Helper()
	conn, err := net.ListenPacket("udp4", addr)
	if err != nil {
		return false
	}
	require.NoError(t, conn.Close())
	return true
}

func TestPing(t *testing.T) {
	t.Parallel()
	addr, _ := node(t)
	line := found(t, "ping", addr)
	require.Len(t, line, 1)
	require.Regexp(t, `^`+addr+` [0-9a-f]{40} DK0001 [0-9.]+ms 127\.0\.0\.1:\d+$`, line[0])
	require.Len(t, found(t, "ping", addr, "localhost"+strings.TrimPrefix(addr, "127.0.0.1"), "-c", "2", "-i", "1ms"), 4)

	r := dhtkit(t, "ping", addr, silentAddr(t), "--timeout", "1s", "--json")
	require.Equal(t, exitFound, r.code, "one of two is there")
	all := records(t, r.stdout)
	pong := ofType(all, "pong")[0]
	require.Equal(t, []any{addr, "ok", all[0]["addr"]}, []any{pong["addr"], pong["outcome"], pong["own"]})
	require.Equal(t, "timeout", ofType(all, "loss")[0]["outcome"])
	require.Equal(t, []any{2., 1.}, []any{all[3]["pings"], all[3]["pongs"]})
}

func TestPingLocal(t *testing.T) {
	t.Parallel()
	require.Len(t, found(t, "ping", "--local", "12"), 12)
}

func TestPingUntilInterrupted(t *testing.T) {
	t.Parallel()
	addr, _ := node(t)
	b := start(t, "ping", addr, "-c", "0", "-i", "1ms")
	b.out.line(5)
	r := b.stop()
	require.Equal(t, exitStopped, r.code)
	require.Contains(t, r.stderr, "pings answered")
}

func TestQuery(t *testing.T) {
	t.Parallel()
	addr, _ := node(t)
	r := dhtkit(t, "query", addr, "find_node", "target=hex:"+infoHash, "--json")
	require.Equal(t, exitFound, r.code, r.stderr)
	reply := ofType(records(t, r.stdout), "reply")[0]
	require.Equal(t, []any{addr, "find_node", "ok"}, []any{reply["addr"], reply["method"], reply["outcome"]})
	message := reply["message"].(map[string]any)
	require.Equal(t, "r", message["y"])
	require.Regexp(t, `^hex:[0-9a-f]{40}$`, message["r"].(map[string]any)["id"])

	raw, err := hex.DecodeString(found(t, "query", addr, "ping", "--hex")[0])
	require.NoError(t, err)
	m, err := krpc.Parse(raw)
	require.NoError(t, err)
	require.Equal(t, krpc.KindResponse, m.Kind())

	m, err = krpc.Parse([]byte(dhtkit(t, "query", addr, "ping", "--bencode").stdout))
	require.NoError(t, err)
	require.Equal(t, krpc.KindResponse, m.Kind())
}

// An error is an answer: it is printed, and the exit code says that it was not a good one.
func TestQueryError(t *testing.T) {
	t.Parallel()
	addr, _ := node(t)
	r := dhtkit(t, "query", addr, "frobnicate", "n=5", "--json")
	require.Equal(t, exitNothing, r.code)
	reply := ofType(records(t, r.stdout), "reply")[0]
	require.Equal(t, "krpc-error", reply["outcome"])
	require.Equal(t, 204., reply["message"].(map[string]any)["e"].([]any)[0])
}

func TestNode(t *testing.T) {
	t.Parallel()
	first, _ := node(t)
	b := start(t, "node", "--json", "--bootstrap", first)
	require.Contains(t, b.out.line(1), `{"type":"start"`)
	b.errs.line(1) // joined
	r := b.stop()
	require.Equal(t, exitFound, r.code, "an interrupt is the normal end of a node")
	all := records(t, r.stdout)
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, all[0]["addr"])
	require.Regexp(t, `^[0-9a-f]{40}$`, all[0]["id"])
	require.Equal(t, []any{first}, all[0]["bootstrap"])
	require.Equal(t, 1., all[1]["table"])
}

// A node that reaches nobody says so and goes on.
func TestNodeAlone(t *testing.T) {
	t.Parallel()
	silent := silentAddr(t)
	b := start(t, "node", "--bootstrap", silent, "--timeout", "50ms")
	require.Regexp(t, `no node answered: tried `+silent+`.*trying again`, b.errs.line(1))
	require.Equal(t, exitFound, b.stop().code)
}
