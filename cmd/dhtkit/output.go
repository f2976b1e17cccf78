package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
)

// console is where a run writes: results to out, everything meant for a person to err. Safe for concurrent use.
type console struct {
	json    bool
	quiet   bool
	verbose int

	outTTY, errTTY bool // immutable

	mu     sync.Mutex // guards what follows
	out    io.Writer
	err    io.Writer
	drawn  bool        // the progress line stands at the end of the terminal
	broken error       // the first failure to write to out; nothing is written after it
	onFail func(error) // hears of broken once; may be nil
}

func newConsole(out, err io.Writer) *console {
	return &console{out: out, err: err, outTTY: terminal(out), errTTY: terminal(err)}
}

// terminal reports whether a line on w may be redrawn.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// result writes one result: text, or the record with --json. Either may be left out ("" or nil), then nothing is written
// in that form.
func (c *console) result(text string, record any) {
	var line []byte
	switch {
	case c.json && record != nil:
		line = encode(record)
	case !c.json && text != "":
		line = append([]byte(text), '\n')
	default:
		return
	}
	c.raw(line)
}

// raw writes bytes to out as they are.
func (c *console) raw(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outTTY {
		c.clearLocked()
	}
	if c.broken != nil {
		return
	}
	if _, c.broken = c.out.Write(b); c.broken != nil && c.onFail != nil {
		c.onFail(c.broken)
	}
}

// failed returns the first failure to write a result.
func (c *console) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// encode returns a record as one line of JSON.
func encode(record any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(record); err != nil {
		panic(fmt.Sprintf("a record that JSON cannot hold: %v", err)) // a bug: records are ours
	}
	return b.Bytes()
}

// note tells a person something; not with --quiet.
func (c *console) note(format string, args ...any) {
	if !c.quiet {
		c.say(format, args...)
	}
}

// detail is for who asked for more with -v.
func (c *console) detail(format string, args ...any) {
	if c.verbose > 0 {
		c.say(format, args...)
	}
}

// say writes a line to err.
func (c *console) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearLocked()
	fmt.Fprintf(c.err, format+"\n", args...)
}

// Write makes the console the place where logs go.
func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearLocked()
	return c.err.Write(b)
}

// draw shows how far the run is: in place of the last time if redraw, else as a line of its own.
func (c *console) draw(text string, redraw bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearLocked()
	if c.drawn = redraw; redraw {
		fmt.Fprint(c.err, text)
		return
	}
	fmt.Fprintln(c.err, text)
}

func (c *console) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearLocked()
}

func (c *console) clearLocked() {
	if c.drawn {
		fmt.Fprint(c.err, "\r\x1b[K")
		c.drawn = false
	}
}
