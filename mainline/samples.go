package mainline

import (
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
)

// sampleSize is how many info hashes a sample has at most. Ours, and libtorrent's.
const sampleSize = 20

// From BEP 51: a sample may be kept for six hours. Ours: five minutes, so that who asks each time hears of all in the end.
const (
	sampleInterval    = 5 * time.Minute
	maxSampleInterval = 6 * time.Hour
)

// Sampler is what a PeerStore is besides if it can name its info hashes (BEP 51), as MemoryStore can. A node whose store is
// none answers sample_infohashes with nodes alone, which says that it has no samples to give.
type Sampler interface {
	PeerStore
	// AppendHashes appends up to n info hashes, all or a random sample, and returns how many there are.
	AppendHashes(dst []krpc.ID, n int, now time.Time) (hashes []krpc.ID, stored int)
}

// samples is what a node tells of its info hashes. If there are few, all of them; else a random sample, which is the same for
// everybody until the interval is over. It is a value without a clock.
type samples struct {
	interval time.Duration

	mu     sync.Mutex // guards what follows
	hashes []krpc.ID
	stored int
	until  time.Time // when another sample is drawn
}

// append appends the info hashes to tell now, and returns how many are stored and for how long the sample stays: 0 if it is
// all there are.
func (s *samples) append(dst []krpc.ID, store Sampler, now time.Time) (hashes []krpc.ID, stored int, interval time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.until) {
		return append(dst, s.hashes...), s.stored, s.interval
	}
	hashes, stored = store.AppendHashes(dst, sampleSize, now)
	if drawn := hashes[len(dst):]; stored > len(drawn) {
		s.hashes, s.stored, s.until = append(s.hashes[:0], drawn...), stored, now.Add(s.interval)
		return hashes, stored, s.interval
	}
	return hashes, stored, 0
}

func (e *Endpoint) serveSample(q *krpc.Query) {
	args, err := q.Sample()
	if err != nil {
		q.Fail(err)
		return
	}
	store, ok := e.node.cfg.Peers.(Sampler)
	if !ok || e.node.samples == nil {
		e.replyNodes(q, args.Target.Key())
		return
	}
	res := &e.out.sample
	hashes, stored, interval := e.node.samples.append(res.Samples[:0], store, q.At)
	res.Samples, res.Num, res.Interval = hashes, int64(stored), int64(interval/time.Second)
	e.closest(&res.NodesResults, q, args.Target.Key())
	room := e.room(q, replyCap) - len("8:intervali21600e3:numi4294967295e7:samples000:") - len(hashes)*krpc.IDSize
	trimLists(&res.NodesResults, room)
	q.Reply(res)
	e.served(q)
}
