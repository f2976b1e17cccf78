package interop

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/routing"
)

// User commands that every node of these tests knows, of npm dht-rpc (rpc.mjs says what they do) and ours (rpc_ours_test.go).
const (
	rpcStore = 1 + iota
	rpcEcho
	rpcRelay
	rpcFail
	rpcSilent
	rpcUnknown
)

const rpcFailCode = 16

// An rpcNode is a node of dht-rpc 6, of npm dht-rpc or ours. Byte strings are in hex.
type rpcNode interface {
	addr() string
	id() string // empty while it is ephemeral
	request(t *testing.T, to string, r rpcRequest) rpcAnswer
	ping(t *testing.T, to string, delay time.Duration, once bool) rpcAnswer
	// query with command 0 looks for nodes.
	query(t *testing.T, q rpcQuery) rpcFound
	// nodes returns the addresses of its table.
	nodes(t *testing.T) []string
	// relayTo says where command rpcRelay goes on to.
	relayTo(t *testing.T, to string)
	// stored reports whether it holds a value for a target.
	stored(t *testing.T, target string) bool
}

type rpcRequest struct {
	command int
	target  string // empty: none
	value   *string
	token   *string
	once    bool // no second attempt
}

// An rpcAnswer is what became of a request.
type rpcAnswer struct {
	From, ID, To string
	Token, Value *string
	Code         uint64
	Closer       []string // addresses
	RTT          int      // milliseconds
	Failed       string   // there was no answer, for this reason
}

const rpcTimeout = "REQUEST_TIMEOUT"

type rpcQuery struct {
	command  int
	target   string
	value    *string
	commit   bool
	once     bool // no second attempt at any node
	thorough bool // of ours only; commits always are
}

// An rpcFound is what a query found.
type rpcFound struct {
	Replies []rpcAnswer
	Closest []contact
	Commits int // that were accepted
	Errors  int // answers with an error code, and silent nodes
	Failed  string
}

// An rpcLab makes nodes of both kinds. Those of npm dht-rpc run in one process.
type rpcLab struct {
	t    *testing.T
	npm  *script
	host string // of its own
	port int    // the next one to choose: of those that systems do not give to who wants any
}

var rpcLabs atomic.Int32

func startRPCLab(t *testing.T) *rpcLab {
	t.Helper()
	t.Parallel()
	return newRPCLab(t, startNodeScript(t, "rpc.mjs"))
}

func newRPCLab(t *testing.T, npm *script) *rpcLab {
	return &rpcLab{t: t, npm: npm, host: fmt.Sprintf("127.88.%d.%d", rpcLabs.Add(1), 1+rand.IntN(254)), port: 10_000 + rand.IntN(10_000)}
}

// rpcSetting is how nodes begin.
type rpcSetting struct {
	bootstrap []string
	ephemeral bool
	open      bool // they need not find out whether they can be reached
	maxDelay  time.Duration
	addrs     []string // to listen on; none: one node at any port
}

func (l *rpcLab) listen(s rpcSetting) []string {
	if len(s.addrs) == 0 {
		return []string{l.host + ":0"}
	}
	return s.addrs
}

