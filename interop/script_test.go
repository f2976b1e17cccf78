package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A contact is a node as the scripts and the command's JSON records name it.
type contact struct {
	Addr string `json:"addr"` // "ip:port"
	ID   string `json:"id"`   // hex
}

// sameFamily reports whether both are nodes of IPv4, or both of IPv6.
func (c contact) sameFamily(o contact) bool {
	return netip.MustParseAddrPort(c.Addr).Addr().Is4() == netip.MustParseAddrPort(o.Addr).Addr().Is4()
}

// A script is a running script of interop/js or interop/py; js/lines.mjs describes how one talks to it.
type script struct {
	*child
	nodes []contact // that it runs
	seq   int       // of the last request
}

// startScript starts a script, which ends when its standard input does.
func startScript(t *testing.T, program string, args ...string) *script {
	t.Helper()
	hangUp := func(_ *exec.Cmd, stdin io.Closer) error { return stdin.Close() }
	s := &script{child: start(t, hangUp, program, args...)}

	var first struct{ Ready []contact }
	require.NoError(t, s.answer(t.Context(), &first))
	s.nodes = first.Ready
	return s
}

type fields map[string]any

// do sends a request and reads its answer into result, a pointer to a struct, or nil.
func (s *script) do(t *testing.T, name string, args fields, result any) {
	t.Helper()
	s.seq++
	request := maps.Clone(args)
	request["seq"], request["do"] = s.seq, name
	line, err := json.Marshal(request)
	require.NoError(t, err)
	_, err = fmt.Fprintf(s.stdin, "%s\n", line)
	require.NoError(t, err)
	require.NoError(t, s.answer(t.Context(), result), "%s", line)
}

func (s *script) answer(ctx context.Context, result any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	line, err := s.line(ctx)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.stderr.String())
	}
	var status struct {
		Seq   int
		Error string
	}
	if err := json.Unmarshal([]byte(line), &status); err != nil {
		return err
	}
	if status.Seq != s.seq {
		return fmt.Errorf("answer to request %d while waiting for %d", status.Seq, s.seq)
	}
	if status.Error != "" {
		return errors.New(status.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal([]byte(line), result)
}
