package ledger

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// MaxList bounds what one read of a list returns; a limit of 0, or a higher
// one, means MaxList.
const MaxList = 1000

// Account returns an account and the PHC string of its password; NotFound.
func (l *Ledger) Account(name string) (fax.Account, string, error) {
	r, err := read[accountRecord](l, inAccounts, fax.Fold(name), "account", name)
	return r.Account, r.Hash, err
}

// Accounts returns all accounts in the order of their folded names.
func (l *Ledger) Accounts() ([]fax.Account, error) {
	var accounts []fax.Account
	err := l.view(func(st state) error {
		return each(st, inAccounts, "", func(r accountRecord) bool {
			accounts = append(accounts, r.Account)
			return true
		})
	})
	return accounts, err
}

// Node returns a member; NotFound.
func (l *Ledger) Node(name string) (fax.Node, error) {
	return read[fax.Node](l, inNodes, name, "node", name)
}

// Nodes returns all members in the order of their names.
func (l *Ledger) Nodes() ([]fax.Node, error) { return readAll[fax.Node](l, inNodes) }

// DialRules returns all dial rules in the order of their prefixes.
func (l *Ledger) DialRules() ([]fax.DialRule, error) { return readAll[fax.DialRule](l, inRules) }

// Routes returns all routes in the order of their numbers.
func (l *Ledger) Routes() ([]fax.Route, error) { return readAll[fax.Route](l, inRoutes) }

// Job returns a job; NotFound.
func (l *Ledger) Job(id string) (fax.Job, error) {
	j, err := read[jobRecord](l, inJobs, id, "job", id)
	return j.Job, err
}

// JobOf returns a job of the account that has the name now; NotFound for a job
// of anybody else, an earlier account of that name among them.
func (l *Ledger) JobOf(account, id string) (job fax.Job, err error) {
	err = l.view(func(st state) error {
		o, err := ownerIn(st, account)
		if err != nil {
			return err
		}
		r, err := readOne[jobRecord](st, inJobs, id, "job", id)
		switch {
		case err != nil:
			return err
		case !r.owner().is(o):
			return notThere("job", id)
		}
		job = r.Job
		return nil
	})
	return job, err
}

// JobFilter chooses jobs. The zero value is all of them.
type JobFilter struct {
	Owner  string      // name of an account of today, "" for everybody's
	States []fax.State // none for every state
	Oldest bool        // the oldest first, as a queue is served
	After  Place       // with Oldest: those behind it only
	Limit  int         // 0 for MaxList
}

// Place is where a job stands among others: by the time of its submit, then by
// its id. The zero Place is before all.
type Place struct {
	Submitted fax.Millis
	ID        string
}

// PlaceOf is the place of a job.
func PlaceOf(j fax.Job) Place { return Place{j.Submitted, j.ID} }

// Before reports whether p comes before q.
func (p Place) Before(q Place) bool {
	return cmp.Or(cmp.Compare(p.Submitted, q.Submitted), cmp.Compare(p.ID, q.ID)) < 0
}

// key is what sorts behind the place, and before the next job.
func (p Place) key() string {
	if p == (Place{}) {
		return ""
	}
	return number64(uint64(p.Submitted)) + p.ID + "\x00"
}

// states are all the states a job can be in.
var states = [...]fax.State{fax.Queued, fax.Held, fax.Assigned, fax.Dialing, fax.Sending, fax.Done, fax.Undone, fax.Cancelled}

// Jobs returns the jobs that the filter chooses, the newest first unless it
// says otherwise. It costs what it returns: jobs in other states or of other
// owners are not looked at.
func (l *Ledger) Jobs(f JobFilter) ([]fax.Job, error) {
	wanted := slices.Compact(slices.Sorted(slices.Values(f.States)))
	if len(wanted) == 0 {
		wanted = states[:]
	}
	var jobs []fax.Job
	err := l.view(func(st state) error {
		o, err := ownerIn(st, f.Owner)
		if err != nil {
			return err
		}
		var w walk
		for _, s := range wanted {
			if prefix := queuePrefix(o, s); f.Oldest {
				w.up(st, inQueue, prefix, f.After.key())
			} else {
				w.down(st, inQueue, prefix)
			}
		}
		for len(jobs) < listLimit(f.Limit) {
			id, ok := w.next()
			if !ok {
				break
			}
			r, err := readIn[jobRecord](st, inJobs, id)
			if err != nil {
				return err
			}
			if st.over != nil && !slices.Contains(wanted, r.State) {
				continue // the tail is older than what is agreed
			}
			jobs = append(jobs, r.Job)
		}
		return nil
	})
	return jobs, err
}

// Received returns a received fax; NotFound.
func (l *Ledger) Received(id string) (fax.ReceivedFax, error) {
	r, err := read[receivedRecord](l, inReceived, id, "received fax", id)
	return r.ReceivedFax, err
}

