package routing_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/routing"
)

func node(key byte) routing.Node {
	return routing.Node{
		Key:  routing.Key{key},
		Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, key, 1}), 6881),
	}
}

// A table takes nodes that answered; one that only asked us something waits until it has been verified.
func ExampleTable() {
	now := time.Unix(1_800_000_000, 0)
	t := routing.NewTable(routing.Key{0x10}, routing.Config{KeyLen: 1})
	t.Answered(node(0x80), 40*time.Millisecond, now)
	t.Answered(node(0x81), 90*time.Millisecond, now)
	t.Heard(node(0x90), now)

	for _, n := range t.AppendClosest(nil, routing.Key{0x83}, 8) {
		fmt.Printf("%#x at %v\n", n.Key[0], n.Addr)
	}
	tasks, _ := t.Due(nil, now.Add(2*time.Minute))
	fmt.Printf("to be pinged: %#x\n", tasks[0].Node.Key[0])
	// Output:
	// 0x81 at 192.0.129.1:6881
	// 0x80 at 192.0.128.1:6881
	// to be pinged: 0x90
}

// A lookup decides whom to ask; the steps in between are its owner's.
func ExampleLookup() {
	l := routing.NewLookup(routing.Key{}, routing.LookupConfig{K: 1, Alpha: 1})
	l.Add(node(0x80), routing.Node{})
	far, _ := l.Next()
	l.Add(node(0x01), far) // its reply names two nodes
	l.Add(node(0x02), far)
	l.Settle(far, routing.Alive)

	near, _ := l.Next()
	l.Settle(near, routing.Late) // the next one may be asked, the answer is still welcome
	next, _ := l.Next()
	l.Settle(next, routing.Alive)
	l.Settle(near, routing.Alive)

	fmt.Println(l.Done(), l.AppendClosest(nil, 1)[0].Key[0])
	// Output: true 1
}

// reply and network are a protocol as the drivers see it: three nodes that know each other in a row.
type reply struct{ key byte }

func (r reply) Sender() routing.Node { return node(r.key) }

func (r reply) Contacts(yield func(routing.Node) bool) {
	if r.key > 1 {
		yield(node(r.key - 1))
	}
}

type network struct{ queue []routing.Event[reply] }

func (n *network) Ask(to routing.Node, soft, hard time.Duration) error {
	n.queue = append(n.queue, routing.Event[reply]{Node: to, Reply: reply{to.Key[0]}, RTT: 20 * time.Millisecond})
	return nil
}

func (n *network) Wait(ctx context.Context) (routing.Event[reply], error) {
	if len(n.queue) == 0 {
		return routing.Event[reply]{}, cmp.Or(context.Cause(ctx), errors.New("closed"))
	}
	ev := n.queue[0]
	n.queue = n.queue[1:]
	return ev, nil
}

func (n *network) Close() { n.queue = nil }

// A walk is a lookup that runs over an Asker while its replies are ranged over.
func ExampleWalk() {
	w := routing.NewWalk(routing.Key{}, routing.Fast(), &network{})
	w.Add(node(3))
	for r, err := range w.Replies(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("reply of", r.key)
	}
	keys := slices.Collect(func(yield func(byte) bool) {
		for _, n := range w.ClosestNodes() {
			yield(n.Key[0])
		}
	})
	fmt.Println("closest:", keys)
	// Output:
	// reply of 3
	// reply of 2
	// reply of 1
	// closest: [1 2 3]
}

// A batch asks each node of a list once.
func ExampleBatch() {
	b := routing.NewBatch([]routing.Node{node(1), node(2), node(1)}, 4, routing.LookupConfig{}, &network{})
	for r, err := range b.Replies(context.Background()) {
		fmt.Println(r.key, err)
	}
	fmt.Println(b.Stats().Answered, "answered")
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 2 answered
}
