package mainline_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// announceMany announces n info hashes from one node, and returns them.
func (l *lab) announceMany(from *mainline.Node, n int) map[krpc.ID]bool {
	l.t.Helper()
	hashes := make(map[krpc.ID]bool)
	for i := range n {
		ih := krpc.ID{0: byte(7 * i), 1: byte(i), 19: 1}
		hashes[ih] = true
		for _, err := range from.Announce(ih, 7000).Stored(l.t.Context()) {
			require.NoError(l.t, err)
		}
	}
	return hashes
}

func TestSampleOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 20)
		hashes := l.announceMany(l.nodes[5], 1)
		for ih := range hashes {
			closest := l.nodes[5].FindNode(ih)
			for range closest.Nodes(t.Context()) {
			}
			s, err := l.nodes[3].SampleAt(t.Context(), closest.Closest()[0].Addr, l.nodes[7].ID())
			require.NoError(t, err)
			require.Equal(t, closest.Closest()[0], s.Node)
			require.Equal(t, []krpc.ID{ih}, s.Hashes)
			require.EqualValues(t, 1, s.Num)
			require.Zero(t, s.Interval)
			require.True(t, s.Supported)
			require.NotEmpty(t, s.Contacts)
		}
		_, err := l.nodes[3].SampleAt(t.Context(), addr(99), krpc.ID{})
		require.ErrorIs(t, err, krpc.ErrTimeout)

		answered := 0
		for s, err := range l.nodes[3].Sample(krpc.ID{1}).Samples(t.Context()) {
			require.NoError(t, err)
			require.True(t, s.Supported)
			answered++
		}
		require.GreaterOrEqual(t, answered, 8)
	})
}

// watch has every node note when it is asked for samples, and returns the notes.
func (l *lab) watch(walker *mainline.Node, answer func(i int, q *krpc.Query) bool) map[int][]time.Time {
	asked := make(map[int][]time.Time)
	for i, n := range l.nodes {
		if n == walker {
			continue
		}
		n.RPC().OnQuery(krpc.MethodSample, func(q *krpc.Query) {
			asked[i] = append(asked[i], q.At)
			if answer(i, q) {
				return
			}
			args, _ := q.Sample()
			res := &krpc.SampleResults{Num: 1, Interval: 1800, Samples: []krpc.ID{{byte(i)}}}
			res.Nodes = q.Closest(args.Target.Key(), 8)
			q.Reply(res)
		})
	}
	return asked
}

func TestSampleWalkAsksEachNodeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 60)
		hashes := l.announceMany(l.nodes[5], 30)
		walk := l.nodes[9].SampleWalk(mainline.SampleConfig{})
		from := make(map[netip.AddrPort]bool)
		for s, err := range walk.Samples(t.Context()) {
			require.NoError(t, err)
			require.False(t, from[s.Node.Addr])
			from[s.Node.Addr] = true
			for _, ih := range s.Hashes {
				delete(hashes, ih)
			}
		}
		require.Len(t, from, 59)
		require.Empty(t, hashes, "all were found")
		require.Equal(t, 59, walk.Stats().Answered)
		require.Zero(t, l.nodes[9].RPC().InFlight())
	})
}

func TestSampleWalkHonoursIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 20)
		walker := l.nodes[9]
		asked := l.watch(walker, func(i int, q *krpc.Query) bool {
			switch i {
			case 3: // knows nothing of samples
				res := &krpc.NodesResults{Nodes: q.Closest(krpc.ID{1}.Key(), 8)}
				q.Reply(res)
			case 4: // has something new all the time
				q.Reply(&krpc.SampleResults{Num: 1000, Samples: []krpc.ID{{1}}})
			case 5: // talks nonsense
				q.Reply(&krpc.SampleResults{Num: 1000, Interval: -5, Samples: []krpc.ID{{1}}})
			case 6: // refuses
				q.Fail(krpc.ErrServer)
			default:
				return false
			}
			return true
		})
		ctx, cancel := context.WithTimeoutCause(t.Context(), 150*time.Minute, errDone)
		defer cancel()
		walk := walker.SampleWalk(mainline.SampleConfig{Again: true, Revisit: 10 * time.Minute})
		for _, err := range walk.Samples(ctx) {
			if err != nil {
				require.ErrorIs(t, err, errDone)
			}
		}
		for i, at := range asked {
			want, gap := 5, 30*time.Minute
			switch i {
			case 3, 5, 6:
				want = 1
			case 4:
				want, gap = 15, 10*time.Minute
			}
			require.Len(t, at, want, "node %d", i)
			for j := 1; j < len(at); j++ {
				require.GreaterOrEqual(t, at[j].Sub(at[j-1]), gap-time.Second)
			}
		}
		require.Len(t, asked, 19)
	})
}

var errDone = errors.New("done")

func TestSampleWalkEndsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30)
		for range l.nodes[9].SampleWalk(mainline.SampleConfig{}).Samples(t.Context()) {
			break
		}
		require.Zero(t, l.nodes[9].RPC().InFlight())

		lone := newLab(t, 1)
		for _, err := range lone.nodes[0].SampleWalk(mainline.SampleConfig{}).Samples(t.Context()) {
			require.Error(t, err)
		}
		for i, n := range l.nodes {
			if i != 9 {
				n.Close()
			}
		}
		walk := l.nodes[9].SampleWalk(mainline.SampleConfig{})
		for _, err := range walk.Samples(t.Context()) {
			require.Error(t, err)
		}
		require.Positive(t, walk.Stats().Failed)
		require.Equal(t, walk.Stats().Asked, walk.Stats().Failed)

		var last error
		go func() {
			time.Sleep(500 * time.Millisecond)
			l.nodes[9].Close()
		}()
		for _, err := range l.nodes[9].SampleWalk(mainline.SampleConfig{}).Samples(t.Context()) {
			last = err
		}
		require.Error(t, last)
	})
}
