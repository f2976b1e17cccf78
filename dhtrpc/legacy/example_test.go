package legacy_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc/legacy"
)

// A key-value store: nodes that keep values under their hashes, somebody who inserts one, and somebody who looks for it.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	onLoopback := legacy.Config{Private: true}

	// A node to begin with. It is ephemeral: others do not list it, it is there to be asked.
	bootstrap, err := legacy.Listen("127.0.0.1:0", legacy.Config{Ephemeral: true, Private: true})
	if err != nil {
		log.Fatal(err)
	}
	defer bootstrap.Close()
	onLoopback.Bootstrap = []string{bootstrap.Addr().String()}

	// Some nodes that can store values.
	for range 30 {
		node, err := legacy.Listen("127.0.0.1:0", onLoopback)
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		values := make(map[legacy.ID][]byte) // handlers run one after the other
		node.OnUpdate("values", func(r *legacy.Request) {
			if r.Value != nil {
				values[sha256.Sum256(r.Value)] = append([]byte{}, r.Value...) // r is gone when we return
			}
			r.Reply(nil)
		})
		node.OnQuery("values", func(r *legacy.Request) {
			if len(r.Target) == legacy.IDSize {
				r.Reply(values[legacy.ID(r.Target)])
			}
		})
		if err := node.Ready(ctx); err != nil {
			log.Fatal(err)
		}
	}

	// Insert a value at the nodes closest to its hash.
	onLoopback.Ephemeral = true // we are not part of the network
	me, err := legacy.Listen("127.0.0.1:0", onLoopback)
	if err != nil {
		log.Fatal(err)
	}
	defer me.Close()
	value := []byte("hello, dht")
	key := legacy.ID(sha256.Sum256(value))
	stored := 0
	for _, err := range me.Update("values", key, value).Replies(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		stored++
	}
	fmt.Println("stored at", stored, "nodes")

	// Look for it.
	for reply, err := range me.Query("values", key, nil).Replies(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if sha256.Sum256(reply.Value) == key {
			fmt.Printf("%s... --> %s\n", key.String()[:8], reply.Value)
			break // there is no need to go on
		}
	}
	// Output:
	// stored at 20 nodes
	// cb4a52b3... --> hello, dht
}

func ExampleParse() {
	datagram, _ := hex.DecodeString("080110013a055f70696e67")
	m, err := legacy.Parse(datagram)
	if err != nil {
		return // not one of ours
	}
	fmt.Printf("%v %d: %s\n", m.Type, m.RID, m.Command)
	// Output: query 1: _ping
}
