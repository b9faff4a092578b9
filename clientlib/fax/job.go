package fax

// State is where a job is in its life.
type State string

// The life of an outgoing fax: queued -> assigned -> dialing -> sending ->
// sent | queued again (retry) | failed; held and cancelled by people.
const (
	Queued    State = "queued"
	Held      State = "held"
	Assigned  State = "assigned" // leased to a node and line, not yet dialled
	Dialing   State = "dialing"
	Sending   State = "sending"
	Done      State = "sent"
	Undone    State = "failed"
	Cancelled State = "cancelled"
)

// Running reports whether an attempt is under way.
func (s State) Running() bool { return s == Assigned || s == Dialing || s == Sending }

// Ended reports whether nothing more will happen by itself.
func (s State) Ended() bool { return s == Done || s == Undone || s == Cancelled }

// Drawer is the drawer in which a job of this state lies.
func (s State) Drawer() Drawer {
	switch s {
	case Done:
		return Sent
	case Undone, Cancelled:
		return Failed
	}
	return Pending
}

// Attempt is one try to send a job: the lease under which one node may dial.
type Attempt struct {
	Number  int    `msgpack:"n" json:"number"` // 1, 2, 3…
	Node    string `msgpack:"d" json:"node"`
	Line    string `msgpack:"l" json:"line"`
	Begun   Millis `msgpack:"b" json:"begun"`
	Until   Millis `msgpack:"u" json:"until"`                    // lease: after this the node must not dial
	Ended   Millis `msgpack:"e,omitempty" json:"ended"`          // 0 while it runs
	Status  int    `msgpack:"s,omitempty" json:"status"`         // modem/status code
	Reason  string `msgpack:"r,omitempty" json:"reason"`         // sentence for people
	Remote  string `msgpack:"m,omitempty" json:"remote"`         // identification of the remote station
	Details string `msgpack:"i,omitempty" json:"details"`        // as "V.17 14400, ECM, MMR"
	Note    string `msgpack:"o,omitempty" json:"note,omitempty"` // why this node, if a rule names another
}

// Job is a document to be sent to one number.
type Job struct {
	ID        string   `msgpack:"id" json:"id"` // chosen by the submitter, so that a repeat is harmless
	Owner     string   `msgpack:"o" json:"owner"`
	Number    string   `msgpack:"nr" json:"number"`
	Title     string   `msgpack:"t" json:"title"`
	Source    Document `msgpack:"src" json:"source"` // as handed in
	Fax       Document `msgpack:"fax" json:"fax"`    // converted: TIFF-F
	State     State    `msgpack:"st" json:"state"`
	Submitted Millis   `msgpack:"sub" json:"submitted"`
	Home      string   `msgpack:"home" json:"home"`     // node that took the submit
	NotBefore Millis   `msgpack:"nb" json:"not_before"` // next attempt not before
	Confirmed int      `msgpack:"cf" json:"confirmed"`  // pages confirmed by the remote station
	Tries     int      `msgpack:"tr" json:"tries"`      // attempts begun
	Last      *Attempt `msgpack:"la,omitempty" json:"last_attempt,omitempty"`
	Updated   Millis   `msgpack:"up" json:"updated"`
	Reason    string   `msgpack:"rs,omitempty" json:"reason,omitempty"`
	// Alone is the node that took the job while it was cut off from the majority
	// of the servers and that alone may dial it until it has told them; "" for
	// every other job.
	Alone string `msgpack:"al,omitempty" json:"alone,omitempty"`
	// Waits says what a queued job that is due waits for, in a sentence, as the
	// node sees it that answers; it is not stored.
	Waits string `msgpack:"wa,omitempty" json:"waits,omitempty"`
}

// ReceivedFax is a fax that has come in.
type ReceivedFax struct {
	ID       string   `msgpack:"id" json:"id"`
	Node     string   `msgpack:"d" json:"node"`
	Line     string   `msgpack:"l" json:"line"`
	Called   string   `msgpack:"cd" json:"called"`                          // number of the line, or DID
	Caller   string   `msgpack:"cr" json:"caller"`                          // caller id, if told
	Name     string   `msgpack:"nm,omitempty" json:"caller_name,omitempty"` // caller's name, if told
	Ring     string   `msgpack:"rg,omitempty" json:"ring,omitempty"`        // distinctive ring as the modem names it; "" is the plain one
	Remote   string   `msgpack:"rm" json:"remote"`                          // identification of the sender (TSI)
	Fax      Document `msgpack:"fax" json:"fax"`                            // TIFF-F
	At       Millis   `msgpack:"at" json:"at"`                              // end of the call
	Status   int      `msgpack:"s" json:"status"`                           // modem/status code: 0 if complete
	Reason   string   `msgpack:"rs" json:"reason"`                          // sentence, if not complete
	Details  string   `msgpack:"i" json:"details"`                          // as "V.17 14400, ECM, MMR"
	BadRows  int      `msgpack:"br" json:"bad_rows"`
	Assigned []string `msgpack:"as" json:"assigned"` // accounts that may see it
}
