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
	net   *network
	began time.Time // of the work, the network being open
}

// work is what a verb does on an open network. It stops when ctx ends, in good order.
type work func(ctx context.Context, s *session) error

// summary is a summary record. The work counts in it; it is printed even if there is an error.
type summary interface {
	line() string    // the same for people
	common() *totals // filled in after the work, unless the work did so
}

// serve runs a verb, from the flags to the exit code.
func (a *app) serve(ctx context.Context, n need, sum summary, do work) (err error) {
	p, err := a.flags.plan(n)
	if err != nil {
		return err
	}
	ctx, cancel := a.limited(ctx)
	defer cancel(nil)
	a.progress = newProgress(a.console, a.flags.progress)
	defer a.progress.stop()
	a.explain(p)

	net, err := a.open(ctx, p, n)
	if err != nil {
		return a.unopened(ctx, p, n, sum, err)
	}
	defer func() {
		if e := net.close(); e != nil && err == nil {
			err = &exitError{exitInternal, e.Error()}
		}
	}()
	s := &session{app: a, net: net, began: time.Now()}
	ready := ""
	if n.serve && !n.quiet {
		ready = "READY " + net.addrs()
	}
	a.console.result(ready, newStart(n.verb, net))
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
func (a *app) unopened(ctx context.Context, p plan, n need, sum summary, err error) error {
	if _, ours := errors.AsType[*exitError](err); ours {
		return err
	}
	if ctx.Err() == nil {
		return &exitError{exitInternal, err.Error()}
	}
	s := &session{app: a, net: &network{plan: p}, began: time.Now()}
	a.console.result("", newStart(n.verb, s.net))
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
		return s.net.silent(err)
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
	if s.net.node != nil {
		t.Queries, t.Answered = s.net.counts()
		t.Losses = s.net.losses()
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
