package routing

import (
	"container/heap"
	"context"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// swarm is a procedural network, served in virtual time: what a node knows is drawn when
// it is asked. Contacts are dead with probability 0.4, datagrams are lost with probability 0.01, one node in twenty is
// slow; round trips are those of five regions seen from Europe.
type swarm struct {
	ids    []uint64 // sorted: first 64 bits of each key; the dead are among them
	seed   uint64
	rnd    *rand.Rand
	now    time.Duration
	events eventHeap[swarmReply]
}

type swarmReply struct {
	*swarm
	index int
	to    uint64
}

func newSwarm(alive int, seed uint64) *swarm {
	s := &swarm{seed: seed, rnd: seeded(seed)}
	for range int(float64(alive) / 0.6) {
		s.ids = append(s.ids, s.rnd.Uint64())
	}
	slices.Sort(s.ids)
	return s
}

// draw returns a generator that depends on the swarm, a node and a purpose only.
func (s *swarm) draw(index int, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed^uint64(index)*0x9e3779b97f4a7c15, purpose))
}

func (s *swarm) dead(index int) bool { return s.draw(index, 1).Float64() < 0.4 }

func (s *swarm) node(index int) Node {
	var k Key
	for i := range 8 {
		k[i] = byte(s.ids[index] >> (56 - 8*i))
	}
	ip := netip.AddrFrom4([4]byte{byte(1 + index>>16), byte(index >> 8), byte(index), 1})
	return Node{k, netip.AddrPortFrom(ip, 6881)}
}

func (s *swarm) index(n Node) int {
	return sort.Search(len(s.ids), func(i int) bool { return s.ids[i] >= n.Key.head() })
}

