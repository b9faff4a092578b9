package main

import (
	"bytes"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func TestDescribe(t *testing.T) {
	for want, e := range map[string]fax.Event{
		"fax 1 to 0401 is queued at north":                           {Kind: fax.EventQueued, Fax: "1", Number: "0401", Node: "north"},
		"fax 1: south dials 0401":                                    {Kind: fax.EventDialing, Fax: "1", Number: "0401", Node: "south"},
		"fax 1: page 2 of 3 confirmed":                               {Kind: fax.EventPage, Fax: "1", Page: 2, Pages: 3},
		"fax 1 to 0401 is sent by south: 1 page confirmed":           {Kind: fax.EventSent, Fax: "1", Number: "0401", Node: "south", Pages: 1},
		"fax 1 to 0401 did not get through and is tried again: busy": {Kind: fax.EventRetry, Fax: "1", Number: "0401", Text: "busy"},
		"fax 1 is received by west from -: 2 pages":                  {Kind: fax.EventReceived, Fax: "1", Node: "west", Pages: 2},
		"fax 1 is assigned to you":                                   {Kind: fax.EventAssigned, Fax: "1"},
		"fax 1: later?":                                              {Kind: "later\n", Fax: "1"},
	} {
		if got := describe(e); got != want {
			t.Errorf("%+v is %q, want %q", e, got, want)
		}
	}
}

func TestEndedStatus(t *testing.T) {
	for _, c := range []struct {
		job    fax.Job
		status int
		out    string
	}{
		{fax.Job{ID: "1", Number: "0401", State: fax.Done, Confirmed: 2, Fax: fax.Document{Pages: 2}, Last: &fax.Attempt{Node: "south", Remote: "WEST\x1b"}},
			terminal.OK, "fax 1 to 0401 is sent by south: 2 pages confirmed, received by WEST?\n"},
		{fax.Job{ID: "1", Number: "0401", State: fax.Undone, Reason: "The number does not exist."}, statusNotSent, ""},
		{fax.Job{ID: "1", Number: "0401", State: fax.Cancelled}, statusNotSent, ""},
	} {
		var out bytes.Buffer
		a := &app{Terminal: terminal.Terminal{Out: &out}}
		if err := a.ended(c.job, false); terminal.Status(err) != c.status || out.String() != c.out {
			t.Errorf("%s: %v, %q", c.job.State, err, out.String())
		}
	}
}

func TestSendArguments(t *testing.T) {
	for _, c := range []struct {
		dest, args     []string
		numbers, files int
	}{
		{nil, []string{"1", "a"}, 1, 1},
		{nil, []string{"1", "a", "b"}, 1, 2},
		{[]string{"1", "2"}, []string{"a", "b"}, 2, 2},
		{nil, nil, 0, 0},
		{nil, []string{"1"}, 0, 0},
		{[]string{"1"}, nil, 0, 0},
		{nil, []string{"x", "a"}, 0, 0},
		{[]string{"1"}, make([]string, maxTargets+1), 0, 0},
	} {
		s := sending{numbers: c.dest}
		err := s.arguments(c.args)
		if c.numbers == 0 {
			if terminal.Status(err) != terminal.Usage {
				t.Errorf("%v %v: %v", c.dest, c.args, err)
			}
		} else if err != nil || len(s.numbers) != c.numbers || len(s.files) != c.files {
			t.Errorf("%v %v: %v %v, %v", c.dest, c.args, s.numbers, s.files, err)
		}
	}
}
