package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// getVerb reads an item (BEP 44).
type getVerb struct {
	*app
	salt    string
	above   int64
	raw     bool
	bencode bool
	torrent bool

	target krpc.ID
	opts   []mainline.GetOption
}

type valueRecord struct {
	Type    string          `json:"type"`
	Target  krpc.ID         `json:"target"`
	Value   json.RawMessage `json:"value"`   // see textual
	Bencode string          `json:"bencode"` // the same in hex, as it is stored
	Key     string          `json:"key,omitempty"`
	Salt    string          `json:"salt,omitempty"` // hex
	Seq     *int64          `json:"seq,omitempty"`
	Sig     string          `json:"sig,omitempty"`
	Time    stamp           `json:"time"`
}

type getSummary struct {
	Type     string  `json:"type"`
	Target   krpc.ID `json:"target"`
	Versions int     `json:"versions"` // that were seen, each newer than the one before
	totals
}

func (s *getSummary) line() string {
	return fmt.Sprintf("versions seen of %v: %d; %s", s.Target, s.Versions, s.tail())
}

func (a *app) getCommand() *cobra.Command {
	v := &getVerb{app: a}
	cmd := &cobra.Command{
		Use:   "get TARGET [flags]",
		Short: "Read a value that was put",
		Example: `  dhtkit get --public e5f96f6f38320f0f33959cb4d3d656452117aadb
  dhtkit get --public --salt foobar 77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548
  dhtkit get --public --torrent 'magnet:?xs=urn:btpk:…' | dhtkit peers --public -`,
		Long: `Looks for a value under a target: 40 hex digits, or the public key (64 hex digits, or a magnet link with xs=urn:btpk:…) of whoever
signs it; then the newest version is the result. What does not hash to the target, or is not signed well, does not count.

The value is printed as text if it is text, as "hex:…" if it is other bytes, as JSON if it is a list or a dictionary. --raw
writes the bytes of a text without a line end, --bencode the value as it is stored. A salt that is not text is "hex:…".

--torrent takes the value for that of a mutable torrent (BEP 46) and prints its info hash alone.`,
		Args: arguments(1, 1, "a target or a public key"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args[0]) },
	}
	a.localFlag(cmd)
	cmd.Flags().StringVar(&v.salt, "salt", "", "`SALT` of a signed value")
	cmd.Flags().Int64Var(&v.above, "newer-than", -1, "only versions above `SEQ`")
	cmd.Flags().BoolVar(&v.raw, "raw", false, "write the bytes of a text as they are")
	cmd.Flags().BoolVar(&v.torrent, "torrent", false, "print the info hash of a mutable torrent")
	cmd.Flags().BoolVar(&v.bencode, "bencode", false, "write the value as it is stored, bencoded")
	return cmd
}

func (v *getVerb) run(ctx context.Context, target string) error {
	if err := v.parse(target); err != nil {
		return err
	}
	sum := &getSummary{Type: "summary", Target: v.target}
	return v.serve(ctx, need{verb: "get", upkeep: true}, sum, func(ctx context.Context, s *session) error {
		return v.work(ctx, s, sum)
	})
}

func (v *getVerb) parse(target string) error {
	if v.raw && v.bencode || v.console.json && (v.raw || v.bencode) {
		return usagef("--json, --raw and --bencode exclude each other")
	}
	if v.torrent && (v.raw || v.bencode) {
		return usagef("--torrent prints an info hash: leave --raw and --bencode out")
	}
	salt, err := parseSalt(v.salt)
	if err != nil {
		return err
	}
	key, salted, ok := parseKey(target)
	switch {
	case ok && len(salted) > 0 && len(salt) > 0:
		return usagef("--salt %q: the magnet link has a salt already", v.salt)
	case ok:
		salt = append(salt, salted...)
		v.target = mainline.MutableTarget(key, salt)
	case v.torrent:
		return usagef("--torrent needs the key of its owner: 64 hex digits, or a magnet link with xs=urn:btpk:…, not %q", target)
	default:
		if v.target, ok = parseDigits(target); !ok {
			return usagef("%q is not a target (40 hex digits), nor a public key (64 hex digits, or a magnet link with xs=urn:btpk:…)", target)
		}
	}
	if len(salt) > 0 {
		v.opts = append(v.opts, mainline.Salt(salt))
	}
	if v.above >= 0 {
		v.opts = append(v.opts, mainline.NewerThan(v.above))
	}
	return nil
}

