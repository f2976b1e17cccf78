package socket

import "sync/atomic"

// Stats counts what a socket did since it was made. Each received datagram is
// either in Requests, in Replies, in Foreign, or in exactly one of the reasons to drop it.
type Stats struct {
	Received, ReceivedBytes uint64 // datagrams read
	Sent, SentBytes         uint64 // datagrams written: Queries + Responses + Raw

	Queries   uint64 // query packets written, resends included
	Resends   uint64 // of these, second and later ones
	Responses uint64 // answers of Serve written
	Raw       uint64 // written by SendRaw

	Requests    uint64 // datagrams given to Serve
	Replies     uint64 // datagrams matched with a query
	LateReplies uint64 // of these, after the soft deadline
	Foreign     uint64 // datagrams of another protocol: see Config.Foreign

	Late     uint64 // queries that passed their soft deadline
	Timeouts uint64 // queries that passed their hard deadline
	Canceled uint64 // queries still open when their group or the socket was closed

	// Received and dropped.
	Unmatched   uint64 // no open query has this transaction id
	WrongSource uint64 // the id is open, but at another address or port
	Malformed   uint64 // Classify said Drop
	TooLong     uint64 // more than Config.MaxRead bytes
	FilteredIn  uint64 // source address refused by the filter
	OwnAddress  uint64 // from ourselves, or a query addressed to ourselves
	BadSource   uint64 // the conn gave no IP address and port as source
	OverRate    uint64 // requests of a source that sends too many, see Inbound
	Silenced    uint64 // requests of a source that sent far too many
	OverNet     uint64 // requests from a net that sends too many
	OverBudget  uint64 // requests, because enough bytes have left the socket

	// Not sent.
	FilteredOut uint64 // destination refused by the filter
	Limited     uint64 // Sends refused by the packet rate or the limit on new destinations
	Full        uint64 // Sends refused by the socket's or the group's window
	SendErrors  uint64 // writes the conn refused
	ReadErrors  uint64 // reads that failed, but for the close
}

// Losses returns the counters that say why a question stayed without answer
// or a datagram unread, by name, without the zero ones.
func (s Stats) Losses() map[string]uint64 {
	all := []struct {
		name string
		n    uint64
	}{
		{"timeout", s.Timeouts},
		{"late", s.LateReplies},
		{"unmatched", s.Unmatched},
		{"wrong-source", s.WrongSource},
		{"malformed", s.Malformed},
		{"too-long", s.TooLong},
		{"filtered", s.FilteredIn + s.FilteredOut},
		{"own-address", s.OwnAddress},
		{"bad-source", s.BadSource},
		{"over-rate", s.OverRate},
		{"silenced", s.Silenced},
		{"over-net-rate", s.OverNet},
		{"over-budget", s.OverBudget},
		{"limited", s.Limited},
		{"send-error", s.SendErrors},
		{"read-error", s.ReadErrors},
	}
	losses := make(map[string]uint64)
	for _, l := range all {
		if l.n > 0 {
			losses[l.name] = l.n
		}
	}
	return losses
}

// counters is Stats while it is counted, by several goroutines and with or
// without the socket's lock.
type counters struct {
	received, receivedBytes, sent, sentBytes                atomic.Uint64
	queries, resends, responses, raw                        atomic.Uint64
	requests, replies, lateReplies, late, timeouts          atomic.Uint64
	canceled, unmatched, wrongSource, malformed             atomic.Uint64
	tooLong, filteredIn, filteredOut, ownAddress, badSource atomic.Uint64
	overRate, silenced, overNet, overBudget, foreign        atomic.Uint64
	limited, full, sendErrors, readErrors                   atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Received: c.received.Load(), ReceivedBytes: c.receivedBytes.Load(),
		Sent: c.sent.Load(), SentBytes: c.sentBytes.Load(),
		Queries: c.queries.Load(), Resends: c.resends.Load(),
		Responses: c.responses.Load(), Raw: c.raw.Load(),
		Requests: c.requests.Load(), Replies: c.replies.Load(), LateReplies: c.lateReplies.Load(),
		Late: c.late.Load(), Timeouts: c.timeouts.Load(), Canceled: c.canceled.Load(),
		Unmatched: c.unmatched.Load(), WrongSource: c.wrongSource.Load(),
		Malformed: c.malformed.Load(), TooLong: c.tooLong.Load(),
		FilteredIn: c.filteredIn.Load(), FilteredOut: c.filteredOut.Load(),
		OwnAddress: c.ownAddress.Load(), BadSource: c.badSource.Load(),
		OverRate: c.overRate.Load(), Silenced: c.silenced.Load(),
		Foreign: c.foreign.Load(), OverNet: c.overNet.Load(), OverBudget: c.overBudget.Load(),
		Limited: c.limited.Load(), Full: c.full.Load(),
		SendErrors: c.sendErrors.Load(), ReadErrors: c.readErrors.Load(),
	}
}
