package cluster

import "sync"

// bells ring all who wait for news. Rings that nobody has heard are one.
type bells struct {
	mu  sync.Mutex
	set map[chan struct{}]struct{}
}

func (b *bells) hang() (bell <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.set == nil {
		b.set = map[chan struct{}]struct{}{}
	}
	b.set[c] = struct{}{}
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.set, c)
	}
}

func (b *bells) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.set {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
