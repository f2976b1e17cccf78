package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
)

// putVerb stores an item (BEP 44).
type putVerb struct {
	*app
	key     string
	newKey  bool
	salt    string
	seq     int64
	cas     int64
	again   time.Duration
	torrent string
	hasSeq  bool
	hasCas  bool
	value   any
	signer  crypto.Signer
	saltRaw []byte
}

type (
	itemRecord struct {
		Type   string  `json:"type"`
		Target krpc.ID `json:"target"`
		Key    string  `json:"key,omitempty"` // public
		Salt   string  `json:"salt,omitempty"`
		Seq    *int64  `json:"seq,omitempty"`
		Time   stamp   `json:"time"`
	}

	putSummary struct {
		Type   string `json:"type"`
		Stored int    `json:"stored"` // nodes that took it, in all rounds
		Rounds int    `json:"rounds"`
		totals
	}
)

func (s *putSummary) line() string {
	return fmt.Sprintf("nodes that stored it: %d, rounds: %d; %s", s.Stored, s.Rounds, s.tail())
}

func (a *app) putCommand() *cobra.Command {
	v := &putVerb{app: a}
	cmd := &cobra.Command{
		Use:   "put VALUE|- | --torrent HASH [flags]",
		Short: "Store a value of up to 1000 bytes",
		Example: `  dhtkit put --public 'Hello World!'                       # prints the target to get it with
  dhtkit put --public --key me.key --new-key v1            # signed: can be replaced
  dhtkit put --public --key me.key --salt blog - < post.txt`,
		Long: `Stores a value at the nodes closest to its target and prints the target. Without --key the target is the hash of the value, which
can never change. With --key it is the hash of the public key and the salt, and the value is signed; --seq, its version, is one
above that of the newest one found unless given. With --cas nodes take it only in place of that version.

VALUE is text, or int:12, hex:00ff, json:{"a":1} as in the verb query; text:… is text whatever it looks like; "-" reads the bytes
from standard input. Nodes forget a value after two hours or more: --republish 1h stays and puts it again.

A key file holds 64 hex digits, the seed of an ed25519 key (128 for a seed with its public key, or an expanded key, are read, too).
--new-key makes one, which must not be there yet. Whoever has the file can sign; it is never printed.

--torrent publishes a mutable torrent (BEP 46) instead, and prints the magnet link that always leads to the newest one.`,
		Args: arguments(0, 1, "a value, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v.hasSeq, v.hasCas = cmd.Flags().Changed("seq"), cmd.Flags().Changed("cas")
			if len(args) == 0 && v.torrent == "" {
				return usagef("put needs a value, or - for standard input (see dhtkit put --help)")
			}
			if len(args) > 0 && v.torrent != "" {
				return usagef("--torrent is the value: leave %q out", args[0])
			}
			return v.run(cmd.Context(), strings.Join(args, ""))
		},
	}
	a.localFlag(cmd)
	cmd.Flags().StringVar(&v.key, "key", "", "sign with the key in `FILE`")
	cmd.Flags().BoolVar(&v.newKey, "new-key", false, "make that file, with a new key in it")
	cmd.Flags().StringVar(&v.salt, "salt", "", "`SALT`: one key has many values; text, or hex:…")
	cmd.Flags().Int64Var(&v.seq, "seq", 0, "version, `N` from 0 on (default one above what is found)")
	cmd.Flags().Int64Var(&v.cas, "cas", 0, "replace only version `N`")
	cmd.Flags().StringVar(&v.torrent, "torrent", "", "publish the torrent with this info `HASH` as the key's current one, print its link")
	cmd.Flags().DurationVar(&v.again, "republish", 0, "stay, and put it again every so often")
	return cmd
}

func (v *putVerb) run(ctx context.Context, text string) error {
	if err := v.parse(text); err != nil {
		return err
	}
	sum := &putSummary{Type: "summary"}
	return v.serve(ctx, need{verb: "put", upkeep: true}, sum, func(ctx context.Context, s *session) error {
		return v.work(ctx, s, sum)
	})
}

// parse checks everything that can be checked before a packet leaves, and makes the key last.
func (v *putVerb) parse(text string) (err error) {
	if v.key == "" && (v.newKey || v.salt != "" || v.hasSeq || v.hasCas || v.torrent != "") {
		return usagef("--new-key, --salt, --seq, --cas and --torrent need --key FILE: only signed values have them")
	}
	if v.seq < 0 || v.cas < 0 {
		return usagef("--seq and --cas are not negative")
	}
	if v.again < 0 {
		return usagef("--republish %v is negative", v.again)
	}
	if v.saltRaw, err = parseSalt(v.salt); err != nil {
		return err
	}
	if v.value, err = v.parseItem(text); err != nil {
		return err
	}
	if _, err := mainline.NewItem(v.value); err != nil {
		return usagef("the value is too long: %d bytes bencoded are allowed", krpc.MaxValue)
	}
	if v.key != "" {
		v.signer, err = keyFile(v.key, v.newKey)
	}
	return err
}

