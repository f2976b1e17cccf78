package krpc

import "time"

// fading is a map that forgets: what was put is kept for one span at least and two at most, unless more than limit keys come
// meanwhile.
type fading[K comparable, V any] struct {
	span       time.Duration
	limit      int
	young, old map[K]V
	turn       time.Time // when young becomes old; zero: nothing was ever put
}

func newFading[K comparable, V any](span time.Duration, limit int) fading[K, V] {
	return fading[K, V]{span: span, limit: limit}
}

func (f *fading[K, V]) get(key K, now time.Time) (V, bool) {
	f.age(now)
	if v, ok := f.young[key]; ok {
		return v, true
	}
	v, ok := f.old[key]
	return v, ok
}

func (f *fading[K, V]) put(key K, v V, now time.Time) {
	f.age(now)
	if len(f.young) >= f.limit {
		f.next(now)
	}
	if f.young == nil {
		f.young = make(map[K]V)
	}
	if f.turn.IsZero() {
		f.turn = now.Add(f.span)
	}
	f.young[key] = v
}

func (f *fading[K, V]) len() int { return len(f.young) + len(f.old) }

func (f *fading[K, V]) age(now time.Time) {
	if f.turn.IsZero() || now.Before(f.turn) {
		return
	}
	if now.Sub(f.turn) >= f.span {
		clear(f.young) // nobody looked for a whole span
	}
	f.next(now)
}

func (f *fading[K, V]) next(now time.Time) {
	f.young, f.old = f.old, f.young
	clear(f.young)
	f.turn = now.Add(f.span)
}
