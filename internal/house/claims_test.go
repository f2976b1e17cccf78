package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	namedTest = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	aTest     = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
)

// What the README and the documents claim is shown by tests that exist.
func TestNamedTestsExist(t *testing.T) {
	there := tests(t)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	named := 0
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range namedTest.FindAllStringSubmatch(string(text), -1) {
			named++
			require.True(t, slices.Contains(there, m[1]), "%s names %s, which is in no test file", filepath.Base(page), m[1])
		}
	}
	require.Greater(t, named, 20, "the README names what shows its claims")
}

// tests returns the names of all tests, of the nested modules too.
func tests(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range aTest.FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
		return err
	})
	require.NoError(t, err)
	return names
}
