package plot

import (
	"math"
	"strconv"
	"strings"
)

// Axis is one of the two of a panel. The zero value is linear and as long as its values need.
type Axis struct {
	Label string
	Log   bool      // logarithmic
	Zero  bool      // a linear axis begins at 0
	Ticks []float64 // where to label it; nil: at round values. A linear axis is at least as long as they need
}

// scale places values on an axis.
type scale struct {
	log    bool
	lo, hi float64
	ticks  []float64
}

// scale fits the axis to values.
func (a Axis) scale(values []float64) scale {
	lo, hi := span(values, a.Log)
	s := scale{log: a.Log, lo: lo, hi: hi, ticks: a.Ticks}
	switch {
	case a.Log:
		s.fitLog()
	case a.Ticks != nil:
		least, most := span(a.Ticks, false)
		s.lo, s.hi = min(lo, least), max(hi, most)
	default:
		s.fit(a.Zero)
	}
	if s.hi == s.lo {
		s.hi = s.lo + 1
	}
	return s
}

// fit widens a linear scale to round values.
func (s *scale) fit(zero bool) {
	if zero {
		s.lo = min(s.lo, 0)
	}
	if s.hi == s.lo {
		s.lo, s.hi = s.lo-1, s.hi+1
		if zero && s.lo < 0 {
			s.lo = 0
		}
	}
	step := roundStep((s.hi - s.lo) / 5)
	s.lo, s.hi = math.Floor(s.lo/step+1e-9)*step, math.Ceil(s.hi/step-1e-9)*step
	for i := range int(math.Round((s.hi-s.lo)/step)) + 1 {
		s.ticks = append(s.ticks, s.lo+float64(i)*step)
	}
}

// roundStep returns 1, 2 or 5 times a power of ten: the next one that is not below x.
func roundStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= x*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// fitLog finds ticks of a logarithmic scale: powers of ten, with 2 and 5 times these between if they are few.
func (s *scale) fitLog() {
	if s.lo <= 0 {
		s.lo, s.hi = 1, 10
	}
	if s.hi < 1.5*s.lo {
		s.lo, s.hi = s.lo/1.5, s.hi*1.5
	}
	if s.ticks != nil {
		return
	}
	marks := []float64{1, 2, 5}
	if math.Log10(s.hi/s.lo) > 3 {
		marks = marks[:1]
	}
	for power := math.Pow(10, math.Floor(math.Log10(s.lo))); power <= s.hi; power *= 10 {
		for _, m := range marks {
			if t := m * power; t >= s.lo*0.999 && t <= s.hi*1.001 {
				s.ticks = append(s.ticks, t)
			}
		}
	}
}

// at returns the place of a value: 0 at the beginning of the scale, 1 at its end. NaN if it has none.
func (s scale) at(v float64) float64 {
	if !s.log {
		return (v - s.lo) / (s.hi - s.lo)
	}
	if v <= 0 {
		return math.NaN()
	}
	return math.Log(v/s.lo) / math.Log(s.hi/s.lo)
}

// label writes a tick: "0.25", "1,500", "20 k", "10 M".
func (s scale) label(v float64) string {
	switch size := math.Abs(v); {
	case size >= 1e6:
		return number(v/1e6) + " M"
	case size >= 1e4:
		return number(v/1e3) + " k"
	case size >= 1e3:
		text := number(v)
		whole, _, _ := strings.Cut(text, ".")
		return text[:len(whole)-3] + "," + text[len(whole)-3:]
	}
	return number(v)
}

// number writes a value with at most six digits that mean something.
func number(v float64) string {
	if v = math.Round(v*1e6) / 1e6; v == 0 {
		return "0"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
