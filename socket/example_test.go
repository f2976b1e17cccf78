package socket_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

// shout is a protocol of one question: it answers in capitals. A message is
// 'q' or 'r', four bytes of transaction id, and text.
type shout struct{}

func (shout) Classify(b []byte) (socket.Class, []byte) {
	switch {
	case len(b) >= 5 && b[0] == 'q':
		return socket.Request, b[1:5]
	case len(b) >= 5 && b[0] == 'r':
		return socket.Response, b[1:5]
	}
	return socket.Drop, nil
}

func (shout) Serve(dst []byte, d socket.Datagram) []byte {
	dst = append(append(dst, 'r'), d.Payload[1:5]...)
	return append(dst, strings.ToUpper(string(d.Payload[5:]))...)
}

func (shout) Tick(time.Time) time.Time { return time.Time{} }

// question writes a query of the protocol.
type question string

func (q question) AppendPacket(dst, tid []byte) []byte {
	return append(append(append(dst, 'q'), tid...), q...)
}

// Two sockets on a network in memory; a *net.UDPConn takes the place of the
// simulated conn in earnest.
func Example() {
	net := simnet.New(simnet.Config{})
	here, there := netip.MustParseAddrPort("10.0.0.1:6881"), netip.MustParseAddrPort("10.0.0.2:6881")
	cfg := socket.Config{Private: true}
	a := socket.New(cfg, shout{}, net.Listen(here))
	b := socket.New(cfg, shout{}, net.Listen(there))
	for _, s := range []*socket.Socket{a, b} {
		s.Start()
		defer s.Close()
	}

	g := a.Group(socket.GroupConfig{Window: 8})
	defer g.Close()
	if err := g.Send(socket.Query{To: there, Packet: question("hello")}); err != nil {
		fmt.Println(err)
	}
	ev, err := g.Wait(context.Background())
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(ev.Kind, "from", ev.From, string(ev.Payload[5:]))

	err = g.Send(socket.Query{To: netip.MustParseAddrPort("224.0.0.1:1"), Packet: question("hello")})
	fmt.Println(err)
	fmt.Println(a.Stats().Losses())
	// Output:
	// reply from 10.0.0.2:6881 HELLO
	// socket: destination refused by the address filter
	// map[filtered:1]
}
