package clientconn

import (
	"context"
	"io"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Desk is what the door asks. Errors that are a *fax.Error are told to the
// client as they are; anything else is logged here and told as Internal.
type Desk interface {
	Entry
	News
	Sending
	Receiving
	Accounts
	Rules
}

// Entry opens and ends sessions.
type Entry interface {
	Login(ctx context.Context, l fax.Login) (fax.Session, error)
	// Attach makes the connection the session's way of last resort for events
	// until detach is called. push does not wait: it fails when the client
	// takes no more for now.
	Attach(s fax.Session, push func([]fax.Event) error) (detach func())
	Logout(ctx context.Context, s fax.Session) error
}

// News is an account's events.
type News interface {
	// Await returns when this node knows the account's events up to number
	// seen, which another node may have told the client, or after a short while.
	Await(ctx context.Context, s fax.Session, seen uint64)
	Ack(ctx context.Context, s fax.Session, seqs []uint64) error
	Events(ctx context.Context, s fax.Session, after uint64, limit int) ([]fax.Event, error)
}

// Upload is a document being handed in. Write returns when the octets are
// taken over, Commit when the document is durable; a failed Commit is followed
// by Abort.
type Upload = interface {
	ID() string
	Write(p []byte) (int, error)
	Commit(ctx context.Context, sha256hex string) error
	Abort()
}

// Sending is about outgoing faxes.
type Sending interface {
	// BeginUpload refuses a size over the limit; -1 is an unknown size.
	BeginUpload(ctx context.Context, s fax.Session, size int64) (Upload, error)
	Submit(ctx context.Context, s fax.Session, o fax.Order) (fax.Job, error)
	Jobs(ctx context.Context, s fax.Session, f fax.JobFilter) ([]fax.Job, error)
	Job(ctx context.Context, s fax.Session, id string) (fax.Job, error)
	Direct(ctx context.Context, s fax.Session, id string, to fax.State) (fax.Job, error)
}

// Receiving is about received faxes, pages, and the cluster that has them.
type Receiving interface {
	Inbox(ctx context.Context, s fax.Session, limit int) ([]fax.ReceivedFax, error)
	// OpenFax opens the TIFF-F of a job or a received fax.
	OpenFax(ctx context.Context, s fax.Session, id string) (fax.Document, io.ReadCloser, error)
	Assign(ctx context.Context, s fax.Session, id string, accounts []string) error
	Cluster(ctx context.Context, s fax.Session) ([]fax.NodeStatus, error)
}

// Accounts is the administration of logins.
type Accounts interface {
	AddAccount(ctx context.Context, s fax.Session, name, password string, rights fax.Rights) error
	DropAccount(ctx context.Context, s fax.Session, name string) error
	// SetPassword needs the old password for one's own, not for another's.
	SetPassword(ctx context.Context, s fax.Session, name, old, password string) error
	SetRights(ctx context.Context, s fax.Session, name string, rights fax.Rights) error
	Accounts(ctx context.Context, s fax.Session) ([]fax.Account, error)
}

// Rules is the administration of everything else.
type Rules interface {
	DialRules(ctx context.Context, s fax.Session) ([]fax.DialRule, error)
	PutDialRule(ctx context.Context, s fax.Session, rule fax.DialRule) error
	DropDialRule(ctx context.Context, s fax.Session, prefix string) error
	Routes(ctx context.Context, s fax.Session) ([]fax.Route, error)
	PutRoute(ctx context.Context, s fax.Session, route fax.Route) error
	NewToken(ctx context.Context, s fax.Session, uses, hours int) (string, error)
	// Activity searches the activity record and says where to go on, 0 at its
	// end.
	Activity(ctx context.Context, s fax.Session, f fax.ActivityFilter) (entries []fax.Activity, more uint64, err error)
	ActivityHead(ctx context.Context, s fax.Session, after uint64) (fax.ActivityHead, error)
}
