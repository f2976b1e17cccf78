package main

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// checks runs doctor and returns what each check came to, by name, and the exit code.
func checks(t *testing.T, args ...string) (map[string]record, record, int) {
	t.Helper()
	r := dhtkit(t, append([]string{"doctor", "--json", "--timeout", "1s", "--wait", "0"}, args...)...)
	all := records(t, r.stdout)
	byName := make(map[string]record)
	for _, c := range ofType(all, "check") {
		name := c["check"].(string)
		if name == "losses" && c["about"] != nil {
			name += " " + c["about"].(string)
		}
		byName[name] = c
	}
	return byName, all[len(all)-1], r.code
}

func TestDoctorHealthy(t *testing.T) {
	t.Parallel()
	got, sum, code := checks(t, "--local", "20")
	require.Equal(t, exitFound, code, sum)
	for _, name := range []string{"socket", "bootstrap", "network", "address", "nat", "id", "reachable", "losses"} {
		require.Equal(t, "ok", got[name]["result"], "%s: %v", name, got[name])
	}
	require.Equal(t, []any{8., 0., 0., 0.}, []any{sum["ok"], sum["warnings"], sum["failed"], sum["unknown"]})
	require.Contains(t, dhtkit(t, "doctor", "--local", "20").stdout, "ok       bootstrap 127.")
}

// answering is a node that answers every query as it likes, from a second socket if other is set.
func answering(t *testing.T, other bool, answer func(tid []byte, from netip.AddrPort) []byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	out := conn
	if other {
		out, err = net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { out.Close() })
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() { // ends when conn is closed
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if kind, tid, ok := krpc.Classify(buf[:n]); ok && kind == krpc.KindQuery {
				out.WriteTo(answer(tid, from.(*net.UDPAddr).AddrPort()), from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func pongFrom(id byte, own netip.AddrPort) func(tid []byte, from netip.AddrPort) []byte {
	return func(tid []byte, _ netip.AddrPort) []byte {
		return krpc.AppendResponse(nil, tid, append([]byte{id}, make([]byte, 19)...), &krpc.NodesResults{WantNodes: true}, krpc.Header{IP: own})
	}
}

// Each fault is named, by the check that it belongs to.
func TestDoctorNamesTheFault(t *testing.T) {
	t.Parallel()
	garbage := func([]byte, netip.AddrPort) []byte { return []byte("d1:q") }
	refuse := func(tid []byte, _ netip.AddrPort) []byte {
		return krpc.AppendError(nil, tid, krpc.ErrMethodUnknown, krpc.Header{})
	}
	noID := func(tid []byte, _ netip.AddrPort) []byte { return []byte("d1:rde1:t4:" + string(tid) + "1:y1:re") }
	tests := []struct {
		name, bootstrap string
		check           string
		says            string
	}{
		{"silence", silentAddr(t), "bootstrap", "no answer"},
		{"no KRPC", answering(t, false, garbage), "losses malformed", ""},
		{"another port", answering(t, true, pongFrom(1, netip.AddrPort{})), "losses wrong-source", ""},
		{"refused", answering(t, false, refuse), "bootstrap", "204"},
		{"no id", answering(t, false, noID), "bootstrap", "no reply to a query"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, sum, code := checks(t, "--bootstrap", test.bootstrap)
			require.Equal(t, exitNoAnswer, code, sum)
			require.Contains(t, got[test.check]["detail"], test.says, got)
			require.NotEqual(t, "ok", got[test.check]["result"])
			require.NotEmpty(t, got[test.check]["remedy"], got[test.check])
			require.NotEmpty(t, sum["worst"])
		})
	}
}

func TestDoctorFilteredBootstrap(t *testing.T) {
	t.Parallel()
	got, _, code := checks(t, "--bootstrap", "127.0.0.1:7,0.0.0.0:9", "--listen", "127.0.0.1:0")
	require.Equal(t, exitNoAnswer, code)
	require.Contains(t, got["bootstrap"]["remedy"], "--allow-private")
}

// What nodes say of our own address shows a symmetric NAT, and nodes that lie.
func TestDoctorAddress(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort
	nodes := func(owns ...string) (list []string) {
		for i, own := range owns {
			list = append(list, "--bootstrap", answering(t, false, pongFrom(byte(i+1), at(own))))
		}
		return list
	}
	got, _, _ := checks(t, nodes("198.51.100.7:1000", "198.51.100.7:1001", "198.51.100.7:1002")...)
	require.Contains(t, got["address"]["detail"], "198.51.100.7")
	require.Equal(t, "warning", got["nat"]["result"])
	require.Contains(t, got["nat"]["remedy"], "symmetric")
	require.Equal(t, "warning", got["id"]["result"], "a random id does not suit an address")

	got, _, _ = checks(t, nodes("198.51.100.7:1000", "198.51.100.7:1000", "203.0.113.1:1000")...)
	require.Equal(t, "warning", got["address"]["result"])
	require.Contains(t, got["address"]["detail"], "203.0.113.1")
	require.Equal(t, "ok", got["nat"]["result"])
	require.Contains(t, got["nat"]["detail"], "1000")
}

// A stranger is who was not written to.
func TestStrangers(t *testing.T) {
	t.Parallel()
	s := &strangers{sent: make(map[netip.AddrPort]struct{}), called: make(chan netip.AddrPort, 1)}
	conn, err := krpc.ListenUDP("127.0.0.1:0")
	require.NoError(t, err)
	defer conn.Close()
	known := netip.MustParseAddrPort(silentAddr(t))
	_, err = s.conn(conn).WriteToUDPAddrPort([]byte("x"), known)
	require.NoError(t, err)

	s.heard(&krpc.Query{From: routing.Node{Addr: known}})
	require.Empty(t, s.called)
	stranger := netip.MustParseAddrPort("203.0.113.9:6881")
	s.heard(&krpc.Query{From: routing.Node{Addr: stranger}})
	s.heard(&krpc.Query{From: routing.Node{Addr: stranger}})
	require.Equal(t, stranger, <-s.called)
}
