package torrentdht

import (
	"bytes"
	"slices"

	theirs "github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// ToReturn converts the results of an answer to a query of any method; what a node sent in a form of no use is left out. An
// empty list of nodes or samples that was sent is not nil.
func ToReturn(m *krpc.Message) theirs.Return {
	r := theirs.Return{Values: ToPeers(m.Values), Bep51Return: toSample(m), Bep44Return: toItem(m)}
	if id, ok := m.ID(); ok {
		r.ID = ToID(id)
	}
	if m.Field("nodes") != nil {
		r.Nodes, _ = ToCompact(m.Nodes)
		r.Nodes = notNil(r.Nodes)
	}
	if m.Field("nodes6") != nil {
		_, r.Nodes6 = ToCompact(m.Nodes6)
		r.Nodes6 = notNil(r.Nodes6)
	}
	if token := m.Token(); token != nil {
		r.Token = new(string(token))
	}
	r.BFsd, r.BFpe = toFilter(m.BFsd()), toFilter(m.BFpe())
	return r
}

// toSample reads what belongs to BEP 51.
func toSample(m *krpc.Message) (r theirs.Bep51Return) {
	if n, ok := m.Interval(); ok {
		r.Interval = &n
	}
	if n, ok := m.Num(); ok {
		r.Num = &n
	}
	if m.HasSamples() {
		hashes := theirs.CompactInfohashes{}
		for h := range m.Samples {
			hashes = append(hashes, h)
		}
		r.Samples = &hashes
	}
	return r
}

// toItem reads what belongs to BEP 44.
func toItem(m *krpc.Message) (r theirs.Bep44Return) {
	r.V = bytes.Clone(m.Value())
	copy(r.K[:], m.K())
	copy(r.Sig[:], m.Sig())
	if n, ok := m.Seq(); ok {
		r.Seq = &n
	}
	return r
}

func toFilter(b []byte) *theirs.ScrapeBloomFilter {
	if b == nil {
		return nil
	}
	return new(theirs.ScrapeBloomFilter(b))
}

func notNil[L ~[]E, E any](list L) L {
	if list == nil {
		return L{}
	}
	return list
}

// fields are the results of all methods but for the id, which an answer has of its sender, and the lists of nodes.
type fields struct {
	Token    *string                   `bencode:"token,omitempty"`
	Values   []theirs.NodeAddr         `bencode:"values,omitempty"`
	BFsd     *theirs.ScrapeBloomFilter `bencode:"BFsd,omitempty"`
	BFpe     *theirs.ScrapeBloomFilter `bencode:"BFpe,omitempty"`
	Interval *int64                    `bencode:"interval,omitempty"`
	Num      *int64                    `bencode:"num,omitempty"`
	Samples  *string                   `bencode:"samples,omitempty"` // their encoder panics over CompactInfohashes
	theirs.Bep44Return
}

func fieldsOf(r *theirs.Return) fields {
	f := fields{
		Token:  r.Token,
		Values: ToPeers(slices.Values(FromPeers(r.Values))),
		BFsd:   r.BFsd, BFpe: r.BFpe,
		Interval: r.Interval, Num: r.Num,
		Bep44Return: r.Bep44Return,
	}
	if r.Samples != nil {
		var b []byte
		for _, h := range *r.Samples {
			b = append(b, h[:]...)
		}
		f.Samples = new(string(b))
	}
	return f
}

// FromReturn converts the results of an answer to a query of any method: ready for Reply of a krpc.Query. Contacts and peers
// without a usable address are left out, and contacts in the list of the wrong family change into the right one. A list
// of nodes that is empty but not nil is sent.
func FromReturn(r *theirs.Return) (krpc.Results, error) {
	if len(r.V) > 0 {
		if _, err := item(r.V); err != nil {
			return nil, err
		}
	}
	b, err := encode(fieldsOf(r))
	if err != nil {
		return nil, err
	}
	out := &krpc.RawResults{Fields: bencode.Bytes(b)}
	out.WantNodes, out.WantNodes6 = r.Nodes != nil, r.Nodes6 != nil
	for _, list := range [][]theirs.NodeInfo{r.Nodes, r.Nodes6} {
		for n := range FromCompact(list) {
			addContact(&out.NodesResults, n)
		}
	}
	return out, nil
}

func addContact(to *krpc.NodesResults, n krpc.Node) {
	c := routing.Node{Key: n.ID.Key(), Addr: n.Addr}
	if n.Addr.Addr().Is4() {
		to.Nodes = append(to.Nodes, c)
	} else {
		to.Nodes6 = append(to.Nodes6, c)
	}
}
