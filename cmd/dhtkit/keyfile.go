package main

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/dhtkit/dhtkit/mainline"
)

// keyFile reads the private key in a file, or makes a file with a new one. What is in the file is never shown, not even in
// errors.
func keyFile(name string, make bool) (crypto.Signer, error) {
	if make {
		return newKeyFile(name)
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("--key %s: there is no such file (--new-key makes one)", name)
	}
	if err != nil {
		return nil, usagef("--key: %v", err)
	}
	b, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, usagef("--key %s: not a key file: it holds something else than hex digits", name)
	}
	key, err := mainline.ParsePrivateKey(b)
	if err != nil {
		return nil, usagef("--key %s: not a key file: %d bytes that are no ed25519 key", name, len(b))
	}
	return key, nil
}

func newKeyFile(name string) (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, usagef("--new-key: %s is there already; leave --new-key out to use it", name)
	}
	if err != nil {
		return nil, usagef("--new-key: %v", err)
	}
	_, err = fmt.Fprintf(f, "%x\n", key.Seed())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, usagef("--new-key: %v", err)
	}
	return key, nil
}
