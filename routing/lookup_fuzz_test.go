package routing

import (
	"testing"

	"github.com/stretchr/testify/require"
)

var lookupShapes = []LookupConfig{
	{K: 2, Alpha: 2},
	{K: 3, Alpha: 1, CountAll: true, ShareNets: true},
	{K: 2, Alpha: 2, PerReply: 3, PerTimeout: 1, WaitLate: true, MaxCandidates: 9},
	{K: 1, Alpha: 3, PerReply: 2, MaxQueries: 12, MaxCandidates: 5},
	{K: 8, Alpha: 4, ShareNets: true, WaitLate: true, Self: Key{7}},
	{K: 2, Alpha: 3, PerReply: 1, PerTimeout: 1, WaitLate: true, Sound: 1},
	{K: 3, Alpha: 2, Sound: 1, ShareNets: true, MaxQueries: 20},
}

// FuzzLookupSteps runs a lookup through steps in random order, then settles what is open: it must end, with no more
// queries than allowed, and with a result that is sorted and diverse.
func FuzzLookupSteps(f *testing.F) {
	r := seeded(80)
	for shape := range lookupShapes {
		steps := make([]byte, 400)
		for i := range steps {
			steps[i] = byte(r.Uint32())
		}
		steps[0] = byte(shape)
		f.Add(steps)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := script(in)
		cfg := lookupShapes[s.next()%len(lookupShapes)]
		run := lookupRun{t: t, Lookup: NewLookup(Key{byte(s.next())}, cfg)}
		for len(s) > 0 {
			run.step(&s)
		}
		for !run.Done() {
			run.next()
			require.NotEmpty(t, run.open)
			run.settle(0, Failed)
		}
		found := run.AppendClosest(nil, 100)
		for i := 1; i < len(found); i++ {
			require.Negative(t, CompareDistance(run.Target(), found[i-1].Key, found[i].Key))
		}
	})
}

type lookupRun struct {
	*Lookup
	t       testing.TB
	open    []Node
	queries int
}

func (r *lookupRun) step(s *script) {
	switch s.next() % 8 {
	case 0, 1:
		from := s.node()
		for range s.next() % 9 {
			r.Add(s.node(), from)
		}
	case 2:
		r.AddSeed(s.node().Addr)
	case 3:
		r.Settle(s.node(), Outcome(s.next()%4))
	case 4:
		if i := s.next(); len(r.open) > 0 {
			i %= len(r.open)
			r.forget(i)
		}
	case 5, 6:
		r.settle(s.next(), Outcome(s.next()%3))
	case 7:
		r.next()
	}
	require.NoError(r.t, r.Check())
}

// forget takes back a query; one that is late or settled is not taken back.
func (r *lookupRun) forget(i int) {
	flying := r.flying
	if r.Forget(r.open[i]); r.flying < flying {
		r.open = append(r.open[:i], r.open[i+1:]...)
		r.queries--
	}
}

func (r *lookupRun) next() {
	for n, ok := r.Next(); ok; n, ok = r.Next() {
		r.open = append(r.open, n)
		r.queries++
		require.LessOrEqual(r.t, r.queries, r.cfg.MaxQueries)
		require.NoError(r.t, r.Check())
	}
}

func (r *lookupRun) settle(i int, o Outcome) {
	if len(r.open) == 0 {
		return
	}
	i %= len(r.open)
	n := r.open[i]
	if n.Key.IsZero() && o == Alive {
		n.Key = Key{n.Addr.Addr().As4()[3] + 1}
	}
	r.Settle(n, o)
	if o != Late {
		r.open = append(r.open[:i], r.open[i+1:]...)
	}
}
