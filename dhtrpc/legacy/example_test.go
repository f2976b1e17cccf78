package legacy_test

import (
	"encoding/hex"
	"fmt"

	"github.com/dhtkit/dhtkit/dhtrpc/legacy"
)

func ExampleParse() {
	datagram, _ := hex.DecodeString("080110013a055f70696e67")
	m, err := legacy.Parse(datagram)
	if err != nil {
		return // not one of ours
	}
	fmt.Printf("%v %d: %s\n", m.Type, m.RID, m.Command)
	// Output: query 1: _ping
}
