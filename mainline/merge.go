package mainline

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// source is what a krpc.Lookup and a krpc.Batch have in common.
type source interface {
	Replies(ctx context.Context) iter.Seq2[*krpc.Reply, error]
	Drive(each func(*krpc.Reply), done func(error)) (stop func())
}

// merged streams what sources yield, of which each address family has one, as one: in the order of arrival, the error last.
// One source alone is ranged over as it is. closed ends the stream when the node is closed.
func merged(ctx context.Context, closed <-chan struct{}, sources []source) iter.Seq2[*krpc.Reply, error] {
	if len(sources) == 1 {
		return sources[0].Replies(ctx)
	}
	return func(yield func(*krpc.Reply, error) bool) {
		m := &merge{more: make(chan struct{}, 1), open: len(sources)}
		ctx, cancel := context.WithCancelCause(ctx)
		defer func() {
			cancel(nil)
			m.stop()
		}()
		for _, s := range sources {
			m.start(ctx, s)
		}
		for {
			r, err := m.next(ctx, closed)
			if r == nil && err == nil || !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// merge is a queue that the sources fill on goroutines of their sockets, and that the caller's loop drains. It is bounded by
// the number of queries that a lookup may send.
type merge struct {
	more chan struct{}  // capacity 1: the queue grew, or a source ended
	wg   sync.WaitGroup // goroutines that wait for a family to be ready

	mu    sync.Mutex // guards what follows
	queue []*krpc.Reply
	open  int // sources that have not ended
	errs  []error
	stops []func()
	over  bool
}

// start begins a source. One that has to wait first, for a join or a name, does so on a goroutine that ends with the wait.
func (m *merge) start(ctx context.Context, s source) {
	l, ok := s.(*krpc.Lookup)
	if !ok || l.PrepareNow() {
		m.drive(s)
		return
	}
	m.wg.Go(func() {
		if err := l.Prepare(ctx); err != nil {
			m.ended(err)
			return
		}
		m.drive(s)
	})
}

func (m *merge) drive(s source) {
	stop := s.Drive(m.push, m.ended)
	m.mu.Lock()
	over := m.over
	m.stops = append(m.stops, stop)
	m.mu.Unlock()
	if over {
		stop()
	}
}

func (m *merge) push(r *krpc.Reply) {
	m.mu.Lock()
	m.queue = append(m.queue, r)
	m.mu.Unlock()
	m.signal()
}

func (m *merge) ended(err error) {
	m.mu.Lock()
	m.open--
	m.errs = append(m.errs, err)
	m.mu.Unlock()
	m.signal()
}

func (m *merge) signal() {
	select {
	case m.more <- struct{}{}:
	default:
	}
}

// next waits for a reply. After the last it returns how the stream ended, which may be nil.
func (m *merge) next(ctx context.Context, closed <-chan struct{}) (*krpc.Reply, error) {
	for {
		m.mu.Lock()
		if len(m.queue) > 0 {
			r := m.queue[0]
			m.queue = m.queue[1:]
			m.mu.Unlock()
			return r, nil
		}
		open, err := m.open, verdict(m.errs)
		m.mu.Unlock()
		if open == 0 {
			return nil, err
		}
		select {
		case <-m.more:
		case <-closed:
			return nil, krpc.ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// stop frees whatever is in flight.
func (m *merge) stop() {
	m.mu.Lock()
	m.over = true
	stops := m.stops
	m.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	m.wg.Wait()
}

// driveAll is the event-driven form of merged: each and done are called one at a time.
func driveAll(sources []source, each func(*krpc.Reply), done func(error)) (stop func()) {
	if len(sources) == 1 {
		return sources[0].Drive(each, done)
	}
	var mu sync.Mutex // guards errs and makes the calls come one at a time
	var errs []error
	stops := make([]func(), len(sources))
	for i, s := range sources {
		stops[i] = s.Drive(func(r *krpc.Reply) {
			mu.Lock()
			defer mu.Unlock()
			each(r)
		}, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if errs = append(errs, err); len(errs) == len(sources) {
				done(verdict(errs))
			}
		})
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// verdict is how a whole ended whose parts ended with errs: well if one of them did, else with the most telling error.
func verdict(errs []error) error {
	if len(errs) == 0 || slices.Contains(errs, nil) {
		return nil
	}
	return slices.MaxFunc(errs, func(a, b error) int { return cmp.Compare(telling(a), telling(b)) })
}

func telling(err error) int {
	if _, refused := errors.AsType[*krpc.Error](err); refused {
		return 2
	}
	if errors.Is(err, routing.ErrNoNodes) {
		return 0
	}
	return 1
}

// sum adds up statistics.
func sum(all ...routing.Stats) (s routing.Stats) {
	for _, o := range all {
		s.Asked += o.Asked
		s.Answered += o.Answered
		s.Late += o.Late
		s.Failed += o.Failed
		s.Errors += o.Errors
	}
	return s
}
