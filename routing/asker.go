package routing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrFull is what Asker.Ask returns, or wraps, when it has no room for another query now.
	ErrFull = errors.New("routing: no room for another query now")
	// ErrNoNodes ends a walk or batch that had nobody to ask.
	ErrNoNodes = errors.New("routing: nobody to ask")
	// ErrNoAnswer ends, wrapped with the count, a walk or batch in which no node answered.
	ErrNoAnswer = errors.New("routing: no node answered")
)

// Reply is what a driver has to know of a protocol's reply.
type Reply interface {
	Sender() Node                   // who answered, with the id it gave
	Contacts(yield func(Node) bool) // the nodes it names, none for a query that asks for none
}

// Event is what became of a query.
type Event[R Reply] struct {
	Node    Node // as it was asked; meaningless for Room
	Outcome Outcome
	Reply   R             // Alive
	RTT     time.Duration // Alive
	Err     error         // Failed: why
}

// Asker sends queries and tells what becomes of them.
type Asker[R Reply] interface {
	// Ask sends the query to n and never blocks. Exactly one of Alive and Failed follows, and Late before it if soft
	// passes first. An error that is ErrFull means that n was not asked and that a Room event follows; any other
	// that n could not be asked, and no event follows. A reply under another id than n.Key, or none, is a failure, or, if the
	// protocol lets it count, Alive: then n is not among the closest, but who answered may be.
	Ask(n Node, soft, hard time.Duration) error
	// Wait returns the next event, or an error if there will be none: the cause of ctx, or that the Asker is closed.
	Wait(ctx context.Context) (Event[R], error)
	// Close frees every query in flight. It may be called more than once.
	Close()
}

// Sounder is an Asker that can ask a node for the neighbours of its own id, too, with the same rules. See LookupConfig.Sound.
type Sounder interface {
	Sound(n Node, soft, hard time.Duration) error
}

// Stats counts what a walk or batch did.
type Stats struct {
	Asked    int // queries sent
	Answered int // in time or late
	Late     int // past the soft deadline, whatever came then
	Failed   int // past the hard deadline, or answered with an error
	Errors   int // nodes that could not be asked at all
}

// err tells how a run that is over ended: cause is the last failure, nil if none was explained.
func (s Stats) err(cause error) error {
	switch tried := s.Asked + s.Errors; {
	case s.Answered > 0:
		return nil
	case tried == 0:
		return ErrNoNodes
	case cause != nil:
		return fmt.Errorf("%w: %d asked: %w", ErrNoAnswer, tried, cause)
	default:
		return fmt.Errorf("%w: %d asked", ErrNoAnswer, tried)
	}
}

// deadlines is what a driver has between itself and its Asker: adaptive deadlines, counts, the last failure.
type deadlines[R Reply] struct {
	ask   Asker[R]
	cfg   LookupConfig
	stats Stats
	full  bool  // no room; a Room event follows
	cause error // of the last failure that had one
}

func newDeadlines[R Reply](ask Asker[R], cfg LookupConfig) deadlines[R] {
	if cfg.RTTs == nil {
		cfg.RTTs = new(RTTs)
	}
	return deadlines[R]{ask: ask, cfg: cfg.withDefaults()}
}

// soft returns the soft deadline of the next query; one that is not before the hard one never passes.
func (d *deadlines[R]) soft() time.Duration {
	if d.cfg.Soft > 0 {
		return d.cfg.Soft
	}
	return d.cfg.RTTs.Soft()
}

// sent is what became of an attempt to ask.
type sent uint8

const (
	out     sent = iota // the query is on its way
	noRoom              // not now
	refused             // never
)

func (d *deadlines[R]) send(n Node) sent {
	return d.asked(d.ask.Ask(n, d.soft(), d.cfg.Hard))
}

// asked counts an attempt to ask.
func (d *deadlines[R]) asked(err error) sent {
	switch {
	case err == nil:
		d.stats.Asked++
		return out
	case errors.Is(err, ErrFull):
		d.full = true
		return noRoom
	}
	d.stats.Errors++
	d.cause = err
	return refused
}

// note counts an event.
func (d *deadlines[R]) note(ev Event[R]) {
	switch ev.Outcome {
	case Alive:
		d.stats.Answered++
		d.cfg.RTTs.Add(ev.RTT)
	case Late:
		d.stats.Late++
	case Failed:
		d.stats.Failed++
		if ev.Err != nil {
			d.cause = ev.Err
		}
	case Room:
		d.full = false
	}
}
