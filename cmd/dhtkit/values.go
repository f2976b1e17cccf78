package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parseFields reads KEY=VALUE arguments into what bencode can write.
func parseFields(args []string) (map[string]any, error) {
	fields := make(map[string]any)
	for _, arg := range args {
		key, text, found := strings.Cut(arg, "=")
		if !found || key == "" {
			return nil, usagef("argument %q is not KEY=VALUE", arg)
		}
		if _, twice := fields[key]; twice {
			return nil, usagef("argument %q: %s was given before", arg, key)
		}
		value, err := parseValue(text)
		if err != nil {
			return nil, usagef("argument %q: %v", arg, err)
		}
		fields[key] = value
	}
	return fields, nil
}

// parseValue reads one value; the prefix says its type.
func parseValue(text string) (any, error) {
	prefix, rest, _ := strings.Cut(text, ":")
	switch prefix {
	case "text":
		return rest, nil
	case "hex":
		b, err := hex.DecodeString(rest)
		if err != nil {
			return nil, fmt.Errorf("%q is not hex: %v", rest, err)
		}
		return string(b), nil
	case "int":
		return parseInt(rest)
	case "json":
		return parseJSON(rest)
	}
	if digits(text) {
		return parseInt(text)
	}
	return text, nil
}

// parseTyped is parseValue for a value that is text unless a prefix says otherwise.
func parseTyped(text string) (any, error) {
	if digits(text) {
		return text, nil
	}
	return parseValue(text)
}

// digits reports whether text is a number as bencode would write it.
func digits(text string) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && strconv.FormatInt(n, 10) == text
}

func parseInt(text string) (any, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not an integer of 64 bits", text)
	}
	return n, nil
}

func parseJSON(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %v", err)
	}
	if dec.More() {
		return nil, fmt.Errorf("not one JSON value: something follows it")
	}
	return bencodable(v)
}

// bencodable turns a JSON value into one that bencode has: no fractions, no null; true is 1.
func bencodable(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return parseInt(v.String())
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case string:
		if strings.HasPrefix(v, "hex:") || strings.HasPrefix(v, "text:") {
			return parseValue(v)
		}
		return v, nil
	case []any:
		for i := range v {
			item, err := bencodable(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = item
		}
		return v, nil
	case map[string]any:
		for key := range v {
			item, err := bencodable(v[key])
			if err != nil {
				return nil, err
			}
			v[key] = item
		}
		return v, nil
	}
	return nil, fmt.Errorf("bencode has no %v", v)
}

// maxShown bounds how deep a message is shown. Messages that krpc.Parse takes are not deeper.
const maxShown = 64

// textual writes a bencoded message as JSON: dictionaries in the order they came in, strings as they are if they are
// printable text, else as "hex:…". What is no bencode shows as one such string.
func textual(b []byte) json.RawMessage {
	var out bytes.Buffer
	if _, ok := transcode(&out, b, 0); !ok {
		out.Reset()
		writeString(&out, b)
	}
	return out.Bytes()
}

// transcode writes the value at the begin of b and returns what follows it.
func transcode(out *bytes.Buffer, b []byte, depth int) (rest []byte, ok bool) {
	if len(b) == 0 || depth > maxShown {
		return nil, false
	}
	switch b[0] {
	case 'i':
		return transcodeInt(out, b[1:])
	case 'l':
		return transcodeMany(out, b[1:], depth, '[', ']')
	case 'd':
		return transcodeMany(out, b[1:], depth, '{', '}')
	}
	text, rest, ok := cutString(b)
	if ok {
		writeString(out, text)
	}
	return rest, ok
}

func transcodeInt(out *bytes.Buffer, b []byte) (rest []byte, ok bool) {
	number, rest, found := bytes.Cut(b, []byte("e"))
	if !found || !digits(string(number)) {
		return nil, false
	}
	out.Write(number)
	return rest, true
}

// transcodeMany writes a list, or a dictionary, whose keys are strings.
func transcodeMany(out *bytes.Buffer, b []byte, depth int, open, shut byte) (rest []byte, ok bool) {
	out.WriteByte(open)
	for first := true; len(b) > 0 && b[0] != 'e'; first = false {
		if !first {
			out.WriteByte(',')
		}
		if open == '{' {
			key, rest, ok := cutString(b)
			if !ok {
				return nil, false
			}
			writeString(out, key)
			out.WriteByte(':')
			b = rest
		}
		if b, ok = transcode(out, b, depth+1); !ok {
			return nil, false
		}
	}
	if len(b) == 0 {
		return nil, false
	}
	out.WriteByte(shut)
	return b[1:], true
}

// cutString cuts LENGTH:BYTES off b.
func cutString(b []byte) (text, rest []byte, ok bool) {
	length, after, found := bytes.Cut(b, []byte(":"))
	n, err := strconv.ParseUint(string(length), 10, 31)
	if !found || err != nil || n > math.MaxInt32 || int(n) > len(after) {
		return nil, nil, false
	}
	return after[:n], after[n:], true
}

func writeString(out *bytes.Buffer, b []byte) {
	text := string(b)
	if !printable(text) || strings.HasPrefix(text, "hex:") {
		text = "hex:" + hex.EncodeToString(b)
	}
	out.Write(bytes.TrimSuffix(encode(text), []byte("\n")))
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
