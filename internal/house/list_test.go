package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the top of the repository, seen from this directory.
const root = "../.."

const module = "github.com/dhtkit/dhtkit"

// A pkg is what go list says of a package, without its tests unless a field says so.
type pkg struct {
	Dir        string
	ImportPath string
	Name       string
	Standard   bool     // of Go itself
	GoFiles    []string // names
	Imports    []string // direct
	Deps       []string // all that it needs, direct or not

	TestGoFiles  []string // in the package itself
	XTestGoFiles []string // in package x_test
}

// own returns the path of the package below the module, and whether it is one of ours.
func (p *pkg) own() (string, bool) {
	return strings.CutPrefix(p.ImportPath, module+"/")
}

// public tells whether others may import the package and find something in it.
func (p *pkg) public() bool {
	path, ours := p.own()
	return ours && p.Name != "main" && path != "interop" && !slices.Contains(strings.Split(path, "/"), "internal")
}

// path returns the path of one of the package's files.
func (p *pkg) path(file string) string { return filepath.Join(p.Dir, file) }

// within tells whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// list returns every package of this module and all that they need, by import path.
var list = sync.OnceValues(func() (map[string]*pkg, error) {
	cmd := exec.Command("go", "list", "-deps",
		"-json=Dir,ImportPath,Name,Standard,GoFiles,Imports,Deps,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	packages := make(map[string]*pkg)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages[p.ImportPath] = p
		if err := look(p); err != nil {
			return nil, err
		}
	}
})

// look opens the directory of one of our packages: go test repeats a cached result for as long as what a
// test opened itself is unchanged, and go list is another process.
func look(p *pkg) error {
	if _, ours := p.own(); !ours {
		return nil
	}
	_, err := os.ReadDir(p.Dir)
	return err
}

func packages(t *testing.T) map[string]*pkg {
	t.Helper()
	all, err := list()
	require.NoError(t, err, "go list")
	return all
}
