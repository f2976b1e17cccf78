package main

import (
	"sync"
	"time"
)

// How often progress is shown: where a line can be redrawn, and where each one stays.
const (
	redrawEvery = time.Second
	logEvery    = 30 * time.Second
)

// progress shows how far a run is, on standard error only.
type progress struct {
	console *console
	every   time.Duration // zero: never
	redraw  bool

	mu   sync.Mutex // guards what follows
	text func() string

	once sync.Once
	done chan struct{}
	wg   sync.WaitGroup
}

// newProgress shows nothing until start. mode is that of --progress: auto, always or never.
func newProgress(c *console, mode string) *progress {
	p := &progress{console: c, redraw: c.errTTY, done: make(chan struct{})}
	switch {
	case mode == "never" || (mode == "auto" && c.quiet):
	case mode == "always" || c.errTTY:
		p.every = redrawEvery
	default:
		p.every = logEvery
	}
	return p
}

// show sets what is shown from now on and begins to show it.
func (p *progress) show(text func() string) {
	p.mu.Lock()
	p.text = text
	p.mu.Unlock()
	if p.every == 0 {
		return
	}
	p.once.Do(func() {
		p.wg.Go(p.loop) // the progress goroutine: ends with stop
	})
}

func (p *progress) loop() {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
			p.mu.Lock()
			text := p.text
			p.mu.Unlock()
			p.console.draw(text(), p.redraw)
		}
	}
}

// stop ends the showing and leaves the terminal's line empty. It is called once.
func (p *progress) stop() {
	close(p.done)
	p.wg.Wait()
	p.console.clear()
}