// parseItem reads the value.
func (v *putVerb) parseItem(text string) (any, error) {
	if v.torrent != "" {
		ids, err := hashes([]word{{text: v.torrent}}, anInfoHash)
		if err != nil {
			return nil, err
		}
		return map[string]string{"ih": string(ids[0][:])}, nil
	}
	if text != "-" {
		value, err := parseTyped(text)
		if err != nil {
			return nil, usagef("value %q: %v", text, err)
		}
		return value, nil
	}
	b, err := io.ReadAll(io.LimitReader(v.stdin, krpc.MaxValue+1))
	if err != nil {
		return nil, usagef("standard input: %v", err)
	}
	return string(b), nil
}

func (v *putVerb) work(ctx context.Context, s *session, sum *putSummary) error {
	if err := s.join(ctx); err != nil {
		return err
	}
	item, err := v.item(ctx, s)
	if err != nil {
		return err
	}
	rec := &itemRecord{Type: "item", Target: item.Target(), Time: now()}
	if item.Mutable() {
		rec.Key, rec.Salt, rec.Seq = hex.EncodeToString(item.K), hex.EncodeToString(item.Salt), &item.Seq
	}
	var opts []mainline.PutOption
	if v.hasCas {
		opts = append(opts, mainline.Cas(v.cas))
	}
	sum.Rounds = 1
	for n, err := range s.net.node.PutItem(item, opts...).Stored(ctx) {
		if err != nil {
			return v.refused(err)
		}
		if sum.Stored++; sum.Stored == 1 {
			s.console.result(v.name(item), rec)
		}
		v.stored(s, rec.Target, n)
	}
	if v.again > 0 && sum.Stored > 0 {
		v.republish(ctx, s, item, sum)
	}
	return outcome(context.WithoutCancel(ctx), sum.Stored)
}

// name is what the item is got with.
func (v *putVerb) name(it *mainline.Item) string {
	if v.torrent != "" {
		return mainline.MutableTorrent{Key: it.K, Salt: it.Salt}.String()
	}
	return it.Target().String()
}

func (v *putVerb) stored(s *session, target krpc.ID, n krpc.Node) {
	s.console.result("", &storedRecord{Type: "stored", Target: &target, ID: n.ID, Addr: n.Addr, Time: now()})
	s.console.detail("dhtkit: %v stored it", n.Addr)
}

// item makes the item. Which version it is, if nobody said, depends on what is there.
func (v *putVerb) item(ctx context.Context, s *session) (*mainline.Item, error) {
	if v.signer == nil {
		return mainline.NewItem(v.value)
	}
	pub := v.signer.Public().(ed25519.PublicKey)
	s.console.note("dhtkit: public key %x", []byte(pub))
	if !v.hasSeq {
		l := s.net.node.GetItemWith(mainline.MutableTarget(pub, v.saltRaw), routing.Thorough(), mainline.Salt(v.saltRaw))
		for _, err := range l.Items(ctx) {
			if err != nil {
				return nil, err
			}
		}
		v.seq = 1
		if best := l.Best(); best != nil {
			v.seq = best.Seq + 1
		}
	}
	return mainline.SignItem(v.signer, v.saltRaw, v.seq, v.value)
}

// refused turns a conflict, and nodes that would not have it, into "nothing done" with the remedy.
func (v *putVerb) refused(err error) error {
	if c, ok := errors.AsType[*mainline.ConflictError](err); ok {
		if c.Stored != nil && v.hasCas && c.Reason == krpc.ErrCasMismatch {
			return &exitError{exitNothing, fmt.Sprintf("not stored: version %d is there, not %d (get shows it; --cas %d replaces it)", c.Stored.Seq, v.cas, c.Stored.Seq)}
		}
		if c.Stored != nil {
			return &exitError{exitNothing, fmt.Sprintf("not stored: there is version %d already (--seq %d replaces it; get shows it)", c.Stored.Seq, c.Stored.Seq+1)}
		}
		return &exitError{exitNothing, fmt.Sprintf("not stored: %d nodes have another version: %v", c.Refused, c.Reason)}
	}
	return refusal(err)
}

// republish puts the item again until an interrupt, which is the normal end, or until it is replaced.
func (v *putVerb) republish(ctx context.Context, s *session, item *mainline.Item, sum *putSummary) {
	s.progress.show(func() string { return fmt.Sprintf("nodes that stored it: %d, rounds: %d", sum.Stored, sum.Rounds) })
	if !pause(ctx, v.again) {
		return
	}
	for round, err := range s.net.node.Keep(ctx, item, v.again) {
		if _, replaced := errors.AsType[*mainline.ConflictError](err); replaced {
			s.console.say("dhtkit: no more: %v", err)
		}
		if err != nil {
			return
		}
		sum.Rounds++
		sum.Stored += len(round.Stored)
		if round.Err != nil {
			s.console.say("dhtkit: this round failed, the next one is in %v: %v", v.again, round.Err)
		}
		for _, n := range round.Stored {
			v.stored(s, item.Target(), n)
		}
	}
}
