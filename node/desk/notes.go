package desk

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// Limits of the notes that wait for the majority.
const (
	MaxNotes   = 4096
	noteFirst  = 200 * time.Millisecond
	noteMost   = 30 * time.Second
	closeGrace = 2 * time.Second
)

// notes puts logins, refusals and views on the activity record, in order,
// without making people wait for the majority.
type notes struct {
	propose func(context.Context, ledger.Command) (ledger.Result, error)
	log     *slog.Logger
	queue   chan fax.Activity
	ctx     context.Context
	cancel  context.CancelFunc
	done    sync.WaitGroup
	once    sync.Once
	closing chan struct{}
}

func openNotes(propose func(context.Context, ledger.Command) (ledger.Result, error), log *slog.Logger) *notes {
	n := &notes{propose: propose, log: log, queue: make(chan fax.Activity, MaxNotes), closing: make(chan struct{})}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.done.Go(n.run)
	return n
}

// add never blocks. A note that does not fit is in the log only.
func (n *notes) add(a fax.Activity) {
	select {
	case n.queue <- a:
	default:
		n.log.Error("an activity could not be put on record: too many wait for the majority",
			"what", a.What, "account", a.Who, "fax", a.Object, "detail", a.Detail)
	}
}

func (n *notes) run() {
	for {
		select {
		case a := <-n.queue:
			n.write(a)
		case <-n.closing:
			for {
				select {
				case a := <-n.queue:
					n.write(a)
				default:
					return
				}
			}
		}
	}
}

func (n *notes) write(a fax.Activity) {
	for pause := noteFirst; ; pause = min(2*pause, noteMost) {
		_, err := n.propose(n.ctx, ledger.Note{Activity: a})
		if err == nil {
			return
		}
		kind := fax.KindOf(err)
		if n.ctx.Err() != nil || kind != fax.Unavailable && kind != fax.Busy && kind != fax.Internal {
			n.log.Error("an activity could not be put on record", "what", a.What, "account", a.Who, "fax", a.Object, "detail", a.Detail, "err", err)
			return
		}
		select {
		case <-time.After(pause):
		case <-n.ctx.Done():
		}
	}
}

func (n *notes) close() {
	n.once.Do(func() { close(n.closing) })
	grace := time.AfterFunc(closeGrace, n.cancel)
	n.done.Wait()
	grace.Stop()
	n.cancel()
}
