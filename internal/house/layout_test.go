package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The top level: what must be there, and what else may be.
var (
	mustHave = []string{
		"go.mod", "README.md", "CHANGELOG.md", "LICENSE", ".ci",
		"krpc", "socket", "routing", "mainline", "cmd", "internal", "interop",
	}
	mayHave = []string{"docs", "dhtrpc", "go.sum", ".gitignore", ".gitattributes"}
)

func TestTopLevel(t *testing.T) {
	top := topLevel(t)
	require.Subset(t, top, mustHave)
	require.Subset(t, slices.Concat(mustHave, mayHave), top)
}

// topLevel returns the names at the top level that git keeps, or would keep if they were added.
func topLevel(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("not a git work tree")
	}
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var names []string
	for file := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(file), "/")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A public package explains itself in doc.go and shows itself in example_test.go, by an example that runs.
func TestPublicPackagesExplainThemselves(t *testing.T) {
	for _, p := range packages(t) {
		if !p.public() {
			continue
		}
		path, _ := p.own()
		t.Run(path, func(t *testing.T) {
			require.Contains(t, p.GoFiles, "doc.go")
			doc, err := os.ReadFile(p.path("doc.go"))
			require.NoError(t, err)
			require.Contains(t, string(doc), "// Package "+p.Name+" ")

			require.Contains(t, slices.Concat(p.TestGoFiles, p.XTestGoFiles), "example_test.go")
			example, err := os.ReadFile(p.path("example_test.go"))
			require.NoError(t, err)
			require.Regexp(t, `(?m)^func Example`, string(example))
			require.Regexp(t, `(?m)^\t// (Unordered output|Output):`, string(example), "without it the example does not run")
		})
	}
}
