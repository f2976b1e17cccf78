package mainline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"golang.org/x/time/rate"
)

// PublicBootstrap are the names through which the public network is joined. They are configuration, never forced on
// anybody (BEP 5): a node without Config.Bootstrap talks to nobody.
var PublicBootstrap = []string{
	"router.bittorrent.com:6881",
	"router.utorrent.com:6881",
	"dht.transmissionbt.com:6881",
	"dht.libtorrent.org:25401",
}

// Config of a Node. The zero value works: an address of its own choice, a random id, nobody to join.
type Config struct {
	ID        krpc.ID           // own id, kept as it is; zero means a random one that follows our external address (see Secure)
	Secure    Secure            // what ids that suit their address are worth (BEP 42)
	Bootstrap []string          // HOST:PORT to join through; see PublicBootstrap
	Nodes     []krpc.Node       // contacts known from elsewhere, asked before any bootstrap address
	State     *State            // what an earlier run saved (LoadState): ids, contacts and the rest
	Private   bool              // a network on loopback or private addresses
	Diverse   bool              // on a private network, too, one node per address and few per /24
	ReadOnly  bool              // BEP 43: ask, and answer nothing
	Version   string            // "v" of our messages, 4 bytes; "" means "DK\x00\x01", "-" none
	Peers     PeerStore         // where announced peers are kept; nil means NewPeerStore with its defaults
	Items     ItemStore         // where items are kept that others put; nil means NewItemStore, without PerSource if Private
	Samples   time.Duration     // how long a sample of our info hashes stays the same (BEP 51), to 6h; 0 means 5 min, negative: give none
	Rate      float64           // queries per second; 0 means 250, or no limit on a private network; negative no limit
	Timeout   time.Duration     // a silent node has failed after this; 0 means 4s
	Window    int               // queries in flight of the whole node; 0 means 1024
	Inbound   socket.Inbound    // limits on the queries of strangers; zero means socket.PublicInbound, or none on a private network
	Terse     bool              // answer at most 3.2 times as long as asked, not 12, whoever has not repeated a token of ours lately
	Far       []int             // capacities of the far buckets, farthest first; nil means 128, 64, 32, 16 unless ReadOnly; empty means 8 as near ones
	NoUpkeep  bool              // do not join, ping or refresh: the table lives on what lookups bring
	OnQuery   func(*krpc.Query) // hears of every query that was answered, after the fact; must not block
	Logger    *slog.Logger      // nil means no log

	// Resolve turns the host of a bootstrap name into addresses; nil means the system's resolver. See krpc.Config.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// Seed makes ids, transaction ids, tokens and samples repeatable, for simulators. nil: drawn from the system's random
	// source. Whoever knows the seed can forge replies and tokens.
	Seed *[32]byte

	own krpc.ID // id of the first endpoint
}

// defaultVersion marks our messages: client letters, then two bytes of version (BEP 5).
const defaultVersion = "DK\x00\x01"

func (c Config) withDefaults() Config {
	c.own = c.firstID()
	c.Version = cmp.Or(c.Version, defaultVersion)
	if c.Rate == 0 && !c.Private {
		c.Rate = 250
	}
	if c.Far == nil && !c.ReadOnly {
		c.Far = routing.WideFar
	}
	if c.Peers == nil {
		peers := StoreConfig{Own: c.own, Rand: c.rand("store")}
		if c.Private {
			peers.PerSource = -1
		}
		c.Peers = NewPeerStore(peers)
	}
	if c.Items == nil {
		items := ItemStoreConfig{Own: c.own, Rand: c.rand("items")}
		if c.Private {
			items.PerSource = -1
		}
		c.Items = NewItemStore(items)
	}
	return c
}

// readOnlyRefresh is after what time a read-only node looks for new nodes in a bucket, eight times that of BEP 5: nobody asks
// for its table.
const readOnlyRefresh = 2 * time.Hour

// terse is how many times the length of its query an answer has at most in a terse node: enough for eight nodes.
const terse = 3.2

func (c Config) rpc() krpc.Config {
	out := krpc.Config{
		Bootstrap: c.Bootstrap,
		Resolve:   c.Resolve,
		Private:   c.Private,
		Diverse:   c.Diverse,
		ReadOnly:  c.ReadOnly,
		Timeout:   c.Timeout,
		Upkeep:    !c.NoUpkeep,
		Logger:    c.Logger,
		Table:     routing.Config{Far: c.Far, Prefer: c.prefer()},
		Socket:    socket.Config{Window: c.Window, Inbound: c.Inbound, Logger: c.Logger},
	}
	if c.ReadOnly {
		out.Table.RefreshAfter = readOnlyRefresh
	}
	if c.Terse {
		out.AmplifyStrangers = terse
	}
	if c.Version != "-" {
		out.Version = []byte(c.Version)
	}
	if c.Rate > 0 {
		out.Socket.Packets, out.Socket.Burst = rate.Limit(c.Rate), max(1, int(c.Rate/10))
	}
	out.Nodes = contactsOf(c.Nodes)
	return out
}

// derived returns a seed of its own for each use of Config.Seed, nil without one.
func (c *Config) derived(use string, index int) *[32]byte {
	if c.Seed == nil {
		return nil
	}
	b := append(append(c.Seed[:len(c.Seed):len(c.Seed)], byte(index>>8), byte(index)), use...)
	sum := sha256.Sum256(b)
	return &sum
}

// firstID returns the id of the first endpoint: the one given, that of an earlier run, or a random one.
func (c *Config) firstID() krpc.ID {
	if !c.ID.IsZero() {
		return c.ID
	}
	if c.State != nil && len(c.State.Endpoints) > 0 {
		return c.State.Endpoints[0].ID
	}
	return c.randomID("id", 0)
}

// randomID returns a random id.
func (c *Config) randomID(use string, index int) krpc.ID {
	if seed := c.derived(use, index); seed != nil {
		return krpc.ID(seed[:])
	}
	return krpc.RandomID()
}

// rand returns a source of random numbers, nil without a seed.
func (c *Config) rand(use string) *rand.Rand {
	if seed := c.derived(use, 0); seed != nil {
		return rand.New(rand.NewChaCha8(*seed))
	}
	return nil
}

// entropy returns what draws token secrets, nil without a seed.
func (c *Config) entropy(index int) func([]byte) {
	seed := c.derived("token", index)
	if seed == nil {
		return nil
	}
	source := rand.NewChaCha8(*seed)
	return func(b []byte) { source.Read(b) }
}
