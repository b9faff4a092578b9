package dispatch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// recordTag begins the journal records of this package.
var recordTag = []byte("call ")

// record is where an attempt stands. Of several records of an attempt the last
// holds. An attempt that has one has been dialled, or was about to be.
type record struct {
	Job       string         `json:"job"`
	Attempt   int            `json:"attempt"`
	Pages     int            `json:"pages"`
	Confirmed int            `json:"confirmed"`
	Finish    *ledger.Finish `json:"finish,omitempty"`  // once the call has ended
	Settled   bool           `json:"settled,omitempty"` // once the ledger knows
}

func (d *Dispatch) note(r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := d.cfg.Journal.Append(append(bytes.Clone(recordTag), text...)); err != nil {
		return fmt.Errorf("note the call in the journal: %w", err)
	}
	return nil
}

// recover reads the journal and returns the calls that the ledger has to hear
// the end of. What the ledger knows is dropped from the journal.
func (d *Dispatch) recover() ([]*call, error) {
	records, err := d.cfg.Journal.Records()
	if err != nil {
		return nil, fmt.Errorf("read which calls were under way: %w", err)
	}
	last, err := standing(records)
	if err != nil {
		return nil, fmt.Errorf("read which calls were under way: %w", err)
	}
	var calls []*call
	for _, r := range last {
		if r.Settled {
			continue
		}
		c := newCall(fax.Job{ID: r.Job, Fax: fax.Document{Pages: r.Pages}, Confirmed: r.Confirmed}, r.Attempt, d.cfg.Node)
		if r.Finish != nil {
			c.end = *r.Finish
		} else {
			c.end = unseen(r.Job, r.Attempt, d.cfg.Node, r.Confirmed, r.Pages, d.cfg.Policy, fax.At(time.Now()))
			d.cfg.Log.Warn("a call was interrupted when the node stopped", "job", r.Job, "attempt", r.Attempt,
				"confirmed", r.Confirmed, "pages", r.Pages)
		}
		calls = append(calls, c)
	}
	if err := d.compact(last); err != nil {
		return nil, err
	}
	return calls, nil
}

func parseRecord(text []byte) (r record, ours bool, err error) {
	rest, ours := bytes.CutPrefix(text, recordTag)
	if !ours {
		return r, false, nil
	}
	return r, true, json.Unmarshal(rest, &r)
}

// standing is the newest record of each job's newest attempt.
func standing(records [][]byte) (map[string]record, error) {
	last := make(map[string]record)
	for _, text := range records {
		r, ours, err := parseRecord(text)
		if err != nil {
			return nil, err
		}
		if ours && r.Attempt >= last[r.Job].Attempt {
			last[r.Job] = r
		}
	}
	return last, nil
}

// compact drops from the journal what last says is settled or overtaken.
// Records that were appended after last was read stay.
func (d *Dispatch) compact(last map[string]record) error {
	err := d.cfg.Journal.Compact(func(text []byte) bool {
		r, ours, err := parseRecord(text)
		if err != nil || !ours {
			return true
		}
		l := last[r.Job]
		return r.Attempt > l.Attempt || r.Attempt == l.Attempt && !l.Settled
	})
	if err != nil {
		return fmt.Errorf("compact the journal: %w", err)
	}
	return nil
}

// forget drops settled calls from the journal.
func (d *Dispatch) forget() {
	records, err := d.cfg.Journal.Records()
	if err == nil {
		var last map[string]record
		if last, err = standing(records); err == nil {
			err = d.compact(last)
		}
	}
	if err != nil {
		d.cfg.Log.Error("settled calls stay in the journal", "err", err)
	}
}
