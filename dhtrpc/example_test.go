package dhtrpc_test

import (
	"fmt"
	"net/netip"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// The id of a node is the hash of its address: whoever moves is another node.
func ExampleIDOf() {
	fmt.Println(dhtrpc.IDOf(netip.MustParseAddrPort("127.0.0.1:43101")))
	// Output: fb0c9b4918805a3ad4aad6f5376e97f451aa2d5fcf143e89b1000c3abf596d84
}

func ExampleParse() {
	ask := dhtrpc.Message{Internal: true, Command: dhtrpc.CommandPing, TID: 258, To: netip.MustParseAddrPort("127.0.0.1:43111")}
	datagram := ask.Append(nil)
	fmt.Printf("%x\n", datagram)
	m, err := dhtrpc.Parse(datagram)
	fmt.Println(m.Kind, m.Command, m.To, err)
	// Output:
	// 030402017f00000167a800
	// request 0 127.0.0.1:43111 <nil>
}
