package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// startTransmission starts transmission-daemon on a host, with its DHT node on port 51413, which joins through the
// addresses given, and lets it look for a torrent. Left alone for 40 s without success it would resolve a router's name.
func startTransmission(t *testing.T, host string, infoHash krpc.ID, bootstrap []netip.AddrPort) {
	t.Helper()
	dir := t.TempDir()
	settings, err := json.Marshal(fields{
		"bind-address-ipv4": host, "bind-address-ipv6": "::1", "peer-port": 51413,
		"rpc-bind-address": host, "rpc-port": 9091, "rpc-whitelist-enabled": false, "rpc-host-whitelist-enabled": false,
		"lpd-enabled": false, "pex-enabled": false, "utp-enabled": false, "port-forwarding-enabled": false,
		"encryption": 0, "download-dir": dir,
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "settings.json"), settings, 0o600))
	var nodes bytes.Buffer
	for _, a := range bootstrap {
		fmt.Fprintf(&nodes, "%v %d\n", a.Addr(), a.Port())
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dht.bootstrap"), nodes.Bytes(), 0o600))
	start(t, terminate, needProgram(t, "transmission-daemon", "transmission-daemon"), "--foreground", "--config-dir", dir)

	request := fmt.Appendf(nil, `{"method": "torrent-add", "arguments": {"filename": "magnet:?xt=urn:btih:%v"}}`, infoHash)
	session := "" // the daemon wants back what it sends with its first refusal
	await(t, "transmission takes a torrent", func() bool {
		post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+":9091/transmission/rpc", bytes.NewReader(request))
		require.NoError(t, err)
		post.Header.Set("X-Transmission-Session-Id", session)
		response, err := http.DefaultClient.Do(post)
		if err != nil {
			return false // not yet
		}
		defer response.Body.Close()
		session = response.Header.Get("X-Transmission-Session-Id")
		return response.StatusCode == http.StatusOK
	})
}

// Transmission joins through us, finds the peer that we announced and connects to it, and announces itself to nodes of ours.
// Then it serves our queries. Its DHT is jech's, which drops every packet from 127.0.0.0/8.
func TestTransmission(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes transmission 30 s to find that its table is good enough")
	}
	if !isolated(t) {
		return
	}
	const host = "20.2.0.1"
	log := newQueryLog()
	node := netip.MustParseAddrPort(host + ":51413")
	ours := startOurs(t, "20.1.%d.1", 12, mainline.Config{Private: true, OnQuery: log.note})
	var bootstrap []netip.AddrPort
	for _, n := range ours {
		bootstrap = append(bootstrap, n.Addr())
	}
	infoHash := hexID(t, strings.Repeat("72a2", 10))
	listener, port := listenAsPeer(t, ours[3])
	require.Len(t, announceFrom(t, ours[3], infoHash, port), 8)

	startTransmission(t, host, infoHash, bootstrap)
	await(t, "transmission's node answers", func() bool {
		for _, n := range ours { // it fills its table from our pings
			if _, err := n.Ping(t.Context(), node); err != nil {
				return false
			}
		}
		return true
	})
	requireHandshake(t, listener, host, infoHash)
	await(t, "transmission announces itself", func() bool { return log.announced(host).Port != 0 })
	require.Equal(t, node.Port(), log.announced(host).Port)
	want := []string{fmt.Sprint(ours[3].Addr().Addr(), ":", port), node.String()}
	for _, i := range []int{0, 6, 11} {
		await(t, "its whole announcement", func() bool { return slices.Equal(want, peersOf(t, ours[i], infoHash)) })
	}
	testAnswersOfTransmission(t, ours, node.String())
}

// testAnswersOfTransmission asks a node of Transmission what it implements: BEP 5 and BEP 32.
func testAnswersOfTransmission(t *testing.T, ours []*mainline.Node, addr string) {
	us := ours[5]
	r := ask(t, us, addr, krpc.PingArgs{})
	require.Empty(t, r.Version(), "version 3 sends no letters of its own")
	_, ok := r.IP()
	require.False(t, ok, "jech's DHT knows nothing of BEP 42")

	requireLists(t, us, addr)

	infoHash := us.ID()
	token := ask(t, us, addr, krpc.GetPeersArgs{InfoHash: infoHash}).Token()
	require.Len(t, token, 8)
	announcement := krpc.AnnouncePeerArgs{InfoHash: infoHash, Port: 7005, Token: token}
	require.Equal(t, 203, refused(t, ours[6], addr, announcement).Code, "the token of another address")
	ask(t, us, addr, announcement)
	r = ask(t, ours[6], addr, krpc.GetPeersArgs{InfoHash: infoHash, Scrape: true})
	require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(us.Addr().Addr(), 7005)}, slices.Collect(r.Values))
	require.NotEmpty(t, slices.Collect(r.Nodes), "jech's DHT sends nodes and values")
	require.Nil(t, r.BFpe(), "no BEP 33")

	// Methods that it does not know get no answer.
	requireSilence(t, us, addr, krpc.GetArgs{Target: infoHash}, krpc.SampleArgs{Target: infoHash}, krpc.RawArgs{Name: "foo"})
}
