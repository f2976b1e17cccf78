package routing

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSoftDeadline(t *testing.T) {
	ms := func(v ...int) (out []time.Duration) {
		for _, d := range v {
			out = append(out, time.Duration(d)*time.Millisecond)
		}
		return out
	}
	upTo := func(n int) (v []int) {
		for i := range n {
			v = append(v, 10*(i+1))
		}
		return v
	}
	for _, c := range []struct {
		name string
		rtts []time.Duration
		want time.Duration
	}{
		{"before any", nil, time.Second},
		{"one: p10 + 165 ms", ms(40), 205 * time.Millisecond},
		{"even: p10 + 165 ms", ms(slices.Repeat([]int{50}, 64)...), 215 * time.Millisecond},
		{"spread: p90", ms(upTo(60)...), 550 * time.Millisecond},
		{"never above 2 s", ms(5000, 6000), 2 * time.Second},
		{"only the last 64 count", ms(append(slices.Repeat([]int{1900}, 64), slices.Repeat([]int{20}, 64)...)...), 185 * time.Millisecond},
		{"zero and negative count as shortest", ms(0, -5), 165*time.Millisecond + time.Microsecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r RTTs
			for _, d := range c.rtts {
				r.Add(d)
			}
			require.Equal(t, c.want, r.Soft())
		})
	}
}

// The sorted copy follows the ring whatever order values come and go in.
func TestRTTsStaySorted(t *testing.T) {
	r, rnd := RTTs{}, seeded(50)
	for range 1000 {
		r.Add(time.Duration(rnd.IntN(40)) * time.Millisecond)
		want := slices.Sorted(slices.Values(r.ring[:r.n]))
		require.Equal(t, want, r.sorted[:r.n])
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Add(time.Second); r.Soft() }))
}

func TestMedian(t *testing.T) {
	var r RTTs
	require.Zero(t, r.Median())
	for _, ms := range []int{90, 10, 20, 80, 30} {
		r.Add(time.Duration(ms) * time.Millisecond)
	}
	require.Equal(t, 30*time.Millisecond, r.Median())
}
