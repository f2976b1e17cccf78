package main

import (
	"context"
	"sync"

	"github.com/dhtkit/dhtkit/krpc"
)

// failures decides how a run over several targets ends: one whose lookup failed does not spoil the others. Safe for
// concurrent use.
type failures struct {
	mu       sync.Mutex // guards what follows
	answered bool       // some node answered a lookup
	err      error      // of a lookup that failed
}

func (f *failures) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.err = err
	} else {
		f.answered = true
	}
}

// end is the error of a run that found n results.
func (f *failures) end(ctx context.Context, n int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.answered && f.err != nil {
		return f.err
	}
	return outcome(ctx, n)
}

// eachHash calls do for every id, some at a time, until ctx ends.
func eachHash(ctx context.Context, ids []krpc.ID, atOnce int, do func(krpc.ID)) {
	queue := make(chan krpc.ID, len(ids))
	for _, id := range ids {
		queue <- id
	}
	close(queue)
	var wg sync.WaitGroup
	for range min(atOnce, len(ids)) {
		wg.Go(func() { // a worker: ends with the queue or ctx
			for id := range queue {
				if ctx.Err() != nil {
					return
				}
				do(id)
			}
		})
	}
	wg.Wait()
}
