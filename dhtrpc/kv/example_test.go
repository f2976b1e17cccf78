package kv_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/dhtrpc/kv"
)

// A network of one's own in which every node holds a part of the store.
func Example() {
	ctx := context.Background()
	net, err := dhtrpc.Testnet(ctx, 10, dhtrpc.TestnetConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer net.Close()
	var stores []*kv.Store
	for _, node := range net.Nodes {
		store, err := kv.Open(node, kv.Config{})
		if err != nil {
			log.Fatal(err)
		}
		defer store.Close()
		stores = append(stores, store)
	}

	// Who comes first has a name.
	fmt.Println(stores[1].Set(ctx, kv.Name("motd"), []byte("hello")))
	record, err := stores[2].Get(ctx, kv.Name("motd"))
	fmt.Printf("%s %v\n", record.Value, err)
	fmt.Println(stores[3].Set(ctx, kv.Name("motd"), []byte("goodbye")))

	// Under the hash of a value there is that value and no other.
	key, err := stores[4].Put(ctx, []byte("for ever"))
	fmt.Println(key, err)
	record, err = stores[5].Get(ctx, key)
	fmt.Printf("%s %v\n", record.Value, err)
	// Output:
	// <nil>
	// hello <nil>
	// kv: somebody else has that name
	// hash 45b578d35835dca2d447ecb3fb14977c35a100836a5716943f8f12426fa5f684 <nil>
	// for ever <nil>
}

// With a key of one's own a value can be replaced by its owner, in whatever program, and by nobody else.
func ExampleOwned() {
	ctx := context.Background()
	net, err := dhtrpc.Testnet(ctx, 3, dhtrpc.TestnetConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer net.Close()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	writer, err := kv.Open(net.Nodes[0], kv.Config{Key: key})
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Close()
	reader, err := kv.Open(net.Nodes[1], kv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()

	for _, status := range []string{"at home", "on the road"} {
		if err := writer.Set(ctx, writer.Own("status"), []byte(status)); err != nil {
			log.Fatal(err)
		}
	}
	record, err := reader.Get(ctx, kv.Owned(pub, "status"))
	fmt.Printf("%s %v\n", record.Value, err)
	fmt.Println(reader.Set(ctx, kv.Owned(pub, "status"), nil))
	// Output:
	// on the road <nil>
	// kv: the key belongs to somebody else
}
