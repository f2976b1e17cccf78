package dhtrpc

import (
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc/internal/token"
)

// tokenLifetime is how long a secret makes tokens; for as long again they are still taken (dht-rpc 4).
const tokenLifetime = 7500 * time.Millisecond

// newJar returns what proves round trips: what an address sends back was sent to it.
func newJar() token.Jar { return token.Jar{Lifetime: tokenLifetime, Keyed: true} }
