package mainline

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
)

// itemJSON is one item in a saved State, part "items": {"v": "base64", "k": "base64", "salt": "base64", "seq": 1,
// "sig": "base64", "from": "203.0.113.7", "put": "2026-01-02T15:04:05Z"}. An immutable one has v, from and put alone.
type itemJSON struct {
	V    []byte     `json:"v"`
	K    []byte     `json:"k,omitempty"`
	Salt []byte     `json:"salt,omitempty"`
	Seq  int64      `json:"seq,omitempty"`
	Sig  []byte     `json:"sig,omitempty"`
	From netip.Addr `json:"from"`
	Put  time.Time  `json:"put"`
}

// saveItems returns the items of a store that can list them, as MemoryItems can.
func saveItems(n *Node, now time.Time) (json.RawMessage, error) {
	store, ok := n.cfg.Items.(*MemoryItems)
	if !ok {
		return nil, nil
	}
	var all []itemJSON
	for s := range store.All(now) {
		it := s.Item
		all = append(all, itemJSON{it.V, it.K, it.Salt, it.Seq, it.Sig, s.From, s.Put.UTC()})
	}
	if all == nil {
		return nil, nil
	}
	return json.Marshal(all)
}

// loadItems puts saved items back, each with the time it had left. What does not verify is left out.
func loadItems(n *Node, saved json.RawMessage, now time.Time) error {
	var all []itemJSON
	if err := json.Unmarshal(saved, &all); err != nil {
		return err
	}
	for _, s := range all {
		it := &Item{V: s.V, K: s.K, Salt: s.Salt, Seq: s.Seq, Sig: s.Sig}
		if s.Put.After(now) {
			s.Put = now
		}
		if it.Verify() == nil && s.From.IsValid() {
			n.cfg.Items.Put(it.Target(), it, s.From, s.Put)
		}
	}
	return nil
}

// moved tells the stores the id by which they judge what is far, when it changes.
func (n *Node) moved(id krpc.ID) {
	for _, store := range []any{n.cfg.Items, n.cfg.Peers} {
		if s, ok := store.(interface{ SetOwn(krpc.ID) }); ok {
			s.SetOwn(id)
		}
	}
}
