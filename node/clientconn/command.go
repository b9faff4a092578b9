package clientconn

import (
	"context"
	"fmt"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// command is how a request is served.
type command struct {
	run      func(ctx context.Context, c *conn, s *stream, body []byte) error
	transfer bool // moves a document
}

// command finds a command by its name in the state known.
func (c *conn) command(name string) (command, error) {
	if c.state != known {
		return command{}, fax.Errorf(fax.BadLogin, "log in before %q", name)
	}
	if do, ok := commandNamed(name); ok {
		return do, nil
	}
	if name == wire.CmdLogin {
		return command{}, fax.Errorf(fax.Conflict, "this connection is logged in as %s: log out first", c.session.Account)
	}
	return command{}, fax.Errorf(fax.Unsupported, "this node does not know the command %q: it may be older than the client", name)
}

func commandNamed(name string) (command, bool) {
	switch name {
	case wire.CmdUpload:
		return command{run: upload, transfer: true}, true
	case wire.CmdFetch:
		return command{run: fetch, transfer: true}, true
	case wire.CmdSubmit:
		return one(submit), true
	case wire.CmdJobs:
		return list(jobs, jobPage), true
	case wire.CmdJob:
		return one(job), true
	case wire.CmdDirect:
		return one(direct), true
	case wire.CmdInbox:
		return list(inbox, faxPage), true
	case wire.CmdAssign:
		return one(assign), true
	case wire.CmdEvents:
		return list(events, eventPage), true
	case wire.CmdAck:
		return one(ack), true
	case wire.CmdCluster:
		return list(nodes, nodePage), true
	}
	return adminCommand(name)
}

func adminCommand(name string) (command, bool) {
	switch name {
	case wire.CmdAddAccount:
		return one(addAccount), true
	case wire.CmdDropAccount:
		return one(dropAccount), true
	case wire.CmdSetPassword:
		return one(setPassword), true
	case wire.CmdSetRights:
		return one(setRights), true
	case wire.CmdAccounts:
		return list(accounts, accountPage), true
	case wire.CmdDialRules:
		return list(dialRules, rulePage), true
	case wire.CmdPutDialRule:
		return one(putDialRule), true
	case wire.CmdDropDialRule:
		return one(dropDialRule), true
	case wire.CmdRoutes:
		return list(routes, routePage), true
	case wire.CmdPutRoute:
		return one(putRoute), true
	case wire.CmdNewToken:
		return one(newToken), true
	case wire.CmdActivity:
		return command{run: activity}, true
	case wire.CmdActivityHead:
		return one(activityHead), true
	}
	return command{}, false
}

// one is a command that a single message answers.
func one[Q any, P interface {
	*Q
	wire.Message
}](do func(ctx context.Context, c *conn, q *Q) (wire.Message, error)) command {
	return command{run: func(ctx context.Context, c *conn, s *stream, body []byte) error {
		q := new(Q)
		if err := wire.CheckThenDecode(body, P(q)); err != nil {
			return err
		}
		m, err := do(ctx, c, q)
		if err != nil {
			return err
		}
		return s.answer(ctx, 0, m)
	}}
}

// list is a command that a list answers, in as many messages as it needs.
func list[Q, T any, P interface {
	*Q
	wire.Message
}](do func(ctx context.Context, c *conn, q *Q) ([]T, error), page func([]T) wire.Message) command {
	return command{run: func(ctx context.Context, c *conn, s *stream, body []byte) error {
		q := new(Q)
		if err := wire.CheckThenDecode(body, P(q)); err != nil {
			return err
		}
		items, err := do(ctx, c, q)
		if err != nil {
			return err
		}
		if len(items) > wire.MaxList {
			return fax.Errorf(fax.TooLarge, "the list has %d entries, at most %d are sent: ask for fewer", len(items), wire.MaxList)
		}
		pages, err := wire.Split(items, page)
		if err != nil {
			return fmt.Errorf("answer: %v", err) // a fault of this node
		}
		return s.answerPages(ctx, pages)
	}}
}
