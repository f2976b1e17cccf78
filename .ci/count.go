// Command count reads the output of "go test -json" on standard input and says what happened: a line for
// each package, all output of the tests that failed, the reason of those that were skipped, and at the end
// "N passed, N failed, N skipped". A test counts, and so does each of its subtests; a package that fails
// without a failed test (it does not build, it panics outside of one) counts as one that failed. It exits
// with 1 if anything failed or no test ran, and with -no-skips also if one was skipped.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

// An event is a line of go test -json: see "go doc test2json".
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string // of a build-output event
	Elapsed                       float64
}

// name is what an event is about: a test, a package, or the build of one.
func (e *event) name() string {
	return strings.TrimSuffix(e.Package+" "+e.Test, " ") + e.ImportPath
}

// A tally counts tests and keeps their output until it is known whether it is of interest.
type tally struct {
	passed, failed, skipped int
	output                  map[string]*strings.Builder // by event.name
	failedIn                map[string]bool             // packages with a failed test
}

func main() {
	noSkips := flag.Bool("no-skips", false, "a skipped test is a failure")
	label := flag.String("label", "", "a word before the last line")
	flag.Parse()

	t := tally{output: make(map[string]*strings.Builder), failedIn: make(map[string]bool)}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Println(lines.Text()) // not of go test: a tool's complaint
			continue
		}
		t.add(&e)
	}
	if err := lines.Err(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if *label != "" {
		fmt.Print(*label, ": ")
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	if t.failed > 0 || t.passed == 0 || *noSkips && t.skipped > 0 {
		os.Exit(1)
	}
}

func (t *tally) add(e *event) {
	switch e.Action {
	case "output", "build-output":
		t.keep(e.name(), e.Output)
		return
	case "build-fail":
		fmt.Print(t.take(e.name()))
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	text := t.take(e.name())
	switch {
	case e.Test == "":
		t.endPackage(e, text)
	case e.Action == "pass":
		t.passed++
	case e.Action == "fail":
		t.failed++
		t.failedIn[e.Package] = true
		fmt.Print(text)
	default:
		t.skipped++
		fmt.Print(text)
	}
}

// endPackage prints a package's own line. A failed one has more to say: a panic, a race, a time-out.
func (t *tally) endPackage(e *event, text string) {
	switch e.Action {
	case "pass":
		fmt.Printf("ok    %-50s %6.1fs\n", e.Package, e.Elapsed)
	case "fail":
		if !t.failedIn[e.Package] {
			t.failed++
		}
		fmt.Printf("%sFAIL  %-50s %6.1fs\n", text, e.Package, e.Elapsed)
	}
}

func (t *tally) keep(name, text string) {
	b := t.output[name]
	if b == nil {
		b = new(strings.Builder)
		t.output[name] = b
	}
	b.WriteString(text)
}

// take returns what was kept under a name and forgets it.
func (t *tally) take(name string) string {
	b := t.output[name]
	delete(t.output, name)
	if b == nil {
		return ""
	}
	return b.String()
}
