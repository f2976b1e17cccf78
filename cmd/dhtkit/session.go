package main

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"
)

type counter = atomic.Int64

// Why a context ended, besides errInterrupted.
var (
	errDeadline = errors.New("deadline passed")
	errLimit    = errors.New("limit reached") // of a crawl
	errOutput   = errors.New("results cannot be written")
)

// session is the frame of one run: the network is open, the start record is out, and whatever happens a summary will be
// the last thing printed.
type session struct {
	*app
	net   *network // of the verbs of the BitTorrent DHT, nil for others
	on    member
	began time.Time // of the work, the network being open
}

// member is our node, or nodes, in whatever network a run works on.
type member interface {
	addrs() string                      // of our sockets, with blanks between
	counts() (queries, answered uint64) // of ours
	losses() map[string]uint64          // what became of the rest
	silent(err error) error             // explains that nobody answered, as the error that ends the run
	close() error
}

// work is what a verb does on an open network. It stops when ctx ends, in good order.
type work func(ctx context.Context, s *session) error

// summary is a summary record. The work counts in it; it is printed even if there is an error.
type summary interface {
	line() string    // the same for people
	common() *totals // filled in after the work, unless the work did so
}

// serve runs a verb of the BitTorrent DHT, from the flags to the exit code.
func (a *app) serve(ctx context.Context, n need, sum summary, do work) error {
	p, err := a.flags.plan(n)
	if err != nil {
		return err
	}
	net := &network{plan: p}
	return a.frame(ctx, frame{
		ready:   n.serve && !n.quiet,
		explain: func() { a.explain(p) },
		open:    func(ctx context.Context) (member, error) { return net, a.open(ctx, net, n) },
		start:   func() *startRecord { return newStart(n.verb, net) },
	}, sum, func(ctx context.Context, s *session) error {
		s.net = net
		return do(ctx, s)
	})
}

// frame says how a run begins.
type frame struct {
	ready   bool // the first line is READY and our addresses
	explain func()
	open    func(context.Context) (member, error)
	start   func() *startRecord // also for one that was stopped before it was open
}

// frame runs the work of a verb on an open network, from there to the exit code.
func (a *app) frame(ctx context.Context, f frame, sum summary, do work) (err error) {
	ctx, cancel := a.limited(ctx)
	defer cancel(nil)
	a.progress = newProgress(a.console, a.flags.progress)
	defer a.progress.stop()
	f.explain()

	on, err := f.open(ctx)
	if err != nil {
		return a.unopened(ctx, f, sum, err)
	}
	defer func() {
		if e := on.close(); e != nil && err == nil {
			err = &exitError{exitInternal, e.Error()}
		}
	}()
	s := &session{app: a, on: on, began: time.Now()}
	ready := ""
	if f.ready {
		ready = "READY " + on.addrs()
	}
	a.console.result(ready, f.start())
	defer context.AfterFunc(ctx, func() { a.console.note("dhtkit: %v: finishing, once more to quit at once", context.Cause(ctx)) })()

	err = do(ctx, s)
	s.summarise(ctx, sum)
	return s.verdict(ctx, err)
}

// summarise prints the summary: after the results with --json, else for people.
func (s *session) summarise(ctx context.Context, sum summary) {
	if t := sum.common(); t.Losses == nil {
		*t = s.totals(ctx)
	}
	s.console.result("", sum)
	if !s.console.json {
		s.console.note("%s", sum.line())
	}
}

// limited applies --deadline, and ends the run when results cannot be written any more.
func (a *app) limited(parent context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	a.console.onFail = func(error) { cancel(errOutput) }
	if a.flags.deadline > 0 {
		timer := time.AfterFunc(a.flags.deadline, func() { cancel(errDeadline) })
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
	return ctx, cancel
}

// explain says what the run will do to others (with -v), and what it will not do.
func (a *app) explain(p plan) {
	for _, addr := range p.held {
		a.console.note("dhtkit: %s will not be asked: loopback and private addresses among public ones need --allow-private", addr)
	}
	a.console.detail("dhtkit: network %s, bootstrap %s, listening on %s, %s, private addresses %v", p.kind, orNone(p.bootstrap), strings.Join(p.listen, ", "), rateText(p.rate), p.private)
}

// unopened ends a run whose network could not be opened. One that was stopped meanwhile has a summary all the same.
func (a *app) unopened(ctx context.Context, f frame, sum summary, err error) error {
	if _, ours := errors.AsType[*exitError](err); ours {
		return err
	}
	if ctx.Err() == nil {
		return &exitError{exitInternal, err.Error()}
	}
	s := &session{app: a, began: time.Now()}
	a.console.result("", f.start())
	s.summarise(ctx, sum)
	return ended(exitStopped)
}

// verdict turns how the work ended into how the run ends.
func (s *session) verdict(ctx context.Context, err error) error {
	_, decided := errors.AsType[*exitError](err)
	switch broken := s.console.failed(); {
	case broken != nil:
		return &exitError{exitInternal, "results cannot be written: " + broken.Error()}
	case err == nil || decided:
		return err
	case ctx.Err() != nil:
		return ended(exitStopped)
	case unanswered(err):
		return s.on.silent(err)
	}
	return &exitError{exitInternal, err.Error()}
}

// join waits until our node has joined the network. Whether anybody answered is for the lookup that follows to say: it
// asks once more.
func (s *session) join(ctx context.Context) error {
	s.progress.show(func() string {
		queries, answered := s.net.counts()
		return "joining: " + queriesText(queries, answered)
	})
	return s.net.node.Ready(ctx)
}

// totals are the counters of the whole run.
func (s *session) totals(ctx context.Context) totals {
	t := totals{Seconds: seconds(time.Since(s.began)), Losses: map[string]uint64{}, Stopped: stopReason(ctx)}
	if s.on != nil {
		t.Queries, t.Answered = s.on.counts()
		t.Losses = s.on.losses()
	}
	return t
}

// stopReason says why a run was stopped early, "" if it was not.
func stopReason(ctx context.Context) string {
	switch context.Cause(ctx) {
	case nil:
		return ""
	case errDeadline:
		return "deadline"
	case errLimit:
		return "limit"
	case errOutput:
		return "output"
	}
	return "signal"
}

// outcome is the end of a run that nothing went wrong with, with n results.
func outcome(ctx context.Context, n int) error {
	switch {
	case ctx.Err() != nil:
		return ended(exitStopped)
	case n == 0:
		return ended(exitNothing)
	}
	return nil
}
