// Package kv is a key-value store on a network of dht-rpc. Every node that has a Store open holds a part of it: a value is
// kept by the 20 nodes nearest to its key, put anew by its owner and by those who hold it as nodes come and go, and
// forgotten when nobody has for a day.
//
//	store, err := kv.Open(node, kv.Config{})
//	if err != nil { … }
//	defer store.Close()
//	err = store.Set(ctx, kv.Name("motd"), []byte("hello"))
//	record, err := store.Get(ctx, kv.Name("motd")) // record.Value
//
// # Keys
//
// There are three kinds, which differ in who may write:
//
//   - Hash: the key is the hash of the value, which thereby can neither change nor be forged. Put stores one.
//   - Owned: the key is a public key and a name. Only who has the private key can write, and the reader can tell.
//   - Name: the key is a name alone. Who writes first has it as long as the value is kept; the nodes that hold it see to
//     that, and a reader believes the majority of them. It is as trustworthy as those nodes are: good for a network among
//     friends.
//
// Values under the latter two are signed (ed25519) and carry a sequence number, of which the highest counts.
//
// # On the wire
//
// Two commands of the application, by default 27510 to get and 27511 to put, both with the key's 32 bytes as target: the
// hash of a value is that of dht-rpc (BLAKE2b), the others are SHA-256 over "dhtkit kv 1", kind, owner (if owned) and name. The
// value of a put, and of the answer to a get, is a record, integers little-endian:
//
//	kind u8 (0 hash, 1 owned, 2 name) · seconds to live u32 · value                                     (hash)
//	kind u8 · seconds to live u32 · seq u64 · owner 32 · signature 64 · name length u8 · name · value   (owned, name)
//
// The signature is over the text "dhtkit kv 1", kind, seq, name length, name and value. A put needs the token of an earlier
// answer of the same node. It is answered without value, or with one of the errors CodeInvalid, CodeStale, CodeTaken and
// CodeFull.
package kv
