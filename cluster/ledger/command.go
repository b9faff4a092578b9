// Package ledger is the replicated state: accounts, rules, members, jobs,
// received faxes, each account's events, the activity record.
//
// Apply is an ordinary function of the state and a command: no clock, no
// randomness, no map order inside; times and ids come in the command. What
// carries commands to every node is package consensus.
package ledger

import "github.com/faxmesh/faxmesh/clientlib/fax"

// Command is one change. Each has a number that is stored in logs for years:
// append, never renumber; a node that meets a number it does not know stops.
type Command interface {
	number() uint16
	// apply judges the command against the draft's state and writes what
	// follows from it into the draft. A refusal is a *fax.Error; what has been
	// written by then is thrown away. The job is the one the command was about.
	apply(d *draft) (*fax.Job, error)
}

// Accounts. Names are compared folded (fax.Fold).
type (
	// AddAccount makes an account; Exists if there is one of that name.
	AddAccount struct {
		Account fax.Account `msgpack:"a"`
		Hash    string      `msgpack:"h"` // argon2id, PHC string
		By      string      `msgpack:"b"`
		Node    string      `msgpack:"d"`
	}
	// SetPassword also raises the account's epoch, which is the index of the
	// command that set it: it never comes back, not even with another account
	// of the same name.
	SetPassword struct {
		Name string     `msgpack:"n"`
		Hash string     `msgpack:"h"`
		By   string     `msgpack:"b"`
		Node string     `msgpack:"d"`
		At   fax.Millis `msgpack:"t"`
	}
	// SetRights replaces the rights; the last administrator keeps them.
	SetRights struct {
		Name   string     `msgpack:"n"`
		Rights fax.Rights `msgpack:"r"`
		By     string     `msgpack:"b"`
		Node   string     `msgpack:"d"`
		At     fax.Millis `msgpack:"t"`
	}
	// DropAccount removes a login, its events and its places in routes. Its
	// faxes and activity stay, but are not those of the next account of the
	// name. Refused for the last administrator.
	DropAccount struct {
		Name string     `msgpack:"n"`
		By   string     `msgpack:"b"`
		Node string     `msgpack:"d"`
		At   fax.Millis `msgpack:"t"`
	}
	// EndSession voids a session's tokens for good. The id is kept until
	// Expires, by when none of them is valid any more, then dropped by the next
	// EndSession whose At is not before that. A repetition changes nothing.
	EndSession struct {
		ID      string     `msgpack:"id"`
		Account string     `msgpack:"a"`
		Expires fax.Millis `msgpack:"e"`
		Node    string     `msgpack:"d"`
		At      fax.Millis `msgpack:"t"`
	}
)