// parseSalt reads --salt: text, or bytes as hex:….
func parseSalt(text string) ([]byte, error) {
	salt := []byte(text)
	if digits, found := strings.CutPrefix(text, "hex:"); found {
		var err error
		if salt, err = hex.DecodeString(digits); err != nil {
			return nil, usagef("--salt %q is not hex: %v", text, err)
		}
	}
	if len(salt) > krpc.MaxSalt {
		return nil, usagef("--salt has %d bytes, %d are allowed", len(salt), krpc.MaxSalt)
	}
	return salt, nil
}

// parseKey reads a public key: hex, or a magnet link with a salt maybe (BEP 46).
func parseKey(text string) (key ed25519.PublicKey, salt []byte, ok bool) {
	if len(text) > 7 && strings.EqualFold(text[:7], "magnet:") {
		m, err := mainline.ParseMagnet(text)
		return m.Key, m.Salt, err == nil
	}
	b, err := hex.DecodeString(text)
	return b, nil, err == nil && len(b) == ed25519.PublicKeySize
}

func (v *getVerb) work(ctx context.Context, s *session, sum *getSummary) error {
	if err := s.join(ctx); err != nil {
		return err
	}
	l := s.net.node.GetItem(v.target, v.opts...)
	var last error
	for it, err := range l.Items(ctx) {
		if last = err; err != nil {
			break
		}
		sum.Versions++
		s.console.result("", newValueRecord(v.target, it))
	}
	best := l.Best()
	if best != nil && v.torrent && torrentOf(best) == nil {
		return &exitError{exitNothing, fmt.Sprintf("the value is no torrent (BEP 46): %s", textual(best.V))}
	}
	if best == nil {
		if last != nil {
			return last
		}
		return outcome(ctx, 0)
	}
	if !v.console.json {
		v.print(best)
	}
	return outcome(ctx, 1)
}

func newValueRecord(target krpc.ID, it *mainline.Item) *valueRecord {
	r := &valueRecord{Type: "value", Target: target, Value: textual(it.V), Bencode: hex.EncodeToString(it.V), Time: now()}
	if it.Mutable() {
		r.Key, r.Salt, r.Sig = hex.EncodeToString(it.K), hex.EncodeToString(it.Salt), hex.EncodeToString(it.Sig)
		r.Seq = &it.Seq
	}
	return r
}

// torrentOf returns the info hash in the value of a mutable torrent, nil if it is none.
func torrentOf(it *mainline.Item) []byte {
	var v struct {
		InfoHash string `bencode:"ih"`
	}
	if it.Decode(&v) != nil || len(v.InfoHash) != krpc.IDSize {
		return nil
	}
	return []byte(v.InfoHash)
}

// print writes the value in the form asked for.
func (v *getVerb) print(it *mainline.Item) {
	text, rest, isText := cutString(it.V)
	isText = isText && len(rest) == 0
	switch {
	case v.torrent:
		v.console.result(hex.EncodeToString(torrentOf(it)), nil)
	case v.bencode || v.raw && !isText:
		v.console.raw(it.V)
	case v.raw:
		v.console.raw(text)
	case isText && printable(string(text)):
		v.console.result(string(text), nil)
	case isText:
		v.console.result("hex:"+hex.EncodeToString(text), nil)
	default:
		v.console.result(string(textual(it.V)), nil)
	}
}