// rtt is what a node's round trips scatter around.
func (s *swarm) rtt(index int) time.Duration {
	r := s.draw(index, 2)
	region, base := r.Float64(), 260.0
	for i, share := range []float64{0.38, 0.52, 0.86, 0.94} {
		if region < share {
			base = []float64{30, 105, 210, 210}[i]
			break
		}
	}
	access := func() float64 { return 14 * math.Exp(0.9*r.NormFloat64()) }
	ms := base*(0.75+r.Float64()/2) + access()
	if r.Float64() < 0.05 {
		ms += 300 + 1700*r.Float64()
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// under returns the range of ids that share the first n bits with id.
func (s *swarm) under(id uint64, n int) (lo, hi int) {
	mask := ^uint64(0) << (64 - n)
	first := id & mask
	lo = sort.Search(len(s.ids), func(i int) bool { return s.ids[i] >= first })
	return lo, lo + sort.Search(len(s.ids)-lo, func(i int) bool { return s.ids[lo+i] > first|^mask })
}

// closest returns the eight contacts nearest to target that node index knows: eight of each bucket, drawn at random.
func (s *swarm) closest(index int, target uint64) []int {
	id, r := s.ids[index], s.draw(index, 3)
	var known []int
	for depth := range 64 {
		lo, hi := s.under(id^1<<(63-depth), depth+1)
		if hi-lo <= 8 {
			for i := lo; i < hi; i++ {
				known = append(known, i)
			}
		} else {
			for range 8 {
				known = append(known, lo+r.IntN(hi-lo))
			}
		}
		if lo, hi = s.under(id, depth+1); hi-lo <= 1 {
			break
		}
	}
	slices.SortFunc(known, func(a, b int) int {
		if s.ids[a]^target < s.ids[b]^target {
			return -1
		}
		return 1
	})
	known = slices.Compact(known)
	return known[:min(8, len(known))]
}

func (r swarmReply) Sender() Node { return r.node(r.index) }

func (r swarmReply) Contacts(yield func(Node) bool) {
	for _, i := range r.closest(r.index, r.to) {
		if !yield(r.node(i)) {
			return
		}
	}
}

// visit is one lookup's view of the swarm.
type visit struct {
	*swarm
	target uint64
	resend time.Duration // an unanswered query is repeated once after this; 0: it is not
	asked  int
}

func (v *visit) Ask(n Node, soft, hard time.Duration) error {
	v.asked++
	index := v.index(n)
	push := func(after time.Duration, o Outcome) {
		ev := Event[swarmReply]{Node: n, Outcome: o, RTT: after}
		if o == Alive {
			ev.Reply = swarmReply{v.swarm, index, v.target}
		}
		heap.Push(&v.events, timed[swarmReply]{v.now + after, ev})
	}
	rtt := time.Duration(float64(v.rtt(index)) * (1 + 0.1*v.rnd.ExpFloat64()))
	lost := v.rnd.Float64() < 0.02
	if lost && v.resend > 0 {
		rtt, lost = rtt+v.resend, false
	}
	silent := v.dead(index) || lost || rtt >= hard
	if soft < hard && (silent || rtt > soft) {
		push(soft, Late)
	}
	if silent {
		push(hard, Failed)
	} else {
		push(rtt, Alive)
	}
	return nil
}

func (v *visit) Wait(context.Context) (Event[swarmReply], error) {
	next := heap.Pop(&v.events).(timed[swarmReply])
	v.now = next.at
	return next.ev, nil
}

func (v *visit) Close() { v.events = nil }

// own fills a table the way a running node's fills: with nodes that answered, quick ones kept in far buckets.
func (s *swarm) own() *Table {
	t := NewTable(s.node(s.rnd.IntN(len(s.ids))).Key, Config{Far: WideFar})
	for range 4000 {
		i := s.rnd.IntN(len(s.ids))
		if !s.dead(i) || s.rnd.Float64() < 0.03 {
			t.Answered(s.node(i), s.rtt(i), t0)
		}
	}
	return t
}

// figures are what a profile achieves.
type figures struct {
	first, done []time.Duration
	queries     []int
	recall      float64
}

func (s *swarm) measure(t testing.TB, cfg LookupConfig, resend time.Duration, lookups int) figures {
	table, rtts := s.own(), new(RTTs)
	var f figures
	for range lookups {
		target := s.node(s.rnd.IntN(len(s.ids))).Key
		target[3]++
		v := &visit{swarm: s, target: target.head(), resend: resend}
		s.now, s.events = 0, nil
		best := s.living(target.head(), 8)
		c := cfg
		if c.Soft == 0 {
			c.RTTs = rtts
		}
		walk := NewWalk(target, c, v)
		for _, n := range table.AppendClosest(nil, target, 8) {
			walk.Add(n)
		}
		var first time.Duration
		for r, err := range walk.Replies(t.Context()) {
			require.NoError(t, err)
			if first == 0 && slices.Contains(best, r.index) {
				first = s.now
			}
		}
		f.first, f.done, f.queries = append(f.first, first), append(f.done, s.now), append(f.queries, v.asked)
		for _, n := range walk.ClosestNodes() {
			if slices.Contains(best, s.index(n)) {
				f.recall++
			}
		}
	}
	f.recall /= float64(8 * lookups)
	slices.Sort(f.first)
	slices.Sort(f.done)
	slices.Sort(f.queries)
	return f
}

// living returns the n living nodes closest to target.
func (s *swarm) living(target uint64, n int) []int {
	for depth := 64; depth >= 0; depth-- {
		lo, hi := s.under(target, depth)
		var found []int
		for i := lo; i < hi; i++ {
			if !s.dead(i) {
				found = append(found, i)
			}
		}
		if len(found) >= n {
			slices.SortFunc(found, func(a, b int) int {
				if s.ids[a]^target < s.ids[b]^target {
					return -1
				}
				return 1
			})
			return found[:n]
		}
	}
	return nil
}

// p returns a percentile of what is sorted.
func p[T any](sorted []T, percent int) T { return sorted[len(sorted)*percent/100] }

// The two profiles beside the shapes of other implementations; -v prints the figures. Virtual time and fixed seeds: the
// bounds are not those of the machine.
func TestProfilesOnASwarm(t *testing.T) {
	s := newSwarm(100_000, 7)
	two := 2 * time.Second
	measure := func(name string, cfg LookupConfig, resend time.Duration) figures {
		f := s.measure(t, cfg, resend, 120)
		t.Logf("%-20s first %4d/%4d ms, done %5d/%5d ms, queries %d/%d, recall %.3f", name,
			p(f.first, 50).Milliseconds(), p(f.first, 95).Milliseconds(),
			p(f.done, 50).Milliseconds(), p(f.done, 95).Milliseconds(), p(f.queries, 50), p(f.queries, 95), f.recall)
		return f
	}
	alpha3 := measure("alpha 3, 2 s", LookupConfig{Alpha: 3, CountAll: true, Soft: two, Hard: two}, 0)
	measure("16 in flight, 2 s", LookupConfig{Alpha: 16, CountAll: true, Soft: two, Hard: two}, 0)
	measure("5, 1 s/15 s", LookupConfig{Alpha: 5, Soft: time.Second, Hard: 15 * time.Second}, 0)
	fast := measure("fast", Fast(), 0)
	thorough := measure("thorough", Thorough(), 0)
	resent := measure("thorough, one resend", Thorough(), 700*time.Millisecond)

	require.Greater(t, p(alpha3.done, 50), 5*p(fast.done, 50))
	require.Less(t, p(fast.first, 95), 500*time.Millisecond)
	require.Less(t, p(fast.done, 95), 1200*time.Millisecond)
	require.LessOrEqual(t, p(fast.queries, 50), 70)
	require.GreaterOrEqual(t, fast.recall, 0.85)
	require.LessOrEqual(t, p(thorough.done, 95), 2500*time.Millisecond)
	require.LessOrEqual(t, p(thorough.queries, 95), 85)
	require.Greater(t, thorough.recall, fast.recall)
	require.GreaterOrEqual(t, resent.recall, 0.97)
}
