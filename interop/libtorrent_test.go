package interop

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// libtorrents are real libtorrent sessions; py/libtorrent_nodes.py describes what they do.
type libtorrents struct{ *script }

// startLibtorrents starts sessions that join through nodes at bootstrap, each listening on one of interfaces (for more than
// one address: with commas between). flags are more of the script's.
func startLibtorrents(t *testing.T, interfaces, bootstrap []string, flags ...string) libtorrents {
	t.Helper()
	args := []string{"-B", "-Wignore", filepath.Join("py", "libtorrent_nodes.py"), "--listen"} // -B: leaves no files
	args = slices.Concat(args, interfaces, []string{"--bootstrap"}, bootstrap, flags)
	return libtorrents{startScript(t, needLibtorrent(t), args...)}
}

// interfacesOf returns the addresses like "127.72.%d.1" of n sessions, with any port.
func interfacesOf(hosts string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(hosts, i)+":0")
	}
	return all
}

// startMixed starts a network of nodes of ours on 127.net.i.1 and of libtorrent's on the next net, in which everybody can be
// found.
func startMixed(t *testing.T, net, ours, theirs int) ([]*mainline.Node, libtorrents) {
	t.Helper()
	our := startOurs(t, fmt.Sprintf("127.%d.%%d.1", net), ours, mainline.Config{})
	lt := startLibtorrents(t, interfacesOf(fmt.Sprintf("127.%d.%%d.1", net+1), theirs), []string{our[0].Addr().String()})
	require.Len(t, lt.nodes, theirs)
	awaitMixed(t, our[0], lt, theirs)
	return our, lt
}

// awaitMixed waits until a node of ours knows all nodes of the sessions, and each of them a few. The sessions look for
// something meanwhile: whoever takes another id as soon as it learns its address (BEP 42) has to be heard of again.
func awaitMixed(t *testing.T, our *mainline.Node, lt libtorrents, sessions int) {
	t.Helper()
	for i := range sessions {
		await(t, fmt.Sprintf("our first node knows session %d, which knows nodes", i), func() bool {
			own, table := lt.itself(t, i), lt.table(t, i)
			met := func(c contact) bool {
				return knows(our, netip.MustParseAddrPort(c.Addr)) && slices.ContainsFunc(table, c.sameFamily)
			}
			if !slices.ContainsFunc(own, func(c contact) bool { return !met(c) }) {
				return true
			}
			lt.lookup(t, i, krpc.RandomID())
			return false
		})
	}
}

// announce lets a node announce itself as a peer and returns the addresses of those who took it.
func (lt libtorrents) announce(t *testing.T, node int, infoHash krpc.ID) []string {
	t.Helper()
	var result struct{ Stored []string }
	lt.do(t, "announce", fields{"node": node, "infoHash": infoHash.String()}, &result)
	return result.Stored
}

// seed lets a node announce itself as a seed of a torrent with the name, and returns its info hash.
func (lt libtorrents) seed(t *testing.T, node int, name string) krpc.ID {
	t.Helper()
	var result struct {
		InfoHash string
		Stored   []string
	}
	lt.do(t, "seed", fields{"node": node, "name": name}, &result)
	require.NotEmpty(t, result.Stored)
	return hexID(t, result.InfoHash)
}

// lookup lets a node look for peers and returns each of them once, in order.
func (lt libtorrents) lookup(t *testing.T, node int, infoHash krpc.ID) []string {
	t.Helper()
	var result struct{ Peers []string }
	lt.do(t, "lookup", fields{"node": node, "infoHash": infoHash.String()}, &result)
	return result.Peers
}

// put lets a node put a value, which it encodes anew, and returns the number of nodes that took it.
func (lt libtorrents) put(t *testing.T, node int, value []byte) (stored int) {
	t.Helper()
	var result struct{ Stored int }
	lt.do(t, "put", fields{"node": node, "value": hex.EncodeToString(value)}, &result)
	return result.Stored
}

// get lets a node look for an immutable item.
func (lt libtorrents) get(t *testing.T, node int, target krpc.ID) (found version) {
	t.Helper()
	lt.do(t, "get", fields{"node": node, "target": target.String()}, &found)
	return found
}

// putSigned lets a node sign and put the version after that which it finds.
func (lt libtorrents) putSigned(t *testing.T, node int, a author, salt, text string) (signed version, stored int) {
	t.Helper()
	var result struct {
		version
		Stored int
	}
	lt.do(t, "put_signed", fields{
		"node": node, "seed": hex.EncodeToString(a.seed), "key": hex.EncodeToString(a.public()),
		"salt": hex.EncodeToString([]byte(salt)), "text": hex.EncodeToString([]byte(text)),
	}, &result)
	return result.version, result.Stored
}

// getSigned returns the newest version of a mutable item that a node finds.
func (lt libtorrents) getSigned(t *testing.T, node int, a author, salt string) (found version) {
	t.Helper()
	lt.do(t, "get_signed", fields{
		"node": node, "key": hex.EncodeToString(a.public()), "salt": hex.EncodeToString([]byte(salt)),
	}, &found)
	return found
}

// table returns what is in a node's routing table.
func (lt libtorrents) table(t *testing.T, node int) []contact {
	t.Helper()
	var result struct{ Nodes []contact }
	lt.do(t, "table", fields{"node": node}, &result)
	return result.Nodes
}

// sampled is a node's answer to sample_infohashes, as a libtorrent node that asked for it understands it.
type sampled struct {
	Samples  []string // info hashes
	Num      int
	Interval float64 // s
	Nodes    []contact
}

// sample lets a node ask another one for a sample of its info hashes.
func (lt libtorrents) sample(t *testing.T, node int, addr string, target krpc.ID) (result sampled) {
	t.Helper()
	lt.do(t, "sample", fields{"node": node, "addr": addr, "target": target.String()}, &result)
	return result
}

// itself returns a node's own contact in each family, as it is now.
func (lt libtorrents) itself(t *testing.T, node int) []contact {
	t.Helper()
	var result struct{ Nodes []contact }
	lt.do(t, "itself", fields{"node": node}, &result)
	return result.Nodes
}

// external returns the addresses that others have told a node it has, if that changed something.
func (lt libtorrents) external(t *testing.T, node int) []string {
	t.Helper()
	var result struct{ Addrs []string }
	lt.do(t, "external", fields{"node": node}, &result)
	return result.Addrs
}

// A packet is a DHT datagram that a libtorrent node sent or received.
type packet struct {
	krpc.Message
	out  bool
	addr string // of the other side
}

// packets returns the DHT datagrams that a node has sent and received since the last call.
func (lt libtorrents) packets(t *testing.T, node int) (all []packet) {
	t.Helper()
	var result struct {
		Packets []struct {
			Out        bool
			Addr, Data string
		}
	}
	lt.do(t, "packets", fields{"node": node}, &result)
	for _, p := range result.Packets {
		data, err := hex.DecodeString(p.Data)
		require.NoError(t, err)
		m, err := krpc.Parse(data)
		require.NoError(t, err, "%q", data)
		all = append(all, packet{m, p.Out, p.Addr})
	}
	return all
}
