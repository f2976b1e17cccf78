package mainline

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/dhtkit/dhtkit/krpc"
)

// ErrMagnet reports a link that is no magnet of a mutable torrent.
var ErrMagnet = errors.New("mainline: not a magnet:?xs=urn:btpk: link")

// keyURN begins the exact source of a mutable torrent; what follows is the key as 64 hex digits.
const keyURN = "urn:btpk:"

// MutableTorrent says where the owner of a key publishes which torrent is the current one (BEP 46): in the mutable item of
// key and salt, whose value is {"ih": info hash}.
type MutableTorrent struct {
	Key  ed25519.PublicKey // 32 bytes
	Salt []byte            // up to 64 bytes; empty means none
}

// ParseMagnet reads a link of the form magnet:?xs=urn:btpk:KEY&s=SALT, key and salt in hex, the salt optional. Other
// parameters are ignored. The error wraps ErrMagnet.
func ParseMagnet(link string) (MutableTorrent, error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "magnet" {
		return MutableTorrent{}, ErrMagnet
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return MutableTorrent{}, fmt.Errorf("%w: %w", ErrMagnet, err)
	}
	for _, source := range params["xs"] {
		if len(source) < len(keyURN) || !strings.EqualFold(source[:len(keyURN)], keyURN) {
			continue
		}
		key, err := hex.DecodeString(source[len(keyURN):])
		if err != nil || len(key) != ed25519.PublicKeySize {
			return MutableTorrent{}, fmt.Errorf("%w: a key has 64 hex digits", ErrMagnet)
		}
		salt, err := hex.DecodeString(params.Get("s"))
		if err != nil || len(salt) > krpc.MaxSalt {
			return MutableTorrent{}, fmt.Errorf("%w: a salt has up to 128 hex digits", ErrMagnet)
		}
		return MutableTorrent{Key: key, Salt: salt}, nil
	}
	return MutableTorrent{}, ErrMagnet
}

// String returns the link that ParseMagnet reads.
func (m MutableTorrent) String() string {
	link := "magnet:?xs=" + keyURN + hex.EncodeToString(m.Key)
	if len(m.Salt) > 0 {
		link += "&s=" + hex.EncodeToString(m.Salt)
	}
	return link
}

// Target returns the key under which the item is stored.
func (m MutableTorrent) Target() krpc.ID { return MutableTarget(m.Key, m.Salt) }

// torrentValue is the value of the item.
type torrentValue struct {
	InfoHash krpc.ID `bencode:"ih"`
}

// TorrentVersion is what the owner published once.
type TorrentVersion struct {
	InfoHash krpc.ID
	Seq      int64
	Item     *Item // as it was signed; PutItem keeps it alive
}

// TorrentLookup looks for the current version of a mutable torrent. Range over Versions.
type TorrentLookup struct{ *ItemLookup }

// ResolveTorrent prepares to find out which torrent is the current one. To poll for the next, pass NewerThan with the Seq of
// the version that is known.
func (n *Node) ResolveTorrent(m MutableTorrent, opts ...GetOption) *TorrentLookup {
	return &TorrentLookup{n.GetItem(m.Target(), append(opts[:len(opts):len(opts)], Salt(m.Salt))...)}
}

// Versions streams the version found first, and each time a newer one is found, that one: the last is the result. Items of
// another form than BEP 46 has are left out. See ItemLookup.Items for the error.
func (l *TorrentLookup) Versions(ctx context.Context) iter.Seq2[TorrentVersion, error] {
	return func(yield func(TorrentVersion, error) bool) {
		for it, err := range l.Items(ctx) {
			if err != nil {
				yield(TorrentVersion{}, err)
				return
			}
			var v torrentValue
			if it.Decode(&v) != nil || v.InfoHash.IsZero() {
				continue
			}
			if !yield(TorrentVersion{v.InfoHash, it.Seq, it}, nil) {
				return
			}
		}
	}
}

// PublishTorrent prepares to make infoHash the current torrent of the key's owner. seq is higher than that of every version
// before: 1 for the first. The error is that of SignItem.
func (n *Node) PublishTorrent(key crypto.Signer, salt []byte, seq int64, infoHash krpc.ID, opts ...PutOption) (*ItemPut, error) {
	it, err := SignItem(key, salt, seq, torrentValue{infoHash})
	if err != nil {
		return nil, err
	}
	return n.PutItem(it, opts...), nil
}
