package routing

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkAppendClosest(b *testing.B) {
	for name, far := range map[string][]int{"k=8": nil, "wide": WideFar} {
		for _, n := range []int{8, 20} {
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				r := seeded(90)
				t := newBench(b, RandomKey(r, 20, Key{}, 0), Config{Far: far})
				t.fill(91, 20_000)
				targets := make([]Key, 1024)
				for i := range targets {
					targets[i] = RandomKey(r, 20, Key{}, 0)
				}
				dst, i := make([]Node, 0, n), 0
				b.ReportAllocs()
				for b.Loop() {
					dst = t.AppendClosest(dst[:0], targets[i%1024], n)
					i++
				}
			})
		}
	}
}

func BenchmarkTable(b *testing.B) {
	r := seeded(92)
	setup := func(b *testing.B) (*bench, []Node, []Node) {
		t := newBench(b, RandomKey(r, 20, Key{}, 0), Config{Far: WideFar})
		known := t.fill(93, 20_000)
		strangers := make([]Node, 4096)
		for i := range strangers {
			strangers[i] = Node{RandomKey(r, 20, Key{}, 0), addr(100_000 + i)}
		}
		b.ReportAllocs()
		return t, known, strangers
	}
	b.Run("Answered/known", func(b *testing.B) {
		t, _, _ := setup(b)
		live, i := t.live(), 0
		for b.Loop() {
			t.Answered(live[i%len(live)], time.Millisecond, t.now)
			i++
		}
	})
	b.Run("Answered/stranger", func(b *testing.B) {
		t, _, strangers := setup(b)
		i := 0
		for b.Loop() {
			t.Answered(strangers[i%len(strangers)], time.Second, t.now)
			i++
		}
	})
	b.Run("Heard/stranger", func(b *testing.B) {
		t, _, strangers := setup(b)
		i := 0
		for b.Loop() {
			t.Heard(strangers[i%len(strangers)], t.now)
			i++
		}
	})
	b.Run("Due/idle", func(b *testing.B) {
		t, _, _ := setup(b)
		for b.Loop() {
			t.Due(nil, t.now)
		}
	})
	b.Run("Due/scan", func(b *testing.B) {
		t, _, _ := setup(b)
		for b.Loop() {
			t.wake = 0
			t.Due(nil, t.now)
		}
	})
}

// BenchmarkLookup steps through one lookup of about sixty queries whose replies name eight nodes each.
func BenchmarkLookup(b *testing.B) {
	r := seeded(94)
	target := RandomKey(r, 20, Key{}, 0)
	nodes := make([]Node, 480)
	for i := range nodes {
		nodes[i] = Node{RandomKey(r, 20, target, i/25), addr(i)}
	}
	b.ReportAllocs()
	queries := 0
	for b.Loop() {
		l := NewLookup(target, Fast())
		queries = 0
		for i, n := range nodes {
			l.Add(n, Node{})
			if i%8 != 7 {
				continue
			}
			for m, ok := l.Next(); ok; m, ok = l.Next() {
				queries++
				l.Settle(m, Outcome(m.Key[10]%3))
			}
			l.Done()
		}
	}
	b.ReportMetric(float64(queries), "queries")
}

func BenchmarkWalk(b *testing.B) {
	r := seeded(95)
	target := RandomKey(r, 20, Key{}, 0)
	w, members := randomWorld(r, 500, 0.4, target)
	b.ReportAllocs()
	for b.Loop() {
		w.Close()
		walk := walkTo(w, target, Fast(), members[0].node, members[1].node, members[2].node, members[3].node)
		if _, err := Populate(b.Context(), walk); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRTTs(b *testing.B) {
	var r RTTs
	rnd := seeded(96)
	b.ReportAllocs()
	for b.Loop() {
		r.Add(time.Duration(rnd.IntN(1e9)))
		r.Soft()
	}
}
