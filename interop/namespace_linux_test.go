package interop

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// insideEnv holds the name of the test that a process was started for.
const insideEnv = "DHTKIT_INTEROP_INSIDE"

// isolated lets a test run in a network namespace of its own, which has loopback only, but to which all addresses belong:
// programs that shun 127.0.0.0/8 can be given addresses that look public, and still no packet leaves. There isolated
// returns true. In the ordinary process it starts the test binary once more for this test, in a process whose
// end is the end of all that it has started, waits for what comes of it, and returns false.
func isolated(t *testing.T) bool {
	t.Helper()
	ip := needProgram(t, "ip", "iproute2")
	if os.Getenv(insideEnv) == t.Name() {
		for _, args := range []string{"link set lo up", "route add local 0.0.0.0/0 dev lo", "-6 route add local 2000::/3 dev lo"} {
			out, err := exec.Command(ip, strings.Fields(args)...).CombinedOutput()
			require.NoError(t, err, "ip %s: %s", args, out)
		}
		require.NoError(t, os.WriteFile("/proc/sys/net/ipv6/ip_nonlocal_bind", []byte("1"), 0))
		return true
	}
	startIsolated(t)
	return false
}

// startIsolated runs a test in its namespace.
func startIsolated(t *testing.T) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), insideEnv+"="+t.Name())
	cmd.WaitDelay = patience / 10
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil {
		missing(t, "this process may not make a network namespace: "+err.Error())
	}
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name()+" ")
}
