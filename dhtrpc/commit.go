package dhtrpc

import "context"

// Commit finishes the query, if that has not happened yet (it is a thorough one then), and sends the same command, target and value again to each of
// the closest nodes that answered, with the token it gave: nodes are to store something then. It returns the good answers,
// in whatever order they came. The error is nil if there is at least one; ErrTooFewNodes if there was nobody to commit to;
// else the last failure, or the cause of ctx.
func (q *Query) Commit(ctx context.Context) ([]*Reply, error) {
	return q.CommitFunc(ctx, func(r *Reply) *Call {
		if r.Token == nil {
			return nil
		}
		return &Call{Command: q.command, Target: &q.target, Token: r.Token, Value: q.value}
	})
}

// CommitFunc is Commit with a request of the caller's: build is called for each of the closest replies, nearest first, and
// says what to send to its sender; nil: nothing.
func (q *Query) CommitFunc(ctx context.Context, build func(*Reply) *Call) ([]*Reply, error) {
	if !q.begun {
		q.opts.Thorough = true // what is written has to be where others look
	}
	for _, err := range q.Replies(ctx) {
		if err != nil {
			return nil, err
		}
	}
	type outcome struct {
		reply *Reply
		err   error
	}
	closest := q.ClosestReplies()
	settled := make(chan outcome, len(closest))
	var stops []func()
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	var last error
	for _, r := range closest {
		c := build(r)
		if c == nil {
			continue
		}
		stop, err := q.node.Send(r.From.Addr, *c, func(r *Reply, err error) { settled <- outcome{r, err} })
		if err != nil {
			last = err
			continue
		}
		stops = append(stops, stop)
	}
	var stored []*Reply
	for range stops {
		select {
		case o := <-settled:
			if o.err != nil {
				last = o.err
			} else {
				stored = append(stored, o.reply)
			}
		case <-ctx.Done():
			return stored, context.Cause(ctx)
		}
	}
	switch {
	case len(stored) > 0:
		return stored, nil
	case last != nil:
		return nil, last
	}
	return nil, ErrTooFewNodes
}
