package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/dhtrpc/kv"
	"github.com/dhtkit/dhtkit/routing"
)

// Records of rpc set and rpc get. Hash or name, and owner, are what the key is made of.
type (
	rpcSetRecord struct {
		Type   string    `json:"type"`
		Kind   string    `json:"kind"` // hash, owned, name
		Target dhtrpc.ID `json:"target"`
		Name   string    `json:"name,omitempty"`
		Owner  string    `json:"owner,omitempty"` // public key, hex
		Nodes  int       `json:"nodes"`           // that hold it now
		Time   stamp     `json:"time"`
	}

	rpcValueRecord struct {
		Type   string    `json:"type"`
		Kind   string    `json:"kind"`
		Target dhtrpc.ID `json:"target"`
		Value  string    `json:"value"` // text as it is, other bytes as hex:…
		Name   string    `json:"name,omitempty"`
		Owner  string    `json:"owner,omitempty"`
		Seq    uint64    `json:"seq,omitempty"`
		TTL    float64   `json:"ttl_s"`
		Time   stamp     `json:"time"`
	}

	rpcSetSummary struct {
		Type   string `json:"type"`
		Stored int    `json:"stored"` // nodes that hold it now
		totals
	}

	rpcGetSummary struct {
		Type     string `json:"type"`
		Versions int    `json:"versions"` // that were seen, each better than the one before
		totals
	}
)

func (s *rpcSetSummary) line() string {
	return fmt.Sprintf("nodes that hold it: %d; %s", s.Stored, s.tail())
}

func (s *rpcGetSummary) line() string {
	return fmt.Sprintf("versions seen: %d; %s", s.Versions, s.tail())
}

// rpcSetVerb stores a value.
type rpcSetVerb struct {
	*app
	file   string
	newKey bool
	hash   bool

	cfg   kv.Config
	key   kv.Key
	value []byte
}

