package mainline_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// startTwo starts two nodes that know each other, in memory: with mainline.Listen the same runs over UDP.
func startTwo() (first, second *mainline.Node, stop func()) {
	latency := func(from, to netip.AddrPort) time.Duration { return time.Millisecond }
	net := simnet.New(simnet.Config{Seed: 1, Latency: latency})
	start := func(addr string, bootstrap ...string) *mainline.Node {
		node, err := mainline.New(mainline.Config{Bootstrap: bootstrap}, net.Listen(netip.MustParseAddrPort(addr)))
		if err != nil {
			log.Fatal(err)
		}
		return node
	}
	first = start("30.0.0.1:6881")
	second = start("30.0.1.1:6881", "30.0.0.1:6881")
	return first, second, func() {
		second.Close()
		first.Close()
		net.Close()
	}
}

// The target of an immutable item is the hash of its value: what is found is what was put.
func ExampleNode_GetItem() {
	ctx := context.Background()
	first, second, stop := startTwo()
	defer stop()

	item, err := mainline.NewItem("Hello World!")
	if err != nil {
		log.Fatal(err)
	}
	for node, err := range second.PutItem(item).Stored(ctx) {
		fmt.Println("stored at", node.Addr, err)
	}
	for item, err := range first.GetItem(item.Target()).Items(ctx) {
		fmt.Printf("%s %s %v\n", item.Target(), item.V, err)
	}
	// Output:
	// stored at 30.0.0.1:6881 <nil>
	// e5f96f6f38320f0f33959cb4d3d656452117aadb 12:Hello World! <nil>
}

// A mutable item is replaced by whoever has the key. Cas makes sure that what is replaced is what was read before.
func ExampleNode_PutItem() {
	ctx := context.Background()
	first, second, stop := startTwo()
	defer stop()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)) // keep a random one
	salt := []byte("status")

	put := func(seq int64, value string, opts ...mainline.PutOption) {
		item, err := mainline.SignItem(key, salt, seq, value)
		if err != nil {
			log.Fatal(err)
		}
		for _, err := range second.PutItem(item, opts...).Stored(ctx) {
			fmt.Println("put", value, err)
		}
	}
	put(1, "asleep")
	put(2, "awake", mainline.Cas(1))
	put(3, "asleep again", mainline.Cas(1))

	lookup := first.GetItem(mainline.MutableTarget(key.Public().(ed25519.PublicKey), salt), mainline.Salt(salt))
	for item, err := range lookup.Items(ctx) {
		var status string
		fmt.Println(item.Seq, item.Decode(&status), status, err)
	}
	// Output:
	// put asleep <nil>
	// put awake <nil>
	// put asleep again mainline: put conflicts with a stored item of seq 2
	// 2 <nil> awake <nil>
}

// An item is forgotten after two hours: whoever wants it to stay keeps putting it.
func ExampleNode_Keep() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, second, stop := startTwo()
	defer stop()
	item, err := mainline.NewItem([]string{"a", "list"})
	if err != nil {
		log.Fatal(err)
	}
	for round, err := range second.Keep(ctx, item, 0) { // every hour
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println("stored at", len(round.Stored), "nodes:", round.Err)
		cancel() // or go on
	}
	// Output:
	// stored at 1 nodes: <nil>
	// context canceled
}

// The owner of a key publishes which torrent is the current one.
func ExampleNode_ResolveTorrent() {
	ctx := context.Background()
	first, second, stop := startTwo()
	defer stop()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

	put, err := second.PublishTorrent(key, []byte("nightly"), 1, krpc.ID{0xca, 0xfe})
	if err != nil {
		log.Fatal(err)
	}
	for range put.Stored(ctx) {
	}
	link := mainline.MutableTorrent{Key: key.Public().(ed25519.PublicKey), Salt: []byte("nightly")}.String()

	torrent, err := mainline.ParseMagnet(link)
	if err != nil {
		log.Fatal(err)
	}
	for version, err := range first.ResolveTorrent(torrent).Versions(ctx) {
		fmt.Println(version.Seq, version.InfoHash, err)
	}
	// Output:
	// 1 cafe000000000000000000000000000000000000 <nil>
}
