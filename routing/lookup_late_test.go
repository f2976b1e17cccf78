package routing

import (
	"testing"
)

func TestLateIsNotDead(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 1, Alpha: 1}, 2, 4)
	s.asks(2)
	s.settle(2, Late)
	s.settle(2, Late)
	s.asks(4) // the slot is free
	s.settle(2, Alive)
	s.done(true)
	s.found(2)
	s.settle(2, Failed)
	s.found(2)
}

func TestLateNearerNodeIsNotWaitedForWithEnoughAnswers(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 1, Alpha: 2}, 2, 4)
	s.asks(2, 4)
	s.settle(2, Late)
	s.done(false)
	s.settle(4, Alive)
	s.done(true)

	w := newSteps(t, LookupConfig{K: 1, Alpha: 2, WaitLate: true}, 2, 4)
	w.asks(2, 4)
	w.settle(2, Late)
	w.settle(4, Alive)
	w.done(false)
	w.settle(2, Failed)
	w.done(true)
}

func TestTooFewAnswersWaitForLateOnes(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 2}, 2, 4)
	s.asks(2, 4)
	s.settle(2, Late)
	s.settle(4, Alive)
	s.done(false)
	s.settle(2, Failed)
	s.done(true)
	s.found(4)
}

// libtorrent's traversal_done: a late reply of the farthest after the end does not end the lookup once more.
func TestLateFarthestReplyChangesNothing(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 3}, 2, 4, 9)
	s.asks(2, 4, 9)
	s.settle(2, Alive)
	s.settle(4, Alive)
	s.done(true)
	s.settle(9, Alive)
	s.done(true)
	s.asks()
	s.found(2, 4)
}

// k-rpc's trap: k silent near contacts ended its lookup although live ones were known.
func TestDeadNearContactsAreReplaced(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 4, Alpha: 4}, 1, 2, 3, 4, 11, 12, 13, 14)
	s.asks(1, 2, 3, 4)
	for k := byte(1); k <= 4; k++ {
		s.settle(k, Failed)
	}
	s.done(false)
	s.asks(11, 12, 13, 14)
	for k := byte(11); k <= 14; k++ {
		s.settle(k, Alive)
	}
	s.done(true)
	s.found(11, 12, 13, 14)
}
