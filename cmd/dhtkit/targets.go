package main

import (
	"bufio"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/dhtkit/dhtkit/krpc"
)

// word is one argument: from the command line, or a line of standard input.
type word struct {
	text  string
	where string // for messages: "" or " (standard input, line 3)"
}

func (w word) String() string { return fmt.Sprintf("%q%s", w.text, w.where) }

// words replaces the argument "-" by the lines of standard input, without blank ones and # comments.
func words(args []string, stdin io.Reader) ([]word, error) {
	var all []word
	for _, arg := range args {
		if arg != "-" {
			all = append(all, word{text: arg})
			continue
		}
		lines, err := readLines(stdin)
		if err != nil {
			return nil, usagef("standard input: %v", err)
		}
		all = append(all, lines...)
	}
	if len(all) == 0 {
		return nil, usagef("standard input holds nothing to work on: one item a line, # begins a comment")
	}
	return all, nil
}

func readLines(r io.Reader) ([]word, error) {
	var lines []word
	in := bufio.NewScanner(r)
	for number := 1; in.Scan(); number++ {
		if text := uncommented(in.Text()); text != "" {
			lines = append(lines, word{text, fmt.Sprintf(" (standard input, line %d)", number)})
		}
	}
	return lines, in.Err()
}

// uncommented cuts a comment: from a # at the begin of the line or after a blank.
func uncommented(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	return strings.TrimSpace(line)
}

// What the words of a verb stand for, for messages.
const (
	anInfoHash = "an info hash: 40 hex digits, 32 base32 characters, or a magnet link with one of them (xt=urn:btih:…)"
	anID       = "an id: 40 hex digits"
)

// hashes reads info hashes, magnet links and ids, each once. what says which of them are expected.
func hashes(all []word, what string) ([]krpc.ID, error) {
	var ids []krpc.ID
	seen := make(map[krpc.ID]bool)
	for _, w := range all {
		id, ok := parseHash(w.text)
		if !ok {
			return nil, usagef("%v is not %s", w, what)
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func parseHash(text string) (krpc.ID, bool) {
	if len(text) > 7 && strings.EqualFold(text[:7], "magnet:") {
		return parseMagnet(text)
	}
	return parseDigits(text)
}

// parseDigits reads 20 bytes as hex or, as old magnet links have it, base32.
func parseDigits(text string) (id krpc.ID, ok bool) {
	var b []byte
	var err error
	switch len(text) {
	case hex.EncodedLen(len(id)):
		b, err = hex.DecodeString(text)
	case base32.StdEncoding.EncodedLen(len(id)):
		b, err = base32.StdEncoding.DecodeString(strings.ToUpper(text))
	default:
		return id, false
	}
	if err != nil {
		return id, false
	}
	return krpc.ID(b), true
}

// parseMagnet takes the info hash of a magnet link (BEP 9): the first xt that is a urn:btih, else of a urn:btmh, whose 32
// bytes the DHT cuts to 20 (BEP 52).
func parseMagnet(text string) (id krpc.ID, ok bool) {
	_, query, _ := strings.Cut(text, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return id, false
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if key != "xt" && !strings.HasPrefix(key, "xt.") {
			continue
		}
		for _, topic := range values[key] {
			if hash, found := cutPrefixFold(topic, "urn:btih:"); found {
				return parseDigits(hash)
			}
			if hash, found := cutPrefixFold(topic, "urn:btmh:1220"); found && len(hash) == 64 {
				id, ok = parseDigits(hash[:40])
			}
		}
	}
	return id, ok
}

func cutPrefixFold(s, prefix string) (after string, found bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
