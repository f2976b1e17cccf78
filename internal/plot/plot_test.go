package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func draw(t *testing.T, c Chart) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, c.Write(&b))
	for d := xml.NewDecoder(bytes.NewReader(b.Bytes())); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		require.NoError(t, err, b.String())
	}
}

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		name   string
		axis   Axis
		values []float64
		ticks  []float64
		lo, hi float64
	}{
		{"round values", Axis{}, []float64{3, 47}, []float64{0, 10, 20, 30, 40, 50}, 0, 50},
		{"far from zero", Axis{}, []float64{101, 104}, []float64{101, 102, 103, 104}, 101, 104},
		{"from zero", Axis{Zero: true}, []float64{38, 40}, []float64{0, 10, 20, 30, 40}, 0, 40},
		{"small", Axis{Zero: true}, []float64{0.07}, []float64{0, 0.02, 0.04, 0.06, 0.08}, 0, 0.08},
		{"one value", Axis{}, []float64{5}, []float64{4, 4.5, 5, 5.5, 6}, 4, 6},
		{"nothing but zero", Axis{Zero: true}, []float64{0}, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}, 0, 1},
		{"no values", Axis{}, nil, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}, 0, 1},
		{"none that counts", Axis{}, []float64{math.NaN(), math.Inf(1)}, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}, 0, 1},
		{"given", Axis{Ticks: []float64{0, 50, 100}}, []float64{20}, []float64{0, 50, 100}, 0, 100},
		{"decades", Axis{Log: true}, []float64{1, 1e5}, []float64{1, 10, 100, 1000, 1e4, 1e5}, 1, 1e5},
		{"less than three decades", Axis{Log: true}, []float64{30, 700}, []float64{50, 100, 200, 500}, 30, 700},
		{"logarithm of nothing", Axis{Log: true}, []float64{0, -1}, []float64{1, 2, 5, 10}, 1, 10},
		{"one value of a logarithm", Axis{Log: true}, []float64{15}, []float64{10, 20}, 10, 22.5},
	} {
		s := test.axis.scale(test.values)
		require.Len(t, s.ticks, len(test.ticks), test.name)
		require.InDeltaSlice(t, test.ticks, s.ticks, 1e-9, test.name)
		require.InDelta(t, test.lo, s.lo, 1e-9, test.name)
		require.InDelta(t, test.hi, s.hi, 1e-9, test.name)
		require.InDelta(t, 0, s.at(s.lo), 1e-9, test.name)
		require.InDelta(t, 1, s.at(s.hi), 1e-9, test.name)
	}
}

func TestLabels(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.30000000000000004: "0.3", 250: "250", 1500: "1,500", 2000.5: "2,000.5", -1500: "-1,500", 20_000: "20 k", 10e6: "10 M", -0.0000001: "0",
	} {
		require.Equal(t, want, scale{}.label(v))
	}
}

func TestCDF(t *testing.T) {
	require.Equal(t, []Point{{1, 0}, {1, 25}, {2, 50}, {2, 75}, {9, 100}}, CDF([]float64{2, 9, 1, 2}))
	require.Empty(t, CDF(nil))
}

func TestChart(t *testing.T) {
	c := Chart{
		Title: "a < b & c", Subtitle: `"quoted"`, Footer: "how",
		Panels: []Panel{
			{Title: "left", X: Axis{Label: "ms", Log: true}, Y: Axis{Label: "%"}, Lines: []Line{
				{Name: "one", Points: CDF([]float64{10, 20, 700, math.Inf(1)})},
				{Name: "two", Points: []Point{{5, 50}}},
			}},
			{Title: "right", Lines: []Line{{Name: "two", Points: []Point{{1, 1}, {2, math.NaN()}, {3, 9}}, Dots: true, Dashed: true}}},
		},
	}
	svg := draw(t, c)
	require.Equal(t, svg, draw(t, c))
	require.Contains(t, svg, "a &lt; b &amp; c")
	require.NotRegexp(t, `NaN|Inf|%!`, svg)
	require.Regexp(t, `<circle [^>]*fill="`+colours[1]+`"`, svg, "a lonely point is seen")
	require.Regexp(t, `stroke="`+colours[1]+`" stroke-dasharray`, svg, "one name, one colour")
	require.Len(t, regexp.MustCompile(`class="curve"[^>]*d="M[\d.]+ [\d.]+h20"`).FindAllString(svg, -1), 2, "a legend of two")

	width := number0(t, regexp.MustCompile(`width="([\d.]+)"`).FindStringSubmatch(svg)[1])
	for _, m := range regexp.MustCompile(`[ML]([\d.-]+) ([\d.-]+)`).FindAllStringSubmatch(svg, -1) {
		require.True(t, 0 < number0(t, m[1]) && number0(t, m[1]) < width, m[0])
		require.True(t, headHeight <= number0(t, m[2]) && number0(t, m[2]) <= headHeight+panelHeight+20, m[0])
	}
}

func number0(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return v
}

// What has no extent can be drawn, too.
func TestEmptyCharts(t *testing.T) {
	draw(t, Chart{})
	draw(t, Chart{Panels: []Panel{{}, {X: Axis{Log: true}, Lines: []Line{{}}}, {Lines: []Line{{Points: []Point{{0, 0}, {0, 0}}}}}}})
}

// A million points make no file of megabytes: those that cannot be told apart are left out.
func TestManyPoints(t *testing.T) {
	values := make([]float64, 1_000_000)
	for i := range values {
		values[i] = math.Sqrt(float64(i))
	}
	svg := draw(t, Chart{Panels: []Panel{{Lines: []Line{{Points: CDF(values)}}}}})
	require.Less(t, len(svg), 100_000)
	require.Greater(t, len(svg), 10_000)
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteFails(t *testing.T) {
	c := Chart{Title: "x"}
	require.ErrorIs(t, c.Write(failing{}), io.ErrShortWrite)
}
