package kv

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// Errors of a store that a caller may branch on. Others are those of queries, see dhtrpc.Query.Replies.
var (
	ErrNotFound = errors.New("kv: not found")
	ErrTooLong  = errors.New("kv: a value has up to 1000 bytes, a name up to 64")
	ErrNotOurs  = errors.New("kv: the key belongs to somebody else")
	ErrTaken    = errors.New("kv: somebody else has that name")
	ErrStale    = errors.New("kv: there is a newer version")
	ErrFull     = errors.New("kv: no node has room")
	ErrClosed   = errors.New("kv: store closed")
)

// Config of a Store. The zero value works.
type Config struct {
	Key     ed25519.PrivateKey // signs what is set; nil: a new one, so that nobody can replace it after Close
	Command uint64             // of a get, one more of a put; 0 means 27510

	TTL       time.Duration // how long a value is kept that nobody puts again; 0 means 24 h
	Republish time.Duration // how often a value is put anew; 0 means 1 h, negative: never

	MaxRecords int // held for others and for ourselves; 0 means 10,000
	MaxBytes   int // of their values; 0 means 4 MiB
	PerHost    int // records put by one address; 0 means 1000, negative: no limit
}

func (c Config) withDefaults() Config {
	c.Command = cmp.Or(c.Command, 27510)
	c.TTL = cmp.Or(c.TTL, 24*time.Hour)
	c.Republish = cmp.Or(c.Republish, time.Hour)
	c.MaxRecords = cmp.Or(c.MaxRecords, 10_000)
	c.MaxBytes = cmp.Or(c.MaxBytes, 4<<20)
	c.PerHost = cmp.Or(c.PerHost, 1000)
	return c
}

// Store is a node's part of the store, and its access to the whole. It is safe for concurrent use.
type Store struct {
	node *dhtrpc.Node
	cfg  Config // immutable after Open

	ctx  context.Context // ends with Close
	stop context.CancelCauseFunc
	wg   sync.WaitGroup // the republishing goroutine
	wake chan struct{}  // capacity 1: the shelf has changed

	mu    sync.Mutex // guards what follows; a leaf
	shelf *shelf
	own   map[dhtrpc.ID]*owned
	out   []byte // scratch of the handlers
	stats Stats
}

// owned is a record of ours, which is put anew as long as the store is open.
type owned struct {
	rec   *Record
	again time.Time
}

// Stats counts what a store did for others, and what it holds.
type Stats struct {
	Records, Bytes int    // on our shelf
	Owned          int    // of our own, put anew by us
	Gets, Hits     uint64 // asked for by others; found
	Puts, Refused  uint64 // put by others; of these, answered with an error
	Republished    uint64 // times that a record was put anew
}

// Open opens the store of a node: it serves others from then on. One node has one store for each Config.Command.
func Open(node *dhtrpc.Node, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if cfg.Key == nil {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		cfg.Key = key
	}
	if len(cfg.Key) != ed25519.PrivateKeySize {
		return nil, errors.New("kv: Config.Key is no ed25519 private key")
	}
	self, _ := node.ID()
	s := &Store{node: node, cfg: cfg, wake: make(chan struct{}, 1), shelf: newShelf(cfg, self), own: make(map[dhtrpc.ID]*owned)}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	node.Handle(cfg.Command, s.serveGet)
	node.Handle(cfg.Command+1, s.servePut)
	s.wg.Go(s.republish) // ends with Close
	return s, nil
}

// Close stops serving and putting anew. What other nodes hold stays until it expires. The node stays open.
func (s *Store) Close() error {
	s.node.Handle(s.cfg.Command, nil)
	s.node.Handle(s.cfg.Command+1, nil)
	s.stop(ErrClosed)
	s.wg.Wait()
	return nil
}

// PublicKey returns whose values Set writes.
func (s *Store) PublicKey() ed25519.PublicKey { return s.cfg.Key.Public().(ed25519.PublicKey) }

// Own returns the key of a value that only this store's key can write.
func (s *Store) Own(name string) Key { return Owned(s.PublicKey(), name) }

// Stats returns what was counted so far.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Records, st.Bytes, st.Owned = len(s.shelf.items), s.shelf.bytes, len(s.own)
	return st
}

// Peek returns what this node itself holds under a key, without asking anybody.
func (s *Store) Peek(key Key) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.shelf.get(key.target, s.node.Now())
	if r == nil {
		return Record{}, ErrNotFound
	}
	return *r.clone(), nil
}

func (s *Store) serveGet(q *dhtrpc.Request) {
	if q.Target == nil {
		q.Error(CodeInvalid)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Gets++
	r := s.shelf.get(*q.Target, q.At)
	if r == nil {
		q.Reply(nil)
		return
	}
	s.stats.Hits++
	s.out = r.append(s.out[:0])
	q.Reply(s.out)
}

func (s *Store) servePut(q *dhtrpc.Request) {
	if q.Token == nil {
		q.Respond(dhtrpc.Response{Code: dhtrpc.CodeInvalidToken, Token: true})
		return
	}
	r, ok := parseRecord(q.Value)
	if q.Target == nil || !ok {
		q.Error(CodeInvalid)
		return
	}
	s.mu.Lock()
	code := s.shelf.put(*q.Target, &r, q.From.Addr.Addr(), q.At)
	if s.stats.Puts++; code != dhtrpc.CodeOK {
		s.stats.Refused++
	}
	s.mu.Unlock()
	if code != dhtrpc.CodeOK {
		q.Respond(dhtrpc.Response{Code: code, NoCloser: true})
		return
	}
	q.Respond(dhtrpc.Response{NoToken: true, NoCloser: true})
	s.nudge()
}

// nudge tells the republishing goroutine that there may be something to do.
func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
