package modem

import (
	"context"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/t30"
)

// storePatience is how long the sender is left without an answer while a page is
// being stored. It is well inside its T4; then it is told to wait.
const storePatience = time.Second

// receiving takes pages in.
type receiving struct {
	store  func(ctx context.Context, p ReceivedPage) error
	judged ReceivedPage
	stored chan error // of the page being stored; nil: none is
}

func (r *receiving) do(ctx context.Context, o t30.Order) (in t30.Event) {
	switch o.Kind {
	case t30.Judge:
		r.judged, in.Quality = decode(o.Data, o.Session)
	case t30.Store:
		r.judged.Index = o.Page
		in = r.keep(ctx)
		if in.Err != nil {
			in.Err = fmt.Errorf("store page %d: %w", o.Page+1, in.Err)
		}
	}
	return in
}

// keep has the page that was judged stored, or waits on for it.
func (r *receiving) keep(ctx context.Context) t30.Event {
	if r.stored == nil {
		done, p := make(chan error, 1), r.judged
		go func() { done <- r.store(ctx, p) }()
		r.stored, r.judged = done, ReceivedPage{}
	}
	late := time.NewTimer(storePatience)
	defer late.Stop()
	select {
	case err := <-r.stored:
		r.stored = nil
		return t30.Event{Err: err}
	case <-late.C:
		return t30.Event{Busy: true}
	}
}

// wait returns when nothing is being stored any more. A page whose call has
// ended meanwhile stays where it is; the sender has not been told of it.
func (r *receiving) wait() {
	if r != nil && r.stored != nil {
		<-r.stored
		r.stored = nil
	}
}
