package kv

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net/netip"
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
	Key     crypto.Signer // signs what is set, an ed25519 key; nil: a new one, so that nobody can replace it after Close
	Command uint64        // of a get, one more of a put; 0 means 27510

	TTL       time.Duration // how long a value is kept that nobody puts again, at least 1 s; 0 means 24 h
	Republish time.Duration // how often a value is put anew, at least 1 s; 0 means 1 h, negative: never

	MaxRecords int // held for others and for ourselves; 0 means 10,000, negative: none
	MaxBytes   int // of their values; 0 means 4 MiB
	PerHost    int // records put by one address; 0 means 1000 on the Internet and no limit for private addresses, negative: no limit
	Retries    int // of the requests of lookups, as in dhtrpc.QueryOptions
}

func (c Config) withDefaults() Config {
	c.Command = cmp.Or(c.Command, 27510)
	c.TTL = clampTTL(cmp.Or(c.TTL, 24*time.Hour))
	if c.Republish = cmp.Or(c.Republish, time.Hour); c.Republish > 0 {
		c.Republish = max(c.Republish, time.Second)
	}
	c.MaxRecords = cmp.Or(c.MaxRecords, 10_000)
	c.MaxBytes = cmp.Or(c.MaxBytes, 4<<20)
	return c
}

// Store is a node's part of the store, and its access to the whole. It is safe for concurrent use.
type Store struct {
	node *dhtrpc.Node
	cfg  Config // immutable after Open, like the next
	pub  ed25519.PublicKey

	ctx  context.Context // ends with Close
	stop context.CancelCauseFunc
	wg   sync.WaitGroup // the goroutines that put anew
	wake chan struct{}  // capacity 1: there may be something to do

	mu    sync.Mutex // guards what follows; no other lock is taken while it is held
	shelf *shelf
	own   plan   // what is put anew as long as the store is open
	seq   uint64 // the highest number given out
	stats Stats
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
	pub, ok := cfg.Key.Public().(ed25519.PublicKey)
	if !ok || len(pub) != ed25519.PublicKeySize {
		return nil, errors.New("kv: Config.Key is no ed25519 key")
	}
	s := &Store{node: node, cfg: cfg, pub: pub, wake: make(chan struct{}, 1), shelf: newShelf(cfg), own: newPlan()}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	node.Handle(cfg.Command, s.serveGet)
	node.Handle(cfg.Command+1, s.servePut)
	s.wg.Go(s.work) // ends with Close
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
func (s *Store) PublicKey() ed25519.PublicKey { return s.pub }

// Own returns the key of a value that only this store's key can write.
func (s *Store) Own(name string) Key { return Owned(s.pub, name) }

// Stats returns what was counted so far.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Records, st.Bytes, st.Owned = len(s.shelf.items), s.shelf.bytes, len(s.own.items)
	return st
}

// Peek returns what this node itself holds under a key, without asking anybody.
func (s *Store) Peek(key Key) (Record, error) {
	r := s.peek(key)
	if r == nil {
		return Record{}, ErrNotFound
	}
	return *r.clone(), nil
}

func (s *Store) peek(key Key) *Record {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shelf.get(key.target, now)
}

func (s *Store) serveGet(q *dhtrpc.Request) {
	if q.Target == nil {
		q.Error(CodeInvalid)
		return
	}
	s.mu.Lock()
	s.stats.Gets++
	r := s.shelf.get(*q.Target, q.At)
	if r != nil {
		s.stats.Hits++
	}
	s.mu.Unlock()
	if r == nil {
		q.Reply(nil)
		return
	}
	q.Reply(r.append(nil))
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
	code := s.take(*q.Target, &r, q.From.Addr.Addr(), q.At)
	s.mu.Lock()
	if s.stats.Puts++; code != dhtrpc.CodeOK {
		s.stats.Refused++
	}
	s.mu.Unlock()
	q.Respond(dhtrpc.Response{Code: code, NoToken: true, NoCloser: true})
}

// take puts a record onto our shelf.
func (s *Store) take(target dhtrpc.ID, r *Record, from netip.Addr, now time.Time) uint64 {
	self, _ := s.node.ID() // changes with our address
	s.mu.Lock()
	s.shelf.self = self
	code := s.shelf.put(target, r, from, now)
	s.mu.Unlock()
	s.nudge()
	return code
}

// nudge tells the goroutine that puts anew that there may be something to do.
func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
