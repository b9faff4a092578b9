package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// CmdSubmit orders a fax. The answer, a Job, comes when job and document are
// durable. The same order again is the same job.
const CmdSubmit = "submit"

// Submit is the order.
type Submit struct {
	Order fax.Order `msgpack:"o"`
}

// Check implements Message.
func (s *Submit) Check() error {
	var f fields
	f.id("the order's id", s.Order.ID)
	f.id("the upload's id", s.Order.Upload)
	f.text("the title", s.Order.Title, fax.MaxTitle)
	if f.err != nil {
		return f.err
	}
	return fax.CheckNumber(s.Order.Number)
}
