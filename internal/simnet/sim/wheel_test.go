package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A wheel and a heap give the same order, whatever is added when: near, far, at one instant, in the past.
func TestWheelAgainstHeap(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		w, oracle := newWheel(), heap{}
		now, seq := time.Duration(0), uint64(0)
		add := func() {
			spans := []time.Duration{0, 1000, time.Millisecond, 300 * time.Millisecond, 8590 * time.Millisecond, 9 * time.Second, time.Hour}
			at := now
			if span := spans[r.IntN(len(spans))]; span > 0 {
				at += time.Duration(r.Int64N(int64(span)))
			}
			seq++
			w.add(event{at: at, seq: seq, to: Node(seq)})
			oracle.push(ref{at: at, seq: seq})
		}
		for range 3000 {
			for range r.IntN(4) {
				add()
			}
			until := now + time.Duration(r.Int64N(int64(time.Second)))
			if r.IntN(10) == 0 {
				until += time.Duration(r.Int64N(int64(20 * time.Second)))
			}
			for range 1 + r.IntN(4) {
				e, ok := w.pop(until)
				if len(oracle) == 0 || oracle[0].at > until {
					require.False(t, ok)
					now = until
					break
				}
				want := oracle.pop()
				require.True(t, ok)
				require.Equal(t, want, ref{at: e.at, seq: e.seq})
				require.EqualValues(t, e.seq, e.to)
				now = e.at
				if r.IntN(3) == 0 {
					add()
				}
			}
			require.Equal(t, len(oracle), w.len())
		}
		for len(oracle) > 0 {
			e, ok := w.pop(never)
			require.True(t, ok)
			require.Equal(t, oracle.pop().seq, e.seq)
		}
		_, ok := w.pop(never)
		require.False(t, ok)
		require.LessOrEqual(t, len(w.events), 8000, "events are used again")
	}
}

func TestBuffersAreReused(t *testing.T) {
	var p buffers
	var held []handle
	for i := range 3000 {
		b := make([]byte, i%MaxDatagram)
		for j := range b {
			b[j] = byte(i)
		}
		held = append(held, p.put(b))
	}
	for i, h := range held {
		for _, c := range p.bytes(h)[:i%MaxDatagram] {
			require.Equal(t, byte(i), c)
		}
		p.release(h)
	}
	chunks := len(p.chunks[0]) + len(p.chunks[1]) + len(p.chunks[2])
	for range 10 {
		for i := range 3000 {
			held[i] = p.put(make([]byte, i%MaxDatagram))
		}
		for _, h := range held {
			p.release(h)
		}
	}
	require.Equal(t, chunks, len(p.chunks[0])+len(p.chunks[1])+len(p.chunks[2]))
}
