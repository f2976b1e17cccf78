package krpc

import (
	"net/netip"

	"github.com/dhtkit/dhtkit/routing"
)

// Results are the results of one method (the dictionary r of an answer).
type Results interface {
	// AppendResults appends the whole dictionary in canonical form, id (our own, of 1 to 32 bytes) included. Compact
	// nodes are written with as many bytes of their keys.
	AppendResults(dst, id []byte) []byte
}

// PingResults has nothing but the id (BEP 5): the answer to ping, announce_peer and put.
type PingResults struct{}

// AppendResults implements Results.
func (PingResults) AppendResults(dst, id []byte) []byte {
	return append(appendID(append(dst, 'd'), id), 'e')
}

// NodesResults is the answer to find_node (BEP 5, BEP 32), and part of the others. Of each list only nodes of its family
// are written, and the list itself if it is wanted or not empty.
type NodesResults struct {
	Nodes      []routing.Node // IPv4, closest first
	Nodes6     []routing.Node // IPv6
	WantNodes  bool           // send nodes even if empty: some clients take an answer without it for an error
	WantNodes6 bool           // likewise nodes6
}

// AppendResults implements Results.
func (r *NodesResults) AppendResults(dst, id []byte) []byte {
	dst = appendID(append(dst, 'd'), id)
	return append(r.appendLists(dst, id), 'e')
}

// appendLists appends nodes and nodes6.
func (r *NodesResults) appendLists(dst, id []byte) []byte {
	idLen := min(len(id), routing.KeySize)
	if r.WantNodes || len(r.Nodes) > 0 {
		dst = appendNodes(dst, "5:nodes", r.Nodes, idLen, false)
	}
	if r.WantNodes6 || len(r.Nodes6) > 0 {
		dst = appendNodes(dst, "6:nodes6", r.Nodes6, idLen, true)
	}
	return dst
}

// GetPeersResults is the answer to get_peers (BEP 5, BEP 33).
type GetPeersResults struct {
	NodesResults
	Token  []byte           // not sent if empty
	Values []netip.AddrPort // peers, of the transport's family; not sent if empty
	BFsd   []byte           // filter over the seeds, 256 bytes; not sent if empty
	BFpe   []byte           // filter over the other peers, likewise
}

// AppendResults implements Results.
func (r *GetPeersResults) AppendResults(dst, id []byte) []byte {
	dst = append(dst, 'd')
	if len(r.BFpe) > 0 {
		dst = appendBytes(dst, "4:BFpe", r.BFpe)
	}
	if len(r.BFsd) > 0 {
		dst = appendBytes(dst, "4:BFsd", r.BFsd)
	}
	dst = appendID(dst, id)
	dst = r.appendLists(dst, id)
	dst = appendToken(dst, r.Token)
	if len(r.Values) > 0 {
		dst = append(dst, "6:valuesl"...)
		for _, a := range r.Values {
			dst = appendValue(dst, a)
		}
		dst = append(dst, 'e')
	}
	return append(dst, 'e')
}

// appendValue appends one peer as a string; an invalid one is left out.
func appendValue(dst []byte, a netip.AddrPort) []byte {
	switch {
	case !a.Addr().IsValid():
		return dst
	case inFamily(a, false):
		dst = append(dst, "6:"...)
	default:
		dst = append(dst, "18:"...)
	}
	return appendPeer(dst, a)
}

// GetResults is the answer to get (BEP 44).
type GetResults struct {
	NodesResults
	Token  []byte // not sent if empty
	V      []byte // the value, bencoded; not sent if empty
	K      []byte // public key of a mutable item, 32 bytes; not sent if empty
	Sig    []byte // signature of a mutable item, 64 bytes; not sent if empty
	Seq    int64  // sent with HasSeq: a mutable item, also when V is left out because the asker has it
	HasSeq bool
}

// AppendResults implements Results.
func (r *GetResults) AppendResults(dst, id []byte) []byte {
	dst = appendID(append(dst, 'd'), id)
	if len(r.K) > 0 {
		dst = appendBytes(dst, "1:k", r.K)
	}
	dst = r.appendLists(dst, id)
	if r.HasSeq {
		dst = appendInt(dst, "3:seq", r.Seq)
	}
	if len(r.Sig) > 0 {
		dst = appendBytes(dst, "3:sig", r.Sig)
	}
	dst = appendToken(dst, r.Token)
	if len(r.V) > 0 {
		dst = append(append(dst, "1:v"...), r.V...)
	}
	return append(dst, 'e')
}

// SampleResults is the answer to sample_infohashes (BEP 51).
type SampleResults struct {
	NodesResults
	Interval int64 // seconds until the sample changes, 0 to 21600
	Num      int64 // info hashes in store
	Samples  []ID  // sent even if empty: that shows that the method is supported
}

// AppendResults implements Results.
func (r *SampleResults) AppendResults(dst, id []byte) []byte {
	dst = appendID(append(dst, 'd'), id)
	dst = appendInt(dst, "8:interval", r.Interval)
	dst = r.appendLists(dst, id)
	dst = appendInt(dst, "3:num", r.Num)
	dst = appendLen(append(dst, "7:samples"...), len(r.Samples)*IDSize)
	for i := range r.Samples {
		dst = append(dst, r.Samples[i][:]...)
	}
	return append(dst, 'e')
}

func appendToken(dst, token []byte) []byte {
	if len(token) == 0 {
		return dst
	}
	return appendBytes(dst, "5:token", token)
}