// ReceivedBy returns a received fax that is assigned to the account that has
// the name now; NotFound for any other.
func (l *Ledger) ReceivedBy(account, id string) (f fax.ReceivedFax, err error) {
	err = l.view(func(st state) error {
		o, err := ownerIn(st, account)
		if err != nil {
			return err
		}
		r, err := readOne[receivedRecord](st, inReceived, id, "received fax", id)
		switch {
		case err != nil:
			return err
		case !r.isFor(o):
			return notThere("received fax", id)
		}
		f = r.ReceivedFax
		return nil
	})
	return f, err
}

// ReceivedFor returns the faxes assigned to the account that has the name now,
// with "" every received fax, the newest first.
func (l *Ledger) ReceivedFor(account string, limit int) ([]fax.ReceivedFax, error) {
	var faxes []fax.ReceivedFax
	err := l.view(func(st state) error {
		o, err := ownerIn(st, account)
		if err != nil {
			return err
		}
		var w walk
		w.down(st, inDrawers, drawerPrefix(o))
		for len(faxes) < listLimit(limit) {
			id, ok := w.next()
			if !ok {
				break
			}
			r, err := readIn[receivedRecord](st, inReceived, id)
			if err != nil {
				return err
			}
			faxes = append(faxes, r.ReceivedFax)
		}
		return nil
	})
	return faxes, err
}

// LastEvent is the number of an account's last event, 0 before the first.
func (l *Ledger) LastEvent(account string) (seq uint64, err error) {
	err = l.view(func(st state) error {
		if value := st.get(inEventSeq, []byte(fax.Fold(account))); len(value) == 8 {
			seq = binary.BigEndian.Uint64(value)
		}
		return nil
	})
	return seq, err
}

// DocumentHashes goes through the hashes of all documents that a record names,
// in their order, each once. It holds no transaction between hashes.
func (l *Ledger) DocumentHashes() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		from := ""
		for {
			var page []string
			err := l.view(func(st state) error {
				c := st.cursor(inDocs)
				for k, _ := c.Seek([]byte(from)); k != nil && len(page) < MaxList; k, _ = c.Next() {
					page = append(page, string(k))
				}
				return nil
			})
			if err != nil {
				yield("", err)
				return
			}
			for _, hash := range page {
				if !yield(hash, nil) {
					return
				}
				from = hash + "\x00"
			}
			if len(page) < MaxList {
				return
			}
		}
	}
}

// NamesDocument reports whether a record names the document of that hash.
func (l *Ledger) NamesDocument(hash string) (named bool, err error) {
	err = l.view(func(st state) error {
		named = st.has(inDocs, hash)
		return nil
	})
	return named, err
}

func listLimit(limit int) int {
	if limit <= 0 || limit > MaxList {
		return MaxList
	}
	return limit
}

// read gets one record; what and name are for the error.
func read[T any](l *Ledger, in bucket, key, what, name string) (record T, err error) {
	err = l.view(func(st state) error {
		record, err = readOne[T](st, in, key, what, name)
		return err
	})
	return record, err
}

func readOne[T any](st state, in bucket, key, what, name string) (record T, err error) {
	if key == "" || !st.has(in, key) {
		return record, notThere(what, name)
	}
	return readIn[T](st, in, key)
}

func notThere(what, name string) error {
	return fax.Errorf(fax.NotFound, "there is no %s %.80q", what, name)
}

// ownerIn is the account that has a name now, everybody for "".
func ownerIn(st state, name string) (owner, error) {
	if name == "" {
		return owner{}, nil
	}
	r, err := readOne[accountRecord](st, inAccounts, fax.Fold(name), "account", name)
	if fax.KindOf(err) == fax.NotFound && err != nil {
		return owner{Name: name}, nil
	}
	return r.owner(), err
}

// readIn gets a record that has to be there.
func readIn[T any](st state, in bucket, key string) (record T, err error) {
	if err := unmarshal(st.get(in, []byte(key)), &record); err != nil {
		return record, damaged(in, key, err)
	}
	return record, nil
}

func readAll[T any](l *Ledger, in bucket) (records []T, err error) {
	err = l.view(func(st state) error {
		records, err = scan[T](st, in, "", 0)
		return err
	})
	return records, err
}

// readAfter gets records whose keys are prefix and a number higher than after.
func readAfter[T any](l *Ledger, in bucket, prefix string, after uint64, limit int) (records []T, err error) {
	if after == ^uint64(0) {
		return nil, nil
	}
	err = l.view(func(st state) error {
		c := st.cursor(in)
		for k, v := c.Seek([]byte(prefix + number64(after+1))); k != nil && hasPrefix(k, prefix); k, v = c.Next() {
			var record T
			if err := unmarshal(v, &record); err != nil {
				return damaged(in, string(k), err)
			}
			if records = append(records, record); len(records) == listLimit(limit) {
				break
			}
		}
		return nil
	})
	return records, err
}
