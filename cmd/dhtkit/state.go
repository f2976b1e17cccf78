package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dhtkit/dhtkit/mainline"
)

// Ours: how often a node that goes on saves what it knows, and the file's name in the directory of --state.
const (
	saveEvery = 5 * time.Minute
	stateFile = "mainline.json"
)

// store is the directory of --state: what our node takes from one run to the next. The zero value keeps nothing.
type store struct{ dir string }

// openStore makes the directory if it is not there.
func openStore(dir string) (store, error) {
	if dir == "" {
		return store{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return store{}, usagef("--state: %v", err)
	}
	return store{dir}, nil
}

func (st store) file() string { return filepath.Join(st.dir, stateFile) }

// load returns what an earlier run saved, nil if there was none.
func (st store) load() (*mainline.State, error) {
	if st.dir == "" {
		return nil, nil
	}
	f, err := os.Open(st.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usagef("--state: %v", err)
	}
	defer f.Close()
	s, err := mainline.LoadState(f)
	if err != nil {
		return nil, usagef("--state: %s: %v (move it away, or name another directory)", st.file(), err)
	}
	return s, nil
}

// save writes a file beside the old one and then takes its place, so that a crash leaves one of the two. A node that knows
// nobody leaves what there is.
func (st store) save(n *mainline.Node) (err error) {
	if st.dir == "" || n.Len() == 0 {
		return nil
	}
	f, err := os.CreateTemp(st.dir, stateFile+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("saving the state: %w", err)
		}
	}()
	err = errors.Join(n.Save(f), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), st.file())
}

// keep saves now and then until ctx ends.
func (s *session) keep(ctx context.Context) {
	for pause(ctx, saveEvery) {
		if err := s.net.store.save(s.net.node); err != nil {
			s.console.say("dhtkit: %v", err)
		}
	}
}
