package socket_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/socket"
)

// Any datagram from any source leaves a socket as it was: no panic, at most one
// datagram out, nothing for what is not a request, and no query answered
// but by its own id from its own address.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{}, []byte{}, uint16(0))
	f.Add([]byte("?\x04abcdhello"), []byte{80, 0, 0, 2}, uint16(6881))
	f.Add([]byte("!\x04abcdhello"), []byte{80, 0, 0, 2}, uint16(6881))
	f.Add([]byte("!\xff"), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}, uint16(1))
	f.Add(append([]byte("!\xfe"), make([]byte, 300)...), []byte{80, 0, 0, 2}, uint16(6881))
	f.Add(make([]byte, 3000), []byte{80, 0, 0, 1}, uint16(6881))
	f.Fuzz(func(t *testing.T, payload, ip []byte, port uint16) {
		s, g, _ := stepped(socket.Config{Seed: new([32]byte)})
		var asked wire
		if err := g.Send(socket.Query{To: node(2), Packet: text("hello")}); err != nil {
			t.Fatal(err)
		}
		s.Advance(epoch, asked.out)
		a, _ := netip.AddrFromSlice(ip)
		from := netip.AddrPortFrom(a, port)
		var got wire
		s.Receive(socket.Datagram{Payload: payload, From: from, At: epoch.Add(time.Millisecond)}, got.out)
		if len(got) > 1 || len(got) == 1 && (payload[0] != '?' || len(payload) > socket.MaxDatagram) {
			t.Fatalf("%d datagrams for %q", len(got), payload)
		}
		tid := asked[0].b[2:6]
		own := len(payload) >= 6 && string(payload[:6]) == "!\x04"+string(tid)
		if g.Open() == 0 && !own {
			t.Fatalf("%q from %v was taken for the answer", payload, from)
		}
		st := s.Stats()
		if st.Received != 1 || st.Requests+st.Replies+st.Foreign+st.Unmatched+st.WrongSource+st.Malformed+
			st.TooLong+st.FilteredIn+st.OwnAddress+st.BadSource != 1 {
			t.Fatalf("not counted exactly once: %+v", st)
		}
	})
}
