package lab

import (
	"fmt"
	"slices"
	"time"
)

// Quantile returns the value that a share q of the values, which it sorts, does not exceed. Zero if there are none.
func Quantile[T int | time.Duration](values []T, q float64) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}

// LookupSummary is a LookupResult in a line.
type LookupSummary struct {
	FirstP50, FirstP95     time.Duration // first answer of one of the true closest; lookups without are as late as their end
	DoneP50, DoneP95       time.Duration
	QueriesP50, QueriesP95 int
	QueriesMean            float64
	Sent                   float64 // datagrams of a lookup, resends included, on average
	Unanswered             float64 // share of the queries
	Recall                 float64 // share of the 8 closest reachable nodes that were found
	Missed                 int     // lookups that found none of them
	Failed                 int     // lookups that ended with an error
}

// Summary computes quantiles and shares.
func (r *LookupResult) Summary() LookupSummary {
	var s LookupSummary
	var first, done []time.Duration
	var queries []int
	asked, answered, hits, sent := 0, 0, 0, 0
	for _, l := range r.Lookups {
		if l.First < 0 {
			s.Missed++
			l.First = l.Done
		}
		if l.Err != nil {
			s.Failed++
		}
		first, done, queries = append(first, l.First), append(done, l.Done), append(queries, l.Queries)
		asked, answered, hits, sent = asked+l.Queries, answered+l.Answered, hits+l.Hits, sent+l.Sent
	}
	n := float64(max(len(r.Lookups), 1))
	s.FirstP50, s.FirstP95 = Quantile(first, 0.5), Quantile(first, 0.95)
	s.DoneP50, s.DoneP95 = Quantile(done, 0.5), Quantile(done, 0.95)
	s.QueriesP50, s.QueriesP95 = Quantile(queries, 0.5), Quantile(queries, 0.95)
	s.QueriesMean, s.Sent = float64(asked)/n, float64(sent)/n
	s.Unanswered = 1 - float64(answered)/float64(max(asked, 1))
	s.Recall = float64(hits) / n / closest
	return s
}

func (s LookupSummary) String() string {
	ms := func(d time.Duration) int64 { return d.Milliseconds() }
	return fmt.Sprintf("first %d/%d ms, done %d/%d ms, queries %d/%d (mean %.1f, %.1f datagrams), unanswered %.1f %%, recall %.3f, missed %d, failed %d",
		ms(s.FirstP50), ms(s.FirstP95), ms(s.DoneP50), ms(s.DoneP95), s.QueriesP50, s.QueriesP95,
		s.QueriesMean, s.Sent, 100*s.Unanswered, s.Recall, s.Missed, s.Failed)
}