// free returns so many addresses to listen on, with ids that are wanted.
func (l *rpcLab) free(count int, wanted func(dhtrpc.ID) bool) (addrs []string) {
	l.t.Helper()
	for ; len(addrs) < count; l.port++ {
		addr := fmt.Sprintf("%s:%d", l.host, l.port)
		conn, err := net.ListenPacket("udp4", addr)
		if err != nil {
			continue
		}
		require.NoError(l.t, conn.Close())
		if wanted(rpcIDAt(addr)) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// inHalf accepts ids with this first bit.
func inHalf(bit byte) func(dhtrpc.ID) bool {
	return func(id dhtrpc.ID) bool { return id[0]>>7 == bit }
}

// node makes a node, one of ours if ours says so, of npm dht-rpc otherwise.
func (l *rpcLab) node(ours bool, s rpcSetting) rpcNode {
	l.t.Helper()
	if ours {
		return l.ours(s)[0]
	}
	return l.theirs(s)[0]
}

// network makes a network of so many nodes of ours and of npm dht-rpc, all persistent, which begins with one of ours if there is
// any. zeros of their ids begin with a zero bit. No node is a stranger in it when it returns.
func (l *rpcLab) network(ours, theirs, zeros int) (nodes []rpcNode) {
	l.t.Helper()
	addrs := append(l.free(zeros, inHalf(0)), l.free(ours+theirs-zeros, inHalf(1))...)
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	if ours > 0 {
		nodes = l.testnet(addrs[:ours])
	} else {
		nodes = append(nodes, l.bootstrapper(addrs[0]))
	}
	if rest := addrs[len(nodes):]; len(rest) > 0 {
		nodes = append(nodes, l.theirs(rpcSetting{addrs: rest, bootstrap: addrs[:1], open: true})...)
	}
	l.settled(nodes)
	return nodes
}

// settled makes sure that every node is known to the nearest of the others. Ours look at newcomers before they name them, so of
// two that join at the same moment neither need hear of the other: they look again.
func (l *rpcLab) settled(nodes []rpcNode) {
	l.t.Helper()
	for _, n := range nodes {
		near := rpcNearest(l.t, n.id(), others(nodes, n), 3)
		for _, o := range nodes {
			if slices.Contains(near, o.addr()) {
				await(l.t, o.addr()+" knows "+n.addr(), func() bool {
					if slices.Contains(o.nodes(l.t), n.addr()) {
						return true
					}
					n.query(l.t, rpcQuery{target: n.id()})
					return false
				})
			}
		}
	}
}

func others(nodes []rpcNode, not rpcNode) (rest []rpcNode) {
	for _, n := range nodes {
		if n.addr() != not.addr() {
			rest = append(rest, n)
		}
	}
	return rest
}

// rpcID reads 64 hex digits.
func rpcID(t *testing.T, s string) dhtrpc.ID {
	t.Helper()
	id, err := dhtrpc.ParseID(s)
	require.NoError(t, err)
	return id
}

// rpcNearest returns the addresses of the count nodes nearest to a target.
func rpcNearest(t *testing.T, target string, nodes []rpcNode, count int) (addrs []string) {
	t.Helper()
	for _, n := range nodes {
		addrs = append(addrs, n.addr())
	}
	key := rpcID(t, target).Key()
	slices.SortFunc(addrs, func(a, b string) int {
		return routing.CompareDistance(key, rpcIDAt(a).Key(), rpcIDAt(b).Key())
	})
	return addrs[:min(count, len(addrs))]
}

func rpcIDAt(addr string) dhtrpc.ID { return dhtrpc.IDOf(netip.MustParseAddrPort(addr)) }

func addrsOf(contacts []contact) (addrs []string) {
	for _, c := range contacts {
		addrs = append(addrs, c.Addr)
	}
	return addrs
}

// storedAt returns those of the nodes that hold a value for a target, in order.
func storedAt(t *testing.T, target string, nodes []rpcNode) (addrs []string) {
	t.Helper()
	for _, n := range nodes {
		if n.stored(t, target) {
			addrs = append(addrs, n.addr())
		}
	}
	return addrs
}

// rpcCasts are all in which both kinds of nodes play so many roles; true for one of ours.
func rpcCasts(roles int) (casts [][]bool) {
	for i := 1; i < 1<<roles-1; i++ {
		cast := make([]bool, roles)
		for r := range cast {
			cast[r] = i>>r&1 == 1
		}
		casts = append(casts, cast)
	}
	return casts
}

func castName(cast []bool) string {
	names := make([]string, len(cast))
	for i, ours := range cast {
		names[i] = map[bool]string{true: "go", false: "npm"}[ours]
	}
	return strings.Join(names, "-")
}

// eachRPCCast runs a test with every cast of so many roles.
func eachRPCCast(t *testing.T, roles int, test func(t *testing.T, l *rpcLab, cast []bool)) {
	l := startRPCLab(t)
	for _, cast := range rpcCasts(roles) {
		t.Run(castName(cast), func(t *testing.T) {
			here := *l
			here.t = t
			test(t, &here, cast)
		})
	}
}
