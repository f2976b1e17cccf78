package sim

import (
	"math"
	"time"
)

// Region is a part of the world.
type Region uint8

// The regions of swarm A.
const (
	Europe Region = iota
	NorthAmerica
	Asia
	SouthAmerica
	Elsewhere
	regions
)

// Shares of the nodes by region: Europe largest, Asia strong.
var regionShare = [regions]float64{0.38, 0.14, 0.34, 0.08, 0.06}

// Round trips between the backbones of two regions, in milliseconds. Nothing is known of the fifth: it is given the
// distances of somebody in Africa or Oceania.
var regionRTT = [regions][regions]float64{
	{30, 105, 210, 210, 150},
	{105, 50, 180, 150, 190},
	{210, 180, 90, 310, 160},
	{210, 150, 310, 50, 290},
	{150, 190, 160, 290, 110},
}

// Access delay, both ways together: lognormal.
const (
	accessMedian = 14 * time.Millisecond
	accessSigma  = 0.9
)

const quantileBits = 12

// Inverse distribution functions, at the middle of 4096 steps: faster than a logarithm, and the same on every machine,
// since they are rounded to microseconds.
var (
	accessQuantile = quantiles(func(u float64) float64 {
		return accessMedian.Seconds() * math.Exp(accessSigma*math.Sqrt2*math.Erfinv(2*u-1))
	})
	expQuantile  = quantiles(func(u float64) float64 { return -math.Log1p(-u) })
	regionOfByte = regionTable()
)

func quantiles(inverse func(u float64) float64) (q [1 << quantileBits]time.Duration) {
	for i := range q {
		u := (float64(i) + 0.5) / float64(len(q))
		q[i] = time.Duration(math.Round(inverse(u)*1e6)) * time.Microsecond
	}
	return q
}

// regionTable maps 10 bits of a hash to a region.
func regionTable() (t [1024]Region) {
	var r Region
	sum := regionShare[0]
	for i := range t {
		for r < regions-1 && (float64(i)+0.5)/float64(len(t)) > sum {
			r++
			sum += regionShare[r]
		}
		t[i] = r
	}
	return t
}

// Exp maps a hash to an exponentially distributed number, in units of its mean, as a duration in seconds.
func Exp(h uint64) time.Duration { return expQuantile[h>>(64-quantileBits)] }
