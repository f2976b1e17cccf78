package mainline

import "github.com/dhtkit/dhtkit/krpc"

// replyCap is the largest reply in bytes, items excepted (BEP 32).
const replyCap = 1024

// Bytes of a reply's parts, keys included.
const (
	tokenSize = len("5:token8:") + tokenLen
	envelope  = len("d2:ip6:") + 6 + len("1:rd2:id20:") + krpc.IDSize + len("e1:t00:1:y1:re")
)

// room returns how many bytes the results of a reply to q may have, id aside, for a datagram of at most limit bytes.
func (e *Endpoint) room(q *krpc.Query, limit int) int {
	room := min(limit, q.Room()) - envelope - len(q.TID())
	if v := len(e.node.cfg.Version); v > 0 {
		room -= len("1:v00:") + v
	}
	if e.IPv6() {
		room -= len("18") - len("6") + 12 // of ip
	}
	return room
}

// listsSize returns how many bytes the node lists take.
func listsSize(r *krpc.NodesResults) (size int) {
	if r.WantNodes || len(r.Nodes) > 0 {
		size += len("5:nodes000:") + (krpc.IDSize+6)*len(r.Nodes)
	}
	if r.WantNodes6 || len(r.Nodes6) > 0 {
		size += len("6:nodes6000:") + (krpc.IDSize+18)*len(r.Nodes6)
	}
	return size
}

// peersIn returns how many peers fit into so many bytes, as values.
func peersIn(room int, v6 bool) int {
	each := len("6:") + 6
	if v6 {
		each = len("18:") + 18
	}
	return max(0, (room-len("6:valueslee"))/each)
}
