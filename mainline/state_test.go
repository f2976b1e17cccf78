package mainline_test

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

func TestARestartNeedsNoBootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newDualLab(t, 0)
		for range 18 {
			l.addDual(mainline.Config{})
		}
		old := l.nodes[12]
		var file bytes.Buffer
		require.NoError(t, old.Save(&file))
		ids := []krpc.ID{old.Endpoints()[0].ID(), old.Endpoints()[1].ID()}
		old.Close()
		time.Sleep(time.Hour) // the others have forgotten it

		state, err := mainline.LoadState(&file)
		require.NoError(t, err)
		require.Len(t, state.Endpoints, 2)
		require.Equal(t, addr6(12), state.Endpoints[1].External)
		router, router6 := addr(250), addr6(250)
		node, err := mainline.New(mainline.Config{
			State: state, Bootstrap: []string{router.String(), router6.String(), "router:6881"},
			Resolve: func(context.Context, string) ([]netip.Addr, error) {
				t.Error("no name is asked for")
				return nil, nil
			},
		}, l.net.Listen(addr(12)), l.net.Listen(addr6(12)))
		require.NoError(t, err)
		defer node.Close()
		require.NoError(t, node.Ready(t.Context()))
		for i, e := range node.Endpoints() {
			require.Equal(t, ids[i], e.ID(), "it is the same node")
			require.GreaterOrEqual(t, e.Len(), 8)
		}
		for _, err := range node.Announce(krpc.ID{1}, 7000).Stored(t.Context()) {
			require.NoError(t, err)
		}
		time.Sleep(time.Hour)
		require.Zero(t, l.net.SentTo(router)+l.net.SentTo(router6), "zero bootstrap packets")
		for i, e := range node.Endpoints() {
			require.Equal(t, ids[i], e.ID())
		}
	})
}

func TestStateFormat(t *testing.T) {
	state := &mainline.State{
		Saved: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Endpoints: []mainline.EndpointState{
			{ID: krpc.ID{1}, External: netip.MustParseAddrPort("203.0.113.7:6881"), Nodes: []krpc.Node{{ID: krpc.ID{2}, Addr: netip.MustParseAddrPort("198.51.100.1:1")}}},
			{ID: krpc.ID{3}, IPv6: true},
		},
	}
	var file strings.Builder
	require.NoError(t, state.Write(&file))
	require.JSONEq(t, `{"format": "dhtkit mainline node", "version": 1, "saved": "2026-01-02T03:04:05Z", "endpoints": [
		{"family": "ipv4", "id": "0100000000000000000000000000000000000000", "external": "203.0.113.7:6881",
		 "nodes": [{"id": "0200000000000000000000000000000000000000", "addr": "198.51.100.1:1"}]},
		{"family": "ipv6", "id": "0300000000000000000000000000000000000000", "nodes": []}]}`, file.String())
	back, err := mainline.LoadState(strings.NewReader(file.String()))
	require.NoError(t, err)
	require.Equal(t, state, back)
	later := strings.Replace(file.String(), `"version":1`, `"version":1,"unknown":[1]`, 1)
	_, err = mainline.LoadState(strings.NewReader(later))
	require.NoError(t, err, "what is not known is ignored")
}

func TestWhatIsNoState(t *testing.T) {
	for _, text := range []string{
		"", "{", "null", "[]", "{}", `{"format":"other","version":1}`,
		`{"format":"dhtkit mainline node","version":2}`,
		`{"format":"dhtkit mainline node","version":1,"endpoints":[{"family":"ipv5","id":"0100000000000000000000000000000000000000"}]}`,
		`{"format":"dhtkit mainline node","version":1,"endpoints":[{"family":"ipv4"}]}`,
		`{"format":"dhtkit mainline node","version":1,"endpoints":[{"family":"ipv4","id":"xyz"}]}`,
		`{"format":"dhtkit mainline node","version":1,"endpoints":[{"family":"ipv4","id":"0100000000000000000000000000000000000000","nodes":[{"addr":"nowhere"}]}]}`,
	} {
		_, err := mainline.LoadState(strings.NewReader(text))
		require.ErrorIs(t, err, mainline.ErrState, text)
	}
	_, err := mainline.LoadState(iotest.ErrReader(context.Canceled))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, mainline.ErrState)
}

// What a file names is not believed: bad entries are asked, or left out, and the node lives.
func TestAStateFullOfNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 10)
		state := &mainline.State{Endpoints: []mainline.EndpointState{{ID: krpc.ID{9}, Nodes: []krpc.Node{
			{}, {ID: krpc.ID{1}}, {ID: krpc.ID{9}, Addr: addr(1)}, {ID: krpc.ID{5}, Addr: addr6(1)}, {ID: krpc.ID{7}, Addr: addr(3)},
			{ID: krpc.ID{8}, Addr: netip.MustParseAddrPort("127.0.0.1:80")}, {ID: krpc.ID{6}, Addr: addr(77)},
		}}}}
		n := l.add(mainline.Config{State: state, Bootstrap: []string{addr(0).String()}})
		require.GreaterOrEqual(t, n.Len(), 8, "the bootstrap helped")
	})
}
