package t30_test

import (
	"reflect"
	"testing"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// A sender takes down what the next call can learn from.
func TestSeen(t *testing.T) {
	all := everything()
	bad := t30.Quality{Rows: 100, BadRows: 90}
	two := call{sender: plain, receiver: all, pages: pages(3000, 3000)}
	hopeless, stubborn := two, two
	hopeless.quality = []t30.Quality{bad, bad, bad}
	stubborn.quality, stubborn.giveUp = hopeless.quality, true
	one := func(d ...lt.Damage) call {
		return call{sender: all, receiver: all, pages: pages(2000), damage: lt.Each(d...)}
	}
	blocks := lt.Kind(lt.Caller, line.Block)
	v17 := []line.Rate{line.V17x14400, line.V17x12000, line.V17x9600}
	for name, c := range map[string]struct {
		call call
		ends status.Code
		want t30.Seen // Can and Session apart
	}{
		"at once": {one(), status.OK,
			t30.Seen{Began: v17[0], Trained: v17[0], Confirmed: v17[0]}},
		"no identification": {one(lt.When(receiver(t30.DIS), lt.Lose)), status.NoIdentification, t30.Seen{}},
		"no V.17": {one(lt.BadTraining(line.V29x9600)), status.OK,
			t30.Seen{Began: v17[0], Failed: v17, Trained: line.V29x9600, Confirmed: line.V29x9600}},
		"DCN for CFR": {one(lt.When(receiver(t30.CFR), answer(t30.DCN))), status.Disconnected,
			t30.Seen{Began: v17[0], Waiting: v17[0]}},
		"DCN for the second FTT": {one(lt.BadTraining(line.V21), lt.When(receiver(t30.FTT, 2), answer(t30.DCN))), status.Disconnected,
			t30.Seen{Began: v17[0], Failed: v17[:1], Waiting: v17[1]}},
		"slower by CTC": {one(lt.When(lt.Nth(blocks, 1, 2, 3, 4), lt.BadFrames())), status.OK,
			t30.Seen{Began: v17[0], Trained: v17[0], Confirmed: v17[1], Unheard: 4}},
		"a frame missing": {one(lt.When(lt.Nth(blocks, 1), lt.BadFrames(0))), status.OK,
			t30.Seen{Began: v17[0], Trained: v17[0], Confirmed: v17[0]}},
		"every page rejected": {hopeless, status.PageRejected,
			t30.Seen{Began: v17[0], Trained: v17[0], Rejected: 3}},
		"rejected, not again": {stubborn, status.PageRejected,
			t30.Seen{Began: v17[0], Trained: v17[0], Rejected: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			out := c.call.run(t)
			got := out.sent.Seen
			if identified := got.Can != (dis.Capabilities{}); identified != (c.want.Began != line.V21) {
				t.Errorf("capabilities are %v", got.Can)
			}
			if coded := got.Session.Coding(); c.want.Began != line.V21 && coded != out.sent.Coding {
				t.Errorf("coded in %s, the report says %s", coded, out.sent.Coding)
			}
			got.Can, got.Session = dis.Capabilities{}, dis.Session{}
			if out.sent.Status != c.ends || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%v with %+v, want %v with %+v", out.sent.Status, got, c.ends, c.want)
			}
		})
	}
}
