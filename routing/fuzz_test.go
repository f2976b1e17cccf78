package routing

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// script reads the steps of a random run from fuzz input; past the end it reads zeros.
type script []byte

func (s *script) next() int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b)
}

// node draws from few keys, addresses and ports, so that they collide often.
func (s *script) node() Node {
	k, a := s.next(), s.next()
	ip := netip.AddrFrom4([4]byte{10, 0, byte(a >> 5), byte(a >> 2 & 7)})
	return Node{Key{byte(k)}, netip.AddrPortFrom(ip, uint16(a&3))}
}

var tableShapes = []Config{
	{KeyLen: 1, K: 2},
	{KeyLen: 1, K: 1, Cache: -1, MaxFails: 1},
	{KeyLen: 1, K: 2, Far: []int{16, 8, 4}, PerIP: 2, PerNetBucket: 3},
	{KeyLen: 1, K: 3, PerIP: -1, PerNetBucket: -1, PerNetTable: -1, VerifyDelay: -1},
	{KeyLen: 1, K: 2, Far: []int{1, 9}, MaxBuckets: 3, PerNetTable: 5},
}

func FuzzTableSteps(f *testing.F) {
	r := seeded(40)
	for shape := range tableShapes {
		steps := make([]byte, 900)
		for i := range steps {
			steps[i] = byte(r.Uint32())
		}
		steps[0] = byte(shape)
		f.Add(steps)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := script(in)
		cfg := tableShapes[s.next()%len(tableShapes)]
		hook := s.next()%2 == 1
		self, now := Key{byte(s.next())}, t0
		members := make(map[Node]bool)
		cfg.OnMember = func(n Node, in bool) {
			require.NotEqual(t, in, members[n], "%v", n)
			members[n] = in
		}
		table := NewTable(self, cfg)
		if hook {
			table.cfg.OnFull = func(old []Node, n Node) {
				if s.next()%2 == 0 {
					table.Swap(old[0], n, now)
				}
			}
		}
		for len(s) > 0 {
			stepTable(table, &s, &now)
			require.NoError(t, table.Check())
			checkMembers(t, table, members)
			checkClosest(t, table, Key{byte(s.next())})
		}
	})
}

// checkMembers: OnMember has told who is in a bucket.
func checkMembers(t *testing.T, table *Table, members map[Node]bool) {
	live := 0
	for _, b := range table.buckets {
		for i := range b.live {
			live++
			require.True(t, members[b.live[i].node()], "%v came unheard", b.live[i].node())
		}
	}
	for _, in := range members {
		if in {
			live--
		}
	}
	require.Zero(t, live, "somebody left unheard")
}

func stepTable(table *Table, s *script, now *time.Time) {
	switch s.next() % 16 {
	case 0, 1, 2:
		table.Heard(s.node(), *now)
	case 3, 4, 5, 6, 7:
		table.Answered(s.node(), time.Duration(s.next())*time.Millisecond, *now)
	case 8, 9, 10:
		table.Failed(s.node(), *now)
	case 11:
		table.Remove(s.node())
	case 12:
		table.Swap(s.node(), s.node(), *now)
	case 13:
		*now = now.Add(time.Duration(s.next()-16) * 10 * time.Second)
	case 14:
		tasks, _ := table.Due(nil, *now)
		for _, task := range tasks {
			if task.Kind == Ping && s.next()%2 == 0 {
				table.Failed(task.Node, *now)
			} else if task.Kind == Ping {
				table.Answered(task.Node, time.Millisecond, *now)
			}
		}
	case 15:
		if s.next()%4 == 0 {
			table.Rebase(Key{byte(s.next())}, *now)
		}
	}
}

func checkClosest(t *testing.T, table *Table, target Key) {
	want, once := []Node{}, []Node{}
	for i := range table.buckets {
		for _, e := range table.buckets[i].live {
			if e.fails == 0 {
				want = append(want, e.node())
			}
			if e.fails <= 1 {
				once = append(once, e.node())
			}
		}
	}
	if len(want) < 5 {
		want = once
	}
	slices.SortFunc(want, func(x, y Node) int { return CompareDistance(target, x.Key, y.Key) })
	require.Equal(t, want[:min(5, len(want))], table.AppendClosest([]Node{}, target, 5))
}
