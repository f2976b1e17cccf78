// Package socket carries datagrams and matches answers with questions. It knows
// nothing of messages: a Protocol tells requests from responses, answers the
// former, and names the latter's transaction.
//
// What it does for every query: a transaction id nobody can guess, a soft
// deadline after which it is reported late but may still be answered, a hard
// one after which it is given up, resends of the same bytes, and limits on
// packets, new destinations and queries in flight. A reply must carry the id
// and come from the address and port that were asked. No packet goes to
// loopback, private, multicast and other addresses a DHT has no business with,
// see Routable. Every datagram dropped and every query refused is counted.
//
//	s := socket.New(socket.Config{}, protocol, socket.Wrap(conn))
//	s.Start()
//	defer s.Close()
//
//	g := s.Group(socket.GroupConfig{Window: 8})
//	defer g.Close() // ends what is in flight
//	err := g.Send(socket.Query{To: addr, Packet: ping, Tag: 1})
//	for {
//		ev, err := g.Wait(ctx)
//		if err != nil {
//			return err
//		}
//		switch ev.Kind {
//		case socket.Reply, socket.Late, socket.Timeout, socket.Room, socket.SendFailed:
//		}
//	}
//
// # Limits and room
//
// Send never waits. When a limit is reached it returns ErrFull, and the group
// is owed one Room event. Groups are told in the order in which they were
// refused, foreground before background, and each has its slot to itself for
// 20 ms, so that none starves.
//
// # Requests of strangers
//
// Whoever asks may be somebody else than the source address says. Config.Inbound
// bounds what the requests of one source, of one net and of all cost and cause,
// before they are decoded; the counters of Stats say what was refused and why.
//
// # Sharing the port
//
// Another protocol may live on the same port: what Classify calls Foreign goes to
// Config.Foreign, and SendRaw sends. The other way round, Feed takes datagrams that
// somebody else has read.
//
// # Shell and core
//
// What decides is a plain value stepped with the time; the Socket around it has
// one lock, one goroutine a conn and one timer. The lock is a leaf: protocol,
// OnEvent, Packet and conn are called without it. A simulator makes a Socket
// without conns and steps it itself, with Receive and Advance, and gets the
// same decisions.
//
// A Socket and its Groups are safe for concurrent use, the stepped form is not.
//
// From BEP 5 and how its networks are run: section "Matching a reply" of the
// specification digest (id and full source address), its limits (section 9.2), and
// the rule that only a request may cause a datagram.
package socket