// Members, join tokens, rules.
type (
	// PutNode adds a member, or changes its addresses or its next key. A name
	// that belongs to another key is refused, but not to that with the
	// fingerprint Next: that takes the place of the one before, which is void.
	PutNode struct {
		Node fax.Node `msgpack:"n"`
	}
	// DropNode removes a member with the dial rules that name it, and revokes
	// its certificate. Refused for the last one.
	DropNode struct {
		Name string     `msgpack:"n"`
		By   string     `msgpack:"b"`
		At   fax.Millis `msgpack:"t"`
	}
	// Recover begins a new era after a lost majority: it removes all members but
	// the survivor and revokes their certificates.
	Recover struct {
		Survivor string     `msgpack:"s"`
		At       fax.Millis `msgpack:"t"`
	}
	// TurnKeys takes one step of turning the keys of gossip; see Turn. Conflict
	// if the ring is not at that step.
	TurnKeys struct {
		Turn   Turn       `msgpack:"u"`
		Serial uint64     `msgpack:"s"` // of the key that is added, used, dropped
		Salt   []byte     `msgpack:"x"` // of the key that is added
		By     string     `msgpack:"b"`
		Node   string     `msgpack:"d"`
		At     fax.Millis `msgpack:"t"`
	}
	// Rebuild begins a new era after a restore from a backup made at Made: Node
	// is the only member, the certificates of all others are revoked, join tokens
	// are void. Jobs that wait or were under way are held, with the reason; with
	// Resume those that wait go on, and those under way are tried again when no
	// call can run any more. Repeat it while Ledger.Unsettled.
	Rebuild struct {
		Node   fax.Node   `msgpack:"n"`
		Made   fax.Millis `msgpack:"m"`
		Resume bool       `msgpack:"r,omitempty"`
		At     fax.Millis `msgpack:"t"`
	}
	// PutToken makes a join token known by the SHA-256 of its secret.
	PutToken struct {
		Hash    string     `msgpack:"h"`
		Expires fax.Millis `msgpack:"e"`
		Uses    int        `msgpack:"u"`
		By      string     `msgpack:"b"`
		Node    string     `msgpack:"d"`
		At      fax.Millis `msgpack:"t"`
	}
	// SpendToken uses a token up once for a node with that key; the same node
	// may repeat it. Refused, and not spent, if the name is another node's or the
	// key that of a removed one.
	SpendToken struct {
		Hash        string     `msgpack:"h"`
		Node        string     `msgpack:"d"`
		Fingerprint string     `msgpack:"f"`
		At          fax.Millis `msgpack:"t"`
	}
	PutDialRule struct {
		Rule fax.DialRule `msgpack:"r"`
		By   string       `msgpack:"b"`
		Node string       `msgpack:"d"`
		At   fax.Millis   `msgpack:"t"`
	}
	DropDialRule struct {
		Prefix string     `msgpack:"p"`
		By     string     `msgpack:"b"`
		Node   string     `msgpack:"d"`
		At     fax.Millis `msgpack:"t"`
	}
	// PutRoute with no accounts removes the route.
	PutRoute struct {
		Route fax.Route  `msgpack:"r"`
		By    string     `msgpack:"b"`
		Node  string     `msgpack:"d"`
		At    fax.Millis `msgpack:"t"`
	}
)

// Outgoing faxes.
type (
	// Submit files a job. A job of the same id and owner is the same submit
	// repeated: the result is the job as it stands. Again: another node may have
	// been asked before, so that a node that is cut off must not dial it.
	Submit struct {
		Job   fax.Job `msgpack:"j"`
		Again bool    `msgpack:"a,omitempty"`
	}
	// Assign leases the next attempt of a queued job to a node and a line.
	// Refused (Conflict) unless the job is queued and Attempt is Tries+1.
	Assign struct {
		Job     string     `msgpack:"j"`
		Attempt int        `msgpack:"n"`
		Node    string     `msgpack:"d"`
		Line    string     `msgpack:"l"`
		At      fax.Millis `msgpack:"t"`
		Until   fax.Millis `msgpack:"u"`
		Note    string     `msgpack:"o,omitempty"` // why this node, if that needs a word
	}
	// Progress moves a running attempt on: State is Dialing or Sending,
	// Confirmed the count of confirmed pages, which never falls. Until, if
	// later, renews the lease. Refused (Conflict) unless the attempt is the
	// running one of that node.
	Progress struct {
		Job       string     `msgpack:"j"`
		Attempt   int        `msgpack:"n"`
		Node      string     `msgpack:"d"`
		State     fax.State  `msgpack:"s"`
		Confirmed int        `msgpack:"c"`
		Details   string     `msgpack:"i"`
		At        fax.Millis `msgpack:"t"`
		Until     fax.Millis `msgpack:"u"`
	}
	// Finish ends an attempt: State is Done, Undone, Cancelled or Queued (try
	// again not before NotBefore; Cancelled instead if that was ordered
	// meanwhile). Done needs every page confirmed. Pages of which no Progress
	// has told are told now. A repeated Finish of the same attempt changes
	// nothing. With Lost nobody has seen the end, and somebody may yet: a later
	// Finish of that attempt by its node then holds, also when the next attempt
	// has begun. What was confirmed whole is sent, whatever State says.
	Finish struct {
		Job       string     `msgpack:"j"`
		Attempt   int        `msgpack:"n"`
		Node      string     `msgpack:"d"`
		State     fax.State  `msgpack:"s"`
		Confirmed int        `msgpack:"c"`
		Status    int        `msgpack:"x"`
		Reason    string     `msgpack:"r"`
		Remote    string     `msgpack:"m"`
		Details   string     `msgpack:"i"`
		NotBefore fax.Millis `msgpack:"b"`
		At        fax.Millis `msgpack:"t"`
		Lost      bool       `msgpack:"l,omitempty"`
	}
	// TakeBack ends an attempt that its node has not begun to dial: State is
	// Queued, or Undone after too many (Cancelled instead if that was ordered
	// meanwhile). Refused (Conflict) unless the attempt is the assigned one of
	// that node. It is the leader's.
	TakeBack struct {
		Job     string     `msgpack:"j"`
		Attempt int        `msgpack:"n"`
		Node    string     `msgpack:"d"`
		State   fax.State  `msgpack:"s"`
		Status  int        `msgpack:"x"`
		Reason  string     `msgpack:"r"`
		By      string     `msgpack:"b"` // the node that leads
		At      fax.Millis `msgpack:"t"`
	}
	// Direct is a person's order to a job: State is Held, Queued (resume) or
	// Cancelled. A running job can only be cancelled: the order is noted
	// (Result.Job.Reason) and its node ends the call.
	Direct struct {
		Job   string     `msgpack:"j"`
		State fax.State  `msgpack:"s"`
		By    string     `msgpack:"b"`
		Node  string     `msgpack:"d"`
		At    fax.Millis `msgpack:"t"`
	}
)