func (a *app) rpcSetCommand() *cobra.Command {
	v := &rpcSetVerb{app: a}
	cmd := &cobra.Command{
		Use:   "set KEY VALUE|- | set --hash VALUE|- [flags]",
		Short: "Store a value under a key",
		Example: `  dhtkit rpc set --bootstrap 127.0.0.1:49737 motd 'hello, world'   # get motd
  dhtkit rpc set --bootstrap 127.0.0.1:49737 --key me.key --new-key status 'at home'
  dhtkit rpc set --bootstrap 127.0.0.1:49737 --hash - < post.txt   # prints the hash to get it with`,
		Long: `Stores a value of up to 1000 bytes at the 20 nodes nearest to its key; rpc bootstrap, node and testnet run such nodes. They put it
anew as nodes come and go, and forget it after 24 hours unless it is set again. "-" reads the value from standard input.

KEY is a name of up to 64 bytes. Who sets it first has it, and nobody can replace the value while it is kept. With --key the name is
one of the owner of that key file, who alone can set it, and set it again; the public key for get --owner is printed. --new-key makes
the file (see dhtkit put --help). With --hash the key is the hash of the value, which is printed.`,
		Args: arguments(1, 2, "a key and a value, or - for standard input; with --hash a value alone"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	a.localFlag(cmd)
	cmd.Flags().StringVar(&v.file, "key", "", "set a name of the owner of the key in `FILE`")
	cmd.Flags().BoolVar(&v.newKey, "new-key", false, "make that file, with a new key in it")
	cmd.Flags().BoolVar(&v.hash, "hash", false, "the key is the hash of the value")
	return cmd
}

func (v *rpcSetVerb) run(ctx context.Context, args []string) error {
	if err := v.parse(args); err != nil {
		return err
	}
	sum := &rpcSetSummary{Type: "summary"}
	return v.withStore(ctx, "set", v.cfg, sum, func(ctx context.Context, s *session, store *kv.Store) (err error) {
		if sum.Stored, err = store.SetCount(ctx, v.key, v.value); err != nil {
			return rpcRefused(err)
		}
		v.stored(s, sum.Stored)
		return outcome(context.WithoutCancel(ctx), sum.Stored)
	})
}

// parse checks all that can be checked before a packet leaves, and makes the key file last.
func (v *rpcSetVerb) parse(args []string) (err error) {
	switch {
	case v.newKey && v.file == "":
		return usagef("--new-key needs --key FILE")
	case v.hash && v.file != "":
		return usagef("--hash and --key exclude each other: what is under a hash has no owner")
	case v.hash && len(args) > 1:
		return usagef("--hash takes a value alone: the key is its hash, not %q", args[0])
	case !v.hash && len(args) < 2:
		return usagef("rpc set needs a key and a value (--hash takes a value alone)")
	}
	if v.value, err = v.read(args[len(args)-1]); err != nil {
		return err
	}
	if v.hash {
		v.key = kv.HashOf(v.value)
		return nil
	}
	name, err := parseName(args[0])
	if err != nil {
		return err
	}
	v.key = kv.Name(name)
	if v.file == "" {
		return nil
	}
	if v.cfg.Key, err = keyFile(v.file, v.newKey); err != nil {
		return err
	}
	v.key = kv.Owned(v.owner(), name)
	return nil
}

func (v *rpcSetVerb) owner() ed25519.PublicKey { return v.cfg.Key.Public().(ed25519.PublicKey) }

// read returns the value.
func (v *rpcSetVerb) read(text string) (b []byte, err error) {
	if b = []byte(text); text == "-" {
		if b, err = io.ReadAll(io.LimitReader(v.stdin, kv.MaxValue+1)); err != nil {
			return nil, usagef("standard input: %v", err)
		}
	}
	if len(b) > kv.MaxValue {
		return nil, usagef("the value is too long: %d bytes are allowed", kv.MaxValue)
	}
	return b, nil
}

// stored says what get needs.
func (v *rpcSetVerb) stored(s *session, nodes int) {
	rec := &rpcSetRecord{Type: "set", Kind: v.key.Kind().String(), Target: v.key.Target(), Name: v.key.Name(), Nodes: nodes, Time: now()}
	text := rec.Name
	switch v.key.Kind() {
	case kv.KindHash:
		text = rec.Target.String()
	case kv.KindOwned:
		rec.Owner = hex.EncodeToString(v.owner())
		text = rec.Owner
	}
	s.console.result(text, rec)
}

// rpcGetVerb reads a value.
type rpcGetVerb struct {
	*app
	owner string
	hash  bool
	raw   bool
}

func (a *app) rpcGetCommand() *cobra.Command {
	v := &rpcGetVerb{app: a}
	cmd := &cobra.Command{
		Use:   "get KEY [flags]",
		Short: "Read the value under a key",
		Example: `  dhtkit rpc get --bootstrap 127.0.0.1:49737 motd
  dhtkit rpc get --bootstrap 127.0.0.1:49737 --owner HEX status
  dhtkit rpc get --bootstrap 127.0.0.1:49737 --hash HEX --raw > post.txt`,
		Long: `Looks up what rpc set stored under a name, under the name of an owner (--owner, the public key that set printed), or under the hash of
the value (--hash). The newest version is the result; of a name that several claim, that of whom most nodes have. What is not
signed by its owner, or has another hash, does not count. The value is printed as text if it is text, else as "hex:…".`,
		Args: arguments(1, 1, "a key"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args[0]) },
	}
	a.localFlag(cmd)
	cmd.Flags().StringVar(&v.owner, "owner", "", "whose name it is, a public key of 64 `HEX` digits")
	cmd.Flags().BoolVar(&v.hash, "hash", false, "KEY is the hash of the value")
	cmd.Flags().BoolVar(&v.raw, "raw", false, "write the bytes as they are")
	return cmd
}

func (v *rpcGetVerb) run(ctx context.Context, text string) error {
	key, err := v.parse(text)
	if err != nil {
		return err
	}
	sum := &rpcGetSummary{Type: "summary"}
	return v.withStore(ctx, "get", kv.Config{}, sum, func(ctx context.Context, s *session, store *kv.Store) error {
		var best *kv.Record
		for r, err := range store.Versions(ctx, key) {
			if err != nil {
				return rpcRefused(err)
			}
			sum.Versions++
			best = &r
		}
		if best != nil {
			v.print(s, key, best)
		}
		return outcome(ctx, sum.Versions)
	})
}

func (v *rpcGetVerb) parse(text string) (key kv.Key, err error) {
	switch {
	case v.raw && v.console.json:
		return key, usagef("--json and --raw exclude each other")
	case v.hash && v.owner != "":
		return key, usagef("--hash and --owner exclude each other: what is under a hash has no owner")
	case v.hash:
		id, err := parseTarget(text)
		return kv.Hash(id), err
	}
	name, err := parseName(text)
	if err != nil || v.owner == "" {
		return kv.Name(name), err
	}
	owner, err := hex.DecodeString(v.owner)
	if err != nil || len(owner) != ed25519.PublicKeySize {
		return key, usagef("--owner %q is not a public key: 64 hex digits", v.owner)
	}
	return kv.Owned(owner, name), nil
}

func (v *rpcGetVerb) print(s *session, key kv.Key, r *kv.Record) {
	text := string(r.Value)
	if !printable(text) {
		text = "hex:" + hex.EncodeToString(r.Value)
	}
	if v.raw {
		s.console.raw(r.Value)
		return
	}
	s.console.result(text, &rpcValueRecord{
		Type: "value", Kind: r.Kind.String(), Target: key.Target(), Value: text, Name: r.Name,
		Owner: hex.EncodeToString(r.Owner), Seq: r.Seq, TTL: r.TTL.Truncate(time.Second).Seconds(), Time: now(),
	})
}

// withStore runs the work of a verb on the store of a node of ours that nobody stores anything at.
func (a *app) withStore(ctx context.Context, verb string, cfg kv.Config, sum summary, do func(context.Context, *session, *kv.Store) error) error {
	p, err := a.flags.rpcPlan(rpcPlan{verb: verb, cfg: dhtrpc.Config{Mode: dhtrpc.Ephemeral}}, false)
	if err != nil {
		return err
	}
	cfg.Republish, cfg.MaxRecords, cfg.Retries = -1, -1, a.flags.retries()
	return a.rpc(ctx, p, sum, func(ctx context.Context, s *session, n *rpcNet) error {
		store, err := n.openStore(n.node, cfg)
		if err != nil {
			return err
		}
		return do(ctx, s, store)
	})
}

// parseName reads a name.
func parseName(text string) (string, error) {
	if len(text) > kv.MaxName {
		return "", usagef("the key %q is too long: %d bytes are allowed", text, kv.MaxName)
	}
	return text, nil
}

// rpcRefused turns what nodes have against it into "nothing found, nothing done", with the remedy.
func rpcRefused(err error) error {
	text := ""
	e, answered := errors.AsType[*dhtrpc.Error](err)
	switch {
	case errors.Is(err, kv.ErrTaken):
		text = "not stored: somebody has that name while its value is kept (--key FILE has names of its own)"
	case errors.Is(err, kv.ErrStale):
		text = "not stored: a newer version was set at the same time (get shows it)"
	case errors.Is(err, kv.ErrFull):
		text = "not stored: no node has room"
	case answered && e.Code == dhtrpc.CodeUnknownCommand:
		text = "the nodes that answered keep no values (those of dhtkit rpc node do)"
	case answered && !errors.Is(err, routing.ErrNoNodes):
		text = fmt.Sprintf("nodes answered with errors, the last one with error %d", e.Code)
	default:
		return err
	}
	return &exitError{exitNothing, text}
}
