package interop

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// How TestRPCLoad loads a node.
const (
	loadKnown   = 1000    // nodes that it has heard of
	loadSockets = 8       // that requests come from
	loadWindow  = 16      // requests of each that are out at once
	loadAnswers = 100_000 // in a round
	loadRounds  = 3
)

// loaded is a node in a process of its own, under load.
type loaded struct {
	name string
	addr string
	pid  int

	answers int
	took    time.Duration
	cpu     time.Duration
	rss     int64 // bytes
}

// TestRPCLoad lets a node of ours and one of npm dht-rpc answer the same FIND_NODE requests of the same loader, in turns.
func TestRPCLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("a measurement")
	}
	l := startRPCLab(t)
	npm := l.bootstrapper(l.free(1, inHalf(0))[0])
	ours := &loaded{name: "dhtkit"}
	ours.addr, ours.pid = startRPCNode(t, l.host)
	theirs := &loaded{name: "npm dht-rpc", addr: npm.addr(), pid: l.npm.cmd.Process.Pid}
	both := []*loaded{ours, theirs}
	for _, n := range both {
		l.population(n.addr)
	}
	for range loadRounds {
		for _, n := range both {
			n.round(t, l)
		}
	}
	for _, n := range both {
		million := n.cpu.Seconds() / float64(n.answers) * 1e6
		t.Logf("%-12s %d answers: %.0f/s, %.2f CPU s per million, %.1f MB resident", n.name, n.answers,
			float64(n.answers)/n.took.Seconds(), million, float64(n.rss)/1e6)
	}
	cpu := ours.cpu.Seconds() / theirs.cpu.Seconds()
	memory := float64(ours.rss) / float64(theirs.rss)
	t.Logf("ours to theirs: %.2f of the CPU seconds, %.2f of the memory", cpu, memory)
	if raceDetector() {
		return
	}
	require.Less(t, cpu, 0.8, "0.65 is wanted, 0.47 to 0.58 is usual")
	require.Less(t, memory, 0.2)
}

// startRPCNode starts "dhtkit rpc bootstrap" and returns its address and process id.
func startRPCNode(t *testing.T, host string) (addr string, pid int) {
	t.Helper()
	program, err := build()
	require.NoError(t, err)
	interrupt := func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(os.Interrupt) }
	c := start(t, interrupt, program, "rpc", "bootstrap", "--listen", host+":0")
	line, err := c.line(patiently(t))
	require.NoError(t, err, c.stderr.String())
	addr, ready := strings.CutPrefix(line, "READY ")
	require.True(t, ready, "first line of output: %q", line)
	return addr, c.cmd.Process.Pid
}

// population lets a node hear of loadKnown nodes, which answer as long as the test runs, and returns when it has looked at all of
// them that it wants to.
func (l *rpcLab) population(addr string) {
	l.t.Helper()
	to := netip.MustParseAddrPort(addr)
	for range loadKnown {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(l.host+":0")))
		require.NoError(l.t, err)
		l.t.Cleanup(func() { conn.Close() })
		go aliveNode(conn, to) // ends when the test closes the conn
	}
	asks := l.one(l.host+":0", dhtrpc.Config{}, true)
	await(l.t, "20 nodes in an answer", func() bool {
		r, err := asks.Ask(patiently(l.t), to, dhtrpc.Hash(nil))
		return err == nil && r.Closer.Len() == 20
	})
}

// aliveNode greets a node and answers whatever comes.
func aliveNode(conn *net.UDPConn, to netip.AddrPort) {
	id := dhtrpc.IDOf(conn.LocalAddr().(*net.UDPAddr).AddrPort())
	m := dhtrpc.Message{Internal: true, To: to, ID: id[:], Command: dhtrpc.CommandPing}
	buf := make([]byte, dhtrpc.MaxMessage)
	out := m.Append(nil)
	for {
		if _, err := conn.WriteToUDPAddrPort(out, to); err != nil {
			return
		}
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if m, err := dhtrpc.Parse(buf[:n]); err == nil && m.Kind == dhtrpc.KindRequest {
				out, to = (&dhtrpc.Message{Kind: dhtrpc.KindResponse, TID: m.TID, To: from, ID: id[:]}).Append(out[:0]), from
				break
			}
		}
	}
}

// round has loadAnswers requests answered.
func (n *loaded) round(t *testing.T, l *rpcLab) {
	t.Helper()
	cpu, began := cpuTime(t, n.pid), time.Now()
	var wg sync.WaitGroup
	answers := make([]int, loadSockets)
	for i := range loadSockets {
		r := l.raw()
		wg.Go(func() { answers[i] = load(r.conn, netip.MustParseAddrPort(n.addr), loadAnswers/loadSockets) })
	}
	wg.Wait()
	n.took += time.Since(began)
	n.cpu += cpuTime(t, n.pid) - cpu
	for _, a := range answers {
		require.Equal(t, loadAnswers/loadSockets, a)
		n.answers += a
	}
	n.rss = max(n.rss, resident(t, n.pid))
}

// load sends requests for random nodes, loadWindow at once, until so many are answered, and returns how many were. Each socket
// begins anew if something got lost.
func load(conn *net.UDPConn, to netip.AddrPort, count int) (answers int) {
	m := dhtrpc.Message{Internal: true, To: to, Command: dhtrpc.CommandFindNode}
	target := dhtrpc.Hash([]byte(conn.LocalAddr().String()))
	m.Target = target[:]
	var out []byte
	in := make([]byte, dhtrpc.MaxMessage)
	send := func() {
		m.TID++
		target[m.TID%dhtrpc.IDSize] += byte(m.TID>>5) | 1
		target[0]++
		out = m.Append(out[:0])
		conn.WriteToUDPAddrPort(out, to)
	}
	for range loadWindow {
		send()
	}
	for answers < count {
		conn.SetReadDeadline(time.Now().Add(time.Second))
		n, _, err := conn.ReadFromUDPAddrPort(in)
		if err != nil {
			for range loadWindow {
				send()
			}
			continue
		}
		if n > 100 {
			answers++
			send()
		}
	}
	return answers
}

// cpuTime returns what a process has used so far, in user and kernel mode.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime: the 14th and 15th
		n, err := strconv.ParseInt(string(f), 10, 64)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // of USER_HZ
}

// resident returns how many bytes of a process are in memory.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	require.NoError(t, err)
	pages, err := strconv.ParseInt(string(bytes.Fields(b)[1]), 10, 64)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}
