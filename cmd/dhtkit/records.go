package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
)

// schema is the number of the record formats. Within it fields are added, never renamed.
const schema = 1

// The records of --json. Type comes first in each.
type (
	startRecord struct {
		Type      string   `json:"type"`
		Schema    int      `json:"schema"`
		Version   string   `json:"version"`
		Verb      string   `json:"verb"`
		Time      stamp    `json:"time"`
		Addr      string   `json:"addr,omitempty"`  // our socket, the first of several
		Addrs     []string `json:"addrs,omitempty"` // all of several sockets
		ID        string   `json:"id,omitempty"`    // our node
		Network   string   `json:"network"`
		Local     int      `json:"local,omitempty"` // nodes of the embedded network
		Bootstrap []string `json:"bootstrap"`
		Rate      float64  `json:"rate"` // queries per second, 0: no limit
		Private   bool     `json:"private"`
	}

	nodeRecord struct {
		Type    string         `json:"type"`
		ID      krpc.ID        `json:"id"`
		Addr    netip.AddrPort `json:"addr"`
		Version string         `json:"version,omitempty"`
		RTT     millis         `json:"rtt_ms"`
		Target  *krpc.ID       `json:"target,omitempty"` // of find
		Time    stamp          `json:"time"`
	}

	peerRecord struct {
		Type     string         `json:"type"`
		InfoHash krpc.ID        `json:"info_hash"`
		Addr     netip.AddrPort `json:"addr"`
		Time     stamp          `json:"time"`
	}

	storedRecord struct {
		Type     string         `json:"type"`
		InfoHash *krpc.ID       `json:"info_hash,omitempty"`
		Target   *krpc.ID       `json:"target,omitempty"` // of put
		ID       krpc.ID        `json:"id"`
		Addr     netip.AddrPort `json:"addr"`
		Time     stamp          `json:"time"`
	}

	pongRecord struct {
		Type    string          `json:"type"`
		Addr    netip.AddrPort  `json:"addr"`
		ID      krpc.ID         `json:"id"`
		Version string          `json:"version,omitempty"`
		RTT     millis          `json:"rtt_ms"`
		Own     *netip.AddrPort `json:"own,omitempty"` // our address as the node sees it
		Outcome string          `json:"outcome"`
		Time    stamp           `json:"time"`
	}

	replyRecord struct {
		Type    string          `json:"type"`
		Addr    netip.AddrPort  `json:"addr"`
		Method  string          `json:"method"`
		Outcome string          `json:"outcome"`
		RTT     millis          `json:"rtt_ms"`
		Message json.RawMessage `json:"message"` // see textual
		Raw     string          `json:"raw"`     // the datagram in hex
		Time    stamp           `json:"time"`
	}

	lossRecord struct {
		Type    string `json:"type"`
		Addr    string `json:"addr"`
		Outcome string `json:"outcome"`
		Code    int    `json:"code,omitempty"`  // of a krpc-error
		Error   string `json:"error,omitempty"` // in words
		Time    stamp  `json:"time"`
	}

	hopRecord struct {
		Type    string         `json:"type"`
		Event   string         `json:"event"` // ask, answer, late, failed
		Addr    netip.AddrPort `json:"addr"`
		ID      string         `json:"id,omitempty"`   // not known of a bootstrap address
		From    string         `json:"from,omitempty"` // address of the node that named it
		Bits    int            `json:"bits"`           // leading bits its id shares with the target
		Elapsed millis         `json:"elapsed_ms"`
	}
)

// totals are what every summary ends with.
type totals struct {
	Queries  uint64            `json:"queries"`
	Answered uint64            `json:"answered"`
	Seconds  seconds           `json:"seconds"`
	Losses   map[string]uint64 `json:"losses"`
	Stopped  string            `json:"stopped,omitempty"` // signal, deadline, limit or output: why it ended early
}

func (t *totals) common() *totals { return t }

func (t *totals) tail() string {
	text := fmt.Sprintf("%s, %.1f s, lost: %s", queriesText(t.Queries, t.Answered), float64(t.Seconds)/1e9, lossText(t.Losses))
	if t.Stopped != "" {
		text += ", stopped early: " + t.Stopped
	}
	return text
}

func queriesText(queries, answered uint64) string {
	if queries == 1 {
		return fmt.Sprintf("1 query, %d answered", answered)
	}
	return fmt.Sprintf("%d queries, %d answered", queries, answered)
}

func newStart(verb string, net *network) *startRecord {
	r := &startRecord{
		Type: "start", Schema: schema, Version: version(), Verb: verb, Time: now(),
		Network: net.kind, Local: net.plan.local, Bootstrap: append([]string{}, net.bootstrap...), Rate: net.rate, Private: net.private,
	}
	if net.node != nil {
		r.Addr, r.ID = net.node.Addr().String(), net.node.ID().String()
		if addrs := net.addrs(); addrs != r.Addr {
			r.Addrs = strings.Fields(addrs)
		}
	}
	return r
}

// version is that of the module the command was built from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func platform() string { return runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH }

// stamp is a time as records have it: UTC, RFC 3339 with milliseconds.
type stamp time.Time

func now() stamp { return stamp(time.Now()) }

func (s stamp) MarshalJSON() ([]byte, error) {
	return []byte(time.Time(s).UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// millis is a duration as records have it: milliseconds, as a number with three decimals.
type millis time.Duration

func (m millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, math.Round(float64(m)/1e3)/1e3, 'f', -1, 64), nil
}

// seconds is how long a run took: a number with three decimals.
type seconds time.Duration

func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, math.Round(float64(s)/1e6)/1e3, 'f', -1, 64), nil
}

// clientVersion makes the "v" of a message readable: two letters of client as they are, then the version in hex (BEP 5:
// "LT\x02\x0b" gives LT020b). What does not begin with two letters is all hex.
func clientVersion(v string) string {
	if len(v) < 2 || !graphic(v[0]) || !graphic(v[1]) {
		return fmt.Sprintf("%x", v)
	}
	return v[:2] + fmt.Sprintf("%x", v[2:])
}

func graphic(c byte) bool { return c > ' ' && c < 0x7f }

// orDash keeps columns apart where a value is missing.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// rttText is a round trip for people: "12.3ms".
func rttText(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/1e6, 'f', 2, 64) + "ms"
}

func rateText(rate float64) string {
	if rate == 0 {
		return "no limit of queries"
	}
	return strings.TrimSuffix(strconv.FormatFloat(rate, 'f', -1, 64), ".") + " queries/s"
}
