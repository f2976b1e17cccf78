package sim

import "time"

// Sessions of swarm A: a node stays for an exponential time, of one of two means. That makes 455 minutes on average and
// 200 in the median.
const (
	shortShare   = 0.485
	shortSession = 129 * time.Minute
	longSession  = 763 * time.Minute
)

// Session maps a hash to how long a node that joins will stay.
func Session(h uint64) time.Duration {
	mean := longSession
	if Unit(Mix(h, 1)) < shortShare {
		mean = shortSession
	}
	return scaled(mean, Mix(h, 2))
}

// Residual maps a hash to how much longer a node stays that is there when one looks: longer, since long sessions are seen
// more often.
func Residual(h uint64) time.Duration {
	mean := longSession
	long := (1 - shortShare) * longSession.Seconds()
	if short := shortShare * shortSession.Seconds(); Unit(Mix(h, 1)) < short/(short+long) {
		mean = shortSession
	}
	return scaled(mean, Mix(h, 2))
}

func scaled(mean time.Duration, h uint64) time.Duration {
	return time.Duration(float64(mean) * Exp(h).Seconds())
}
