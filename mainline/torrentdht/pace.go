package torrentdht

import (
	"context"
	"time"
)

// Ours: an announcement looks again after lookAgain, or after tryAgain if no node answered, then after twice as long each
// time, up to lookAgainMax.
const (
	tryAgain     = time.Second
	lookAgain    = 5 * time.Second
	lookAgainMax = 5 * time.Minute
)

// backOff says how long to wait before the next lookup. The zero value is ready.
type backOff struct{ last time.Duration }

// next returns the wait after a lookup: the longest one if it found somebody. A lookup without any answer has an error.
func (b *backOff) next(found int, err error) time.Duration {
	switch {
	case found > 0:
		b.last = lookAgainMax
	case b.last == 0 && err != nil:
		b.last = tryAgain
	case b.last == 0:
		b.last = lookAgain
	default:
		b.last = min(2*b.last, lookAgainMax)
	}
	return b.last
}

// turns bounds the lookups in progress: thousands of torrents must not ask at once. Of the turns, repeated lookups take at
// most half, so that a torrent that is new does not wait for those that have been looked for before.
type turns struct{ all, repeats chan struct{} }

func newTurns(n int) turns {
	return turns{make(chan struct{}, n), make(chan struct{}, max(1, n/2))}
}

// take waits for a turn. The caller gives it back by calling leave.
func (t turns) take(ctx context.Context, first bool) (leave func(), err error) {
	if first {
		return enter(ctx, t.all)
	}
	leaveRepeats, err := enter(ctx, t.repeats)
	if err != nil {
		return nil, err
	}
	leaveAll, err := enter(ctx, t.all)
	if err != nil {
		leaveRepeats()
		return nil, err
	}
	return func() { leaveAll(); leaveRepeats() }, nil
}

func enter(ctx context.Context, c chan struct{}) (leave func(), err error) {
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
