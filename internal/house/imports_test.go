package house

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	rate      = "golang.org/x/time/rate"
	bencode   = "github.com/anacrolix/torrent/bencode"
	blake2b   = "golang.org/x/crypto/blake2b"
	edwards   = "filippo.io/edwards25519"
	protowire = "google.golang.org/protobuf/encoding/protowire"
	dht       = "github.com/anacrolix/dht/v2"
)

// A layer says what a directory's packages may depend on, directly or not, besides the standard library
// and each other. What a third-party package needs itself is allowed with it.
type layer struct {
	dir   string
	ours  []string // directories
	third []string // packages
}

// Arrows only point down: a layer names none that comes after it, and krpc and dhtrpc do not name each
// other. The more specific directory counts.
var layers = []layer{
	{dir: "routing"},
	{dir: "socket", third: []string{rate}},
	{dir: "internal/hosts"},
	{dir: "krpc", ours: []string{"routing", "socket", "internal/hosts"}, third: []string{rate, bencode}},
	{dir: "dhtrpc", ours: []string{"routing", "socket", "internal/hosts"}, third: []string{rate, blake2b, protowire}},
	{dir: "dhtrpc/kv", ours: []string{"routing", "socket", "internal/hosts", "dhtrpc"}, third: []string{rate, blake2b, protowire}},
	{dir: "mainline", ours: []string{"routing", "socket", "internal/hosts", "krpc"}, third: []string{rate, bencode, edwards}},
	{dir: "mainline/crawl", ours: []string{"routing", "socket", "internal/hosts", "krpc", "mainline"}, third: []string{rate, bencode, edwards}},
	{dir: compat, ours: []string{"routing", "socket", "internal/hosts", "krpc", "mainline"}, third: []string{rate, bencode, edwards, dht}},
}

// compat is the only place that may import anacrolix/dht: it adapts our node to anacrolix/torrent, without
// importing that, too.
const compat = "mainline/torrentdht"

// layerOf returns the layer of one of our packages. Those of cmd, internal and interop have none.
func layerOf(path string) (layer, bool) {
	var found layer
	for _, l := range layers {
		if within(path, l.dir) && len(l.dir) > len(found.dir) {
			found = l
		}
	}
	return found, found.dir != ""
}

// strangers returns what p depends on although its layer does not allow it, sorted.
func strangers(all map[string]*pkg, p *pkg, l layer) []string {
	allowed := make(map[string]bool)
	for _, path := range l.third {
		allowed[path] = true
		if q := all[path]; q != nil {
			for _, dep := range q.Deps {
				allowed[dep] = true
			}
		}
	}
	var found []string
	for _, dep := range p.Deps {
		q := all[dep]
		if q.Standard || allowed[dep] {
			continue
		}
		path, ours := q.own()
		if in, known := layerOf(path); ours && known && (in.dir == l.dir || slices.Contains(l.ours, in.dir)) {
			continue
		}
		found = append(found, dep)
	}
	return slices.Sorted(slices.Values(found))
}

func TestLayers(t *testing.T) {
	all := packages(t)
	for _, p := range all {
		path, _ := p.own()
		if !p.public() {
			continue
		}
		t.Run(path, func(t *testing.T) {
			l, known := layerOf(path)
			require.True(t, known, "a package in no layer: say in this file what it may import")
			require.Empty(t, strangers(all, p, l), "may not be imported here, not even indirectly")
		})
	}
}

// Only tests and the compatibility package know anacrolix/dht, only cmd knows cobra, only tests know testify.
func TestWhoMayImport(t *testing.T) {
	rules := []struct{ imports, only string }{
		{"github.com/anacrolix/dht", compat}, // the layers say it, too, but not of cmd and internal
		{"github.com/spf13", "cmd"},
		{"github.com/stretchr/testify", "internal"},
		{module + "/cmd", "cmd"},
	}
	for _, p := range packages(t) {
		path, ours := p.own()
		if !ours {
			continue
		}
		for _, r := range rules {
			if within(path, r.only) {
				continue
			}
			for _, imported := range p.Imports {
				require.False(t, within(imported, r.imports), "%s imports %s; only %s may", path, imported, r.only)
			}
		}
	}
}

// The rules above find what they forbid.
func TestStrangers(t *testing.T) {
	all := make(map[string]*pkg)
	add := func(path string, deps ...string) {
		all[path] = &pkg{ImportPath: path, Deps: deps}
	}
	add("fmt")
	all["fmt"].Standard = true
	add("example.org/x")
	add("example.org/needed")
	add(bencode, "fmt", "example.org/needed")
	add(dht, bencode)
	add("github.com/anacrolix/torrent")
	for _, dir := range []string{"routing", "routing/part", "socket", "krpc", "dhtrpc", "dhtrpc/kv", "mainline", "mainline/crawl", compat, "cmd/dhtkit", "internal/simnet"} {
		add(module + "/" + dir)
	}

	own := func(dirs ...string) (paths []string) {
		for _, d := range dirs {
			paths = append(paths, module+"/"+d)
		}
		return paths
	}
	tests := []struct {
		dir  string
		deps []string
		want []string
	}{
		{"routing", []string{"fmt", module + "/routing/part"}, nil},
		{"routing", []string{"fmt", "example.org/x"}, []string{"example.org/x"}},
		{"routing", own("socket"), own("socket")},
		{"socket", own("routing"), own("routing")},
		{"krpc", append(own("routing", "socket"), "fmt", bencode, "example.org/needed"), nil},
		{"krpc", own("dhtrpc", "internal/simnet", "mainline"), own("dhtrpc", "internal/simnet", "mainline")},
		{"dhtrpc", own("krpc", "routing"), own("krpc")},
		{"dhtrpc", own("dhtrpc/kv"), own("dhtrpc/kv")},
		{"dhtrpc/kv", own("dhtrpc", "krpc"), own("krpc")},
		{"mainline", own("krpc", "mainline/crawl"), own("mainline/crawl")},
		{"mainline", own(compat), own(compat)},
		{"mainline/crawl", own("mainline", "krpc", "cmd/dhtkit"), own("cmd/dhtkit")},
		{"mainline/crawl", own(compat), own(compat)},
		{compat, append(own("mainline", "krpc"), dht, "github.com/anacrolix/torrent"), []string{"github.com/anacrolix/torrent"}},
	}
	for _, test := range tests {
		l, known := layerOf(test.dir)
		require.True(t, known, test.dir)
		got := strangers(all, &pkg{ImportPath: module + "/" + test.dir, Deps: test.deps}, l)
		require.Equal(t, test.want, got, "%s needs %v", test.dir, test.deps)
	}
}
