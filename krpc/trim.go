package krpc

// errTooLong answers in place of an answer that is too long and cannot say less.
var errTooLong = &Error{Code: CodeServer, Message: "Reply too long"}

// shortener is implemented by results that can say less.
type shortener interface {
	Results
	// shorten leaves out about as many bytes, of ids as long as idLen, and reports whether there was anything left to leave
	// out. What makes the answer less useful is spared until essential is set.
	shorten(over, idLen int, essential bool) bool
}

// appendReply appends the answer with results, shortened to what there is room for: see Query.Reply.
func (q *Query) appendReply(dst []byte, res Results) []byte {
	base, head, id := len(dst), q.header, q.rpc.ID()
	dst = AppendResponse(dst, q.TID(), id, res, head)
	if stranger, _ := q.rpc.cfg.rooms(q.size); len(dst)-base <= stranger {
		return dst
	}
	room := q.Room()
	if len(dst)-base <= room {
		return dst
	}
	if q.shorter == nil {
		q.shorter = new(shorter)
	}
	short := q.shorter.of(res, len(dst)-base-room)
	if short != nil {
		res = short
		dst = AppendResponse(dst[:base], q.TID(), id, res, head)
	}
	for essential := false; ; {
		over := len(dst) - base - room
		switch {
		case over <= 0:
			return dst
		case short != nil && short.shorten(over, len(id), essential):
		case !essential:
			head, essential = Header{}, true
		default:
			return AppendError(dst[:base], q.TID(), errTooLong, Header{})
		}
		dst = AppendResponse(dst[:base], q.TID(), id, res, head)
	}
}

// shorter has room for a copy of any results that can say less: the handler's own stay as they are.
type shorter struct {
	nodes  NodesResults
	peers  GetPeersResults
	item   GetResults
	sample SampleResults
	raw    RawResults
}

// of returns a copy of results that are too long, nil if they cannot say less.
func (s *shorter) of(res Results, over int) shortener {
	switch r := res.(type) {
	case *NodesResults:
		s.nodes = *r
		return &s.nodes
	case *GetPeersResults:
		s.peers = *r
		return &s.peers
	case *GetResults:
		s.item = *r
		if over > s.item.spare() {
			s.item.V, s.item.K, s.item.Sig = nil, nil, nil
		}
		return &s.item
	case *SampleResults:
		s.sample = *r
		return &s.sample
	case *RawResults:
		s.raw = *r
		return &s.raw
	}
	return nil
}

// shorten drops the farthest nodes, of the longer list first.
func (r *NodesResults) shorten(over, idLen int, _ bool) bool {
	before := over
	for over > 0 && len(r.Nodes)+len(r.Nodes6) > 0 {
		if last := len(r.Nodes6) - 1; last >= len(r.Nodes) {
			r.Nodes6 = r.Nodes6[:last]
			over -= idLen + 18
		} else {
			r.Nodes = r.Nodes[:len(r.Nodes)-1]
			over -= idLen + 6
		}
	}
	return over < before
}

// shorten drops peers, then the filters, then nodes. The token stays.
func (r *GetPeersResults) shorten(over, idLen int, essential bool) bool {
	switch {
	case len(r.Values) > 0:
		each := len("6:") + 6
		if r.Values[0].Addr().Unmap().Is6() {
			each = len("18:") + 18
		}
		r.Values = drop(r.Values, over, each)
	case len(r.BFsd)+len(r.BFpe) > 0:
		r.BFsd, r.BFpe = nil, nil // one without the other is of no use
	default:
		return r.NodesResults.shorten(over, idLen, essential)
	}
	return true
}

// spare returns about how many bytes can be saved without leaving out the item.
func (r *GetResults) spare() int {
	const lists, head, token = len("5:nodes0:6:nodes60:"), len("2:ip6:1:v4:") + 6 + 4, len("5:token8:")
	return lists + len(r.Nodes)*(IDSize+6) + len(r.Nodes6)*(IDSize+18) + token + len(r.Token) + head
}

// shorten drops nodes, at last the token and the empty lists, then the item: that it is there, its seq says.
func (r *GetResults) shorten(over, idLen int, essential bool) bool {
	switch {
	case r.NodesResults.shorten(over, idLen, essential):
	case !essential:
		return false
	case len(r.V) > 0 && (len(r.Token) > 0 || r.WantNodes || r.WantNodes6):
		r.Token, r.WantNodes, r.WantNodes6 = nil, false, false
	case len(r.V) > 0:
		r.V, r.K, r.Sig = nil, nil, nil
	default:
		return false
	}
	return true
}

// shorten drops samples, then nodes. How many there are stays.
func (r *SampleResults) shorten(over, idLen int, essential bool) bool {
	if len(r.Samples) == 0 {
		return r.NodesResults.shorten(over, idLen, essential)
	}
	r.Samples = drop(r.Samples, over, IDSize)
	return true
}

// drop takes from the end of a list what makes at least as many bytes.
func drop[T any](list []T, bytes, each int) []T {
	return list[:max(0, len(list)-(bytes+each-1)/each)]
}
