package kv

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// MaxName is the longest name, in bytes.
const MaxName = 64

// Kind says who may write under a key.
type Kind uint8

const (
	KindHash  Kind = iota // nobody: the value makes the key
	KindOwned             // who has the private key
	KindName              // who came first
)

func (k Kind) String() string {
	switch k {
	case KindHash:
		return "hash"
	case KindOwned:
		return "owned"
	}
	return "name"
}

// Key is what a value is stored under. Keys are made by Hash, HashOf, Owned and Name.
type Key struct {
	kind   Kind
	target dhtrpc.ID
	owner  ed25519.PublicKey // of KindOwned
	name   string            // not of KindHash
}

// Hash is the key of the value with this hash (dhtrpc.Hash).
func Hash(id dhtrpc.ID) Key { return Key{kind: KindHash, target: id} }

// HashOf is the key of this very value.
func HashOf(value []byte) Key { return Hash(dhtrpc.Hash(value)) }

// Owned is the key under which only the holder of a private key writes. The name has up to 64 bytes and may be empty.
func Owned(owner ed25519.PublicKey, name string) Key {
	return Key{kind: KindOwned, target: target(KindOwned, owner, name), owner: owner, name: name}
}

// Name is a key that anybody may take who comes first. It has up to 64 bytes.
func Name(name string) Key {
	return Key{kind: KindName, target: target(KindName, nil, name), name: name}
}

// target hashes what makes a key, with another function than that of values: nobody can take a key of one kind with a value
// under another.
func target(kind Kind, owner ed25519.PublicKey, name string) dhtrpc.ID {
	b := append([]byte(signText), byte(kind))
	b = append(append(b, owner...), name...)
	return sha256.Sum256(b)
}

// Kind says who may write under the key.
func (k Key) Kind() Kind { return k.kind }

// Name returns the name that the key is made of, "" for a hash.
func (k Key) Name() string { return k.name }

// Target returns the point of the key space that the key stands for.
func (k Key) Target() dhtrpc.ID { return k.target }

// String returns the kind and what makes the key: "hash ab…", "owned 12…/name", "name motd".
func (k Key) String() string {
	switch k.kind {
	case KindHash:
		return "hash " + k.target.String()
	case KindOwned:
		return "owned " + hex.EncodeToString(k.owner) + "/" + k.name
	}
	return "name " + k.name
}
