package mainline_test

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

func TestMagnetsThatAreNone(t *testing.T) {
	key := strings.Repeat("8f", 32)
	for _, link := range []string{
		"", "http://example.org/?xs=urn:btpk:" + key, "magnet:?xt=urn:btih:" + key[:40], "magnet:?xs=urn:btpk:" + key[2:],
		"magnet:?xs=urn:btpk:" + key + "00", "magnet:?xs=urn:btpk:" + "x" + key[1:], "magnet:?xs=urn:btpk:" + key + "&s=6",
		"magnet:?xs=urn:btpk:" + key + "&s=" + strings.Repeat("00", 65), "magnet:?xs=urn:btp", "magnet:?xs=%zz", "magnet:?",
	} {
		_, err := mainline.ParseMagnet(link)
		require.ErrorIs(t, err, mainline.ErrMagnet, link)
	}
	m, err := mainline.ParseMagnet("magnet:?dn=a+name&xs=http://x&xs=URN:BTPK:" + strings.ToUpper(key) + "&tr=udp://t&s=6E")
	require.NoError(t, err)
	require.Equal(t, "magnet:?xs=urn:btpk:"+key+"&s=6e", m.String())
	require.Len(t, m.Key, ed25519.PublicKeySize)
}

func TestMutableTorrentIsPublishedAndResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30)
		salt := []byte("nightly")
		m := mainline.MutableTorrent{Key: ownerKey.Public().(ed25519.PublicKey), Salt: salt}
		resolve := func(above int64) (all []mainline.TorrentVersion) {
			for v, err := range l.nodes[20].ResolveTorrent(m, mainline.NewerThan(above)).Versions(t.Context()) {
				require.NoError(t, err)
				all = append(all, v)
			}
			return all
		}
		require.Empty(t, resolve(0))
		for seq := int64(1); seq <= 2; seq++ {
			put, err := l.nodes[5].PublishTorrent(ownerKey, salt, seq, krpc.ID{byte(seq)}, mainline.Cas(seq-1))
			require.NoError(t, err)
			for _, err := range put.Stored(t.Context()) {
				require.NoError(t, err)
			}
			got := resolve(seq - 1)
			require.Len(t, got, 1)
			require.Equal(t, krpc.ID{byte(seq)}, got[0].InfoHash)
			require.Equal(t, seq, got[0].Seq)
			require.Equal(t, m.Target(), got[0].Item.Target())
		}
		require.Empty(t, resolve(2))

		_, err := putAt(t, l.nodes[5], version(t, "nightly", 3, "another form"))
		require.NoError(t, err)
		for v := range l.nodes[20].ResolveTorrent(m).Versions(t.Context()) {
			t.Fatal("not a version", v)
		}
	})
}
