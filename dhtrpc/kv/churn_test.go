package kv

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
)

// churn is a network of which half of the nodes leave and are replaced each hour, one at a time and without a word.
type churn struct {
	nodes, keys, hours int
	republish          time.Duration
}

// Values outlive the nodes that keep them, and those that wrote them: 1,000 keys of all kinds, written by all nodes.
func TestChurn(t *testing.T) {
	if testing.Short() {
		synctest.Test(t, churn{nodes: 40, keys: 60, hours: 3}.test)
		return
	}
	for name, republish := range map[string]time.Duration{"on": 0, "off": -1} {
		t.Run("republish "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, churn{nodes: 100, keys: 1000, hours: 4, republish: republish}.test)
		})
	}
}

func (c churn) test(t *testing.T) {
	l := newLab(t, c.nodes, Config{Republish: c.republish}, simnet.Config{Seed: 1})
	rng := rand.New(rand.NewPCG(1, 2))
	keys := c.write(l)
	var share float64
	for hour := range c.hours {
		leaving := rng.Perm(c.nodes)[:c.nodes/2]
		old := append([]*Store(nil), l.stores...)
		for _, i := range leaving {
			l.leave(old[i])
			l.add(dhtrpc.Config{})
			time.Sleep(time.Hour / time.Duration(len(leaving)))
		}
		if hour > 0 && hour < c.hours-1 {
			continue
		}
		readable := c.read(l, keys, rng)
		share = float64(readable) / float64(len(keys))
		t.Logf("%d nodes, after %d h: %d of %d keys readable (%.1f %%)", c.nodes, hour+1, readable, len(keys), 100*share)
		if hour == 0 || c.republish >= 0 {
			require.GreaterOrEqual(t, share, 0.999)
		}
	}
	if c.republish < 0 {
		require.Less(t, share, 0.8, "what republishing is for")
	}
}

// each runs do for every index below n, 32 at a time.
func each(n int, do func(i int)) {
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := w; i < n; i += 32 {
				do(i)
			}
		})
	}
	wg.Wait()
}

func (c churn) write(l *lab) []Key {
	keys := make([]Key, c.keys)
	each(c.keys, func(i int) {
		s := l.stores[i%len(l.stores)]
		value := fmt.Appendf(nil, "value %d", i)
		keys[i] = []Key{HashOf(value), s.Own(fmt.Sprint(i)), Name(fmt.Sprint("name ", i))}[i%3]
		if err := s.Set(context.Background(), keys[i], value); err != nil {
			l.t.Errorf("%v: %v", keys[i], err)
		}
	})
	return keys
}

// read counts the keys that nodes chosen at random still find.
func (c churn) read(l *lab, keys []Key, rng *rand.Rand) (readable int) {
	readers := make([]*Store, len(keys))
	for i := range readers {
		readers[i] = l.stores[rng.IntN(len(l.stores))]
	}
	var mu sync.Mutex
	each(len(keys), func(i int) {
		r, err := readers[i].Get(context.Background(), keys[i])
		mu.Lock()
		defer mu.Unlock()
		if err == nil && string(r.Value) == fmt.Sprintf("value %d", i) {
			readable++
		}
	})
	return readable
}
