package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/dhtkit/dhtkit/internal/plot"
)

// svgFile is where a plot goes, if any. It is opened before the work, so that an hour of simulation is not in vain.
type svgFile struct {
	name  string
	force bool
	file  *os.File
	fresh bool // it was not there before
}

// open makes the file, or finds the one to overwrite. What is in that stays until there is something to put in its place.
func (f *svgFile) open() (err error) {
	if f.name == "" {
		return nil
	}
	f.file, err = os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if f.fresh = err == nil; errors.Is(err, fs.ErrExist) {
		if !f.force {
			return usagef("--svg %s exists: name another file, or add --force to overwrite it", f.name)
		}
		f.file, err = os.OpenFile(f.name, os.O_WRONLY, 0)
	}
	if err != nil {
		return usagef("--svg: %v: name a file that can be written", err)
	}
	return nil
}

// write draws a chart into the file; one without a line leaves no file behind.
func (f *svgFile) write(c *plot.Chart) (written bool, err error) {
	if f.file == nil {
		return false, nil
	}
	defer func() { err = errors.Join(err, f.file.Close()) }()
	if !drawable(c) {
		if f.fresh {
			err = os.Remove(f.name)
		}
		return false, err
	}
	if info, e := f.file.Stat(); e == nil && info.Mode().IsRegular() {
		if err := f.file.Truncate(0); err != nil {
			return false, err
		}
	}
	return true, c.Write(f.file)
}

func drawable(c *plot.Chart) bool {
	for _, p := range c.Panels {
		for _, l := range p.Lines {
			if len(l.Points) > 0 {
				return true
			}
		}
	}
	return false
}
