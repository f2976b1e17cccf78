package socket_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The socket knows no message and no table: it stands on the standard library
// and the rate limiter alone.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	require.Equal(t, []string{"golang.org/x/time/rate", "github.com/dhtkit/dhtkit/socket"}, strings.Fields(string(out)))
}