// Received faxes, activity.
type (
	// Receive files a received fax; the same id again changes nothing.
	// Accounts that are gone are left out, texts that are too long are cut.
	Receive struct {
		Fax fax.ReceivedFax `msgpack:"f"`
	}
	AssignFax struct {
		ID       string     `msgpack:"id"`
		Accounts []string   `msgpack:"a"` // added to those who may see it
		By       string     `msgpack:"b"`
		Node     string     `msgpack:"d"`
		At       fax.Millis `msgpack:"t"`
	}
	// Note puts what changes no other state on the activity record: logins,
	// refused logins, views.
	Note struct {
		Activity fax.Activity `msgpack:"a"`
	}
)

// What a node has taken alone.
type (
	// Import applies commands, as Encode writes them, that a node has taken
	// while it was cut off or before it was heard, in their order. The commands
	// of an era are numbered 1, 2, 3…; each is taken once, however often it
	// comes. Conflict if one is missing before First. What the ledger would have
	// refused is put on record as such.
	Import struct {
		Node     string     `msgpack:"d"`
		Era      string     `msgpack:"e"` // of the node's records; 1 to 64 characters, never used again
		First    uint64     `msgpack:"f"` // number of the first of Commands
		Commands [][]byte   `msgpack:"c"`
		At       fax.Millis `msgpack:"t"`
	}
	// Ashore ends an era of which everything is imported: jobs that the node
	// alone could dial are every node's. Repeat it while there are some
	// (Ledger.Reserved).
	Ashore struct {
		Node string     `msgpack:"d"`
		Era  string     `msgpack:"e"`
		At   fax.Millis `msgpack:"t"`
	}
)

// Once is a command that its node may send again and again, for want of an
// answer: it is judged once, and every repetition gets the first result. A node
// numbers its commands 1, 2, 3… in each of its runs. What it says to be settled
// is forgotten, and refused if it comes all the same (Void).
type Once struct {
	Node    string `msgpack:"d"`
	Run     uint64 `msgpack:"r"` // higher than those of the node's earlier runs
	Seq     uint64 `msgpack:"s"`
	Open    uint64 `msgpack:"o"` // the lowest that the node may still send
	Command []byte `msgpack:"c"` // as Encode writes it; no Once

	within Command // what Command holds
	damage error   // why that cannot be read
}

// Result is what Apply answers to a command, on every node the same.
type Result struct {
	Index uint64     `msgpack:"i"`           // log index of the command
	Err   *fax.Error `msgpack:"e,omitempty"` // why it was refused; nothing changed then
	Job   *fax.Job   `msgpack:"j,omitempty"` // the job a job command was about
	Void  Void       `msgpack:"v,omitempty"` // why a Once was not even judged; Err says it for people
	Run   uint64     `msgpack:"r,omitempty"` // see VoidEarlierRun
}
