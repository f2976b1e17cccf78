package krpc_test

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// A datagram, as it came from the network: who answers, and which nodes he names.
func ExampleParse() {
	datagram := []byte("d1:rd2:id20:0123456789abcdefghij5:nodes26:mnopqrstuvwxyz123456\xc0\x00\x02\x01\x1a\xe1" +
		"5:token8:aoeusnthe1:t2:aa1:y1:re")
	m, err := krpc.Parse(datagram)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, _ := m.ID()
	fmt.Println(m.Kind(), "from", id)
	fmt.Printf("token %q\n", m.Token())
	for n := range m.Nodes {
		fmt.Println(n.ID, n.Addr)
	}
	// Output:
	// response from 303132333435363738396162636465666768696a
	// token "aoeusnth"
	// 6d6e6f707172737475767778797a313233343536 192.0.2.1:6881
}

// A query of a method that has a type of its own.
func ExampleAppendQuery() {
	own := krpc.ID([]byte("abcdefghij0123456789"))
	target := krpc.ID([]byte("mnopqrstuvwxyz123456"))
	args := krpc.FindNodeArgs{Target: target, Want: krpc.WantBoth}
	fmt.Printf("%s\n", krpc.AppendQuery(nil, []byte("aa"), own[:], args, krpc.Header{ReadOnly: true}))
	// Output:
	// d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee1:q9:find_node2:roi1e1:t2:aa1:y1:qe
}

// A server's whole work on a query, but for the nodes it knows.
func ExampleMessage_FindNode() {
	own := krpc.ID([]byte("0123456789abcdefghij"))
	known := []routing.Node{{Key: own.Key(), Addr: netip.MustParseAddrPort("192.0.2.1:6881")}}
	serve := func(datagram string) []byte {
		m, err := krpc.Parse([]byte(datagram))
		if err != nil || m.Kind() != krpc.KindQuery || m.TIDState() != krpc.Usable {
			return nil
		}
		_, err = m.FindNode()
		if e, bad := errors.AsType[*krpc.Error](err); bad {
			return krpc.AppendError(nil, m.TID(), e, krpc.Header{})
		}
		return krpc.AppendResponse(nil, m.TID(), own[:], &krpc.NodesResults{Nodes: known}, krpc.Header{})
	}
	fmt.Printf("%q\n", serve("d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe"))
	fmt.Printf("%q\n", serve("d1:ad2:id20:abcdefghij01234567896:target3:mnoe1:q9:find_node1:t2:aa1:y1:qe"))
	// Output:
	// "d1:rd2:id20:0123456789abcdefghij5:nodes26:0123456789abcdefghij\xc0\x00\x02\x01\x1a\xe1e1:t2:aa1:y1:re"
	// "d1:eli203e10:Bad targete1:t2:aa1:y1:ee"
}

// A method of one's own, in a network with ids of 4 bytes: any struct or map is the arguments.
func ExampleRawArgs() {
	type say struct {
		Room string   `bencode:"room"`
		Tags []string `bencode:"Tags,omitempty"`
	}
	args := krpc.RawArgs{Name: "say", Fields: say{Room: "lobby", Tags: []string{"hello"}}}
	query := krpc.AppendQuery(nil, []byte("aa"), []byte("me!!"), args, krpc.Header{})
	fmt.Printf("%s\n", query)

	m, _ := krpc.Parse(query)
	var got say
	if err := m.Decode(&got); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %s %+v\n", m.IDBytes(), m.Method(), got)
	// Output:
	// d1:ad4:Tagsl5:helloe2:id4:me!!4:room5:lobbye1:q3:say1:t2:aa1:y1:qe
	// me!! say {Room:lobby Tags:[hello]}
}
