package krpc_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever imports krpc alone gets the two packages below it, bencode with what bencode itself needs, and the rate limiter.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{
		"github.com/dhtkit/dhtkit/krpc", "github.com/dhtkit/dhtkit/routing", "github.com/dhtkit/dhtkit/socket",
		"golang.org/x/time/rate", "github.com/anacrolix/torrent/bencode", "github.com/anacrolix/missinggo",
		"github.com/anacrolix/missinggo/v2", "github.com/anacrolix/missinggo/expect", "github.com/huandu/xstrings",
	}, strings.Fields(string(out)))
}
