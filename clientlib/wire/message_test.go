package wire

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew: then read the difference")

var sum = strings.Repeat("0123456789abcdef", 4)

// messages is one of every message, with every field filled.
func messages() []Message {
	doc := fax.Document{Hash: sum, Size: 12345, Pages: 2}
	attempt := &fax.Attempt{Number: 1, Node: "south", Line: "line1", Begun: 1700000000000, Until: 1700000060000, Ended: 1700000050000,
		Status: 20, Reason: "the line was busy", Remote: "+49 30 1", Details: "V.17 14400, ECM, MMR"}
	job := fax.Job{ID: "00abc", Owner: "reception", Number: "+49 30 1234", Title: "Grüße", Source: doc, Fax: doc, State: fax.Sending,
		Submitted: 1700000000000, Home: "north", NotBefore: 1700000001000, Confirmed: 1, Tries: 2, Last: attempt, Updated: 1700000002000, Reason: "busy", Waits: "no line"}
	received := fax.ReceivedFax{ID: "00def", Node: "west", Line: "line2", Called: "300", Caller: "200", Name: "Court", Ring: "B", Remote: "NORTH", Fax: doc,
		At: 1700000003000, Status: 1, Reason: "the caller hung up", Details: "V.29 9600", BadRows: 3, Assigned: []string{"records"}}
	event := fax.Event{Account: "reception", Seq: 7, Kind: fax.EventPage, Fax: "00abc", Node: "south", At: 1700000004000, Number: "300", Page: 1, Pages: 2, Text: "page 1 of 2"}
	node := fax.Node{Name: "north", PeerAddr: "10.0.0.1:7487", ClientAddr: "10.0.0.1:7488", Fingerprint: sum, Joined: 1700000000000}
	line := fax.LineState{Node: "north", Name: "line1", Number: "100", State: "sending", Job: "00abc", Kind: "class1", Since: 1700000000000}
	session := fax.Session{ID: "00ghi", Account: "reception", Rights: fax.Individual, Home: "north", Token: "t.o.k.e.n", Secret: "secret",
		Expires: 1700000000000, Last: 6, Nodes: []fax.Node{node}, Cluster: "cluster1"}
	return []Message{
		&Request{Command: CmdJobs, Left: 5000, Seen: 7, Body: msgpack.RawMessage{0x80}},
		&Failure{fax.Error{Kind: fax.NotFound, Text: "there is no job \"00abc\""}},
		&Done{},
		&Progress{Offset: 65536},
		&Login{Account: "Reception", Password: "correct horse", Token: "t.o.k.e.n", Client: "faxmesh/1", Callback: &fax.Callback{Port: 1500, Fingerprint: sum}},
		&Session{Session: session},
		&Upload{Size: 12345},
		&Uploaded{ID: "00jkl"},
		&Submit{Order: fax.Order{ID: "00abc", Upload: "00jkl", Number: "+49 30 1234", Title: "Grüße", NotBefore: 1700000001000}},
		&Jobs{Filter: fax.JobFilter{Drawer: fax.Pending, All: true, Limit: 10}},
		&ByID{ID: "00abc"},
		&Job{Job: job},
		&JobList{Jobs: []fax.Job{job, {ID: "00xyz"}}},
		&Direct{ID: "00abc", To: fax.Held},
		&Inbox{Limit: 10},
		&FaxList{Faxes: []fax.ReceivedFax{received}},
		&Document{Document: doc},
		&Assign{ID: "00def", Accounts: []string{"records", "reception"}},
		&EventsAfter{After: 6, Limit: 256},
		&Events{Events: []fax.Event{event}},
		&Seqs{Seqs: []uint64{1, 2, 3000000}},
		&NodeList{Nodes: []fax.NodeStatus{{Node: node, Alive: true, Voter: true, Leader: true, Lines: []fax.LineState{line}, Disk: 71, Room: "ample"}}},
		&AddAccount{Name: "records", Password: "secret phrase", Rights: fax.Individual},
		&ByName{Name: "records"},
		&SetPassword{Name: "records", Old: "secret phrase", New: "another phrase"},
		&SetRights{Name: "records", Rights: fax.Administrator},
		&AccountList{Accounts: []fax.Account{{Name: "records", Rights: fax.Individual, Visitor: true, Created: 1700000000000, Epoch: 3}}},
		&PutDialRule{Rule: fax.DialRule{Prefix: "02", Node: "south"}},
		&DropDialRule{Prefix: "02"},
		&DialRuleList{Rules: []fax.DialRule{{Prefix: "02", Node: "south"}}},
		&PutRoute{Route: fax.Route{Number: "300", Caller: "200", Accounts: []string{"records"}}},
		&RouteList{Routes: []fax.Route{{Number: "300", Caller: "200", Accounts: []string{"records"}}}},
		&NewToken{Uses: 1, Hours: 24},
		&Token{Token: "join-token"},
		&ActivityQuery{fax.ActivityFilter{After: 5, Before: 500, Newest: true, Account: "reception", What: "submit", Object: "00abc", From: 1700000000000, Until: 1700000001000, Limit: 100}},
		&ActivityAfter{After: 5},
		&ActivityHead{fax.ActivityHead{Format: 1, Cluster: "cluster1", Node: "north", Made: 1700000000000, First: 6, Last: 7, Before: sum, End: sum,
			Certificate: []byte("leaf"), Authority: []byte("root"), Signature: []byte("signature")}},
		&ActivityList{Entries: []fax.Activity{{Seq: 6, At: 1700000000000, Who: "reception", Node: "north", What: "submit", Object: "00abc", Detail: "to 300", Chain: sum}}, More: 6},
		&Hello{Secret: "secret", Node: "south"},
	}
}

func blank(m Message) Message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message) }

// TestMessagesStayWhatTheyWere compares with the golden files, which every
// later version must go on to read.
func TestMessagesStayWhatTheyWere(t *testing.T) {
	for _, m := range messages() {
		name := strings.ToLower(reflect.TypeOf(m).Elem().Name())
		file := filepath.Join("testdata", "v1", name+".hex")
		b, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if *rewrite {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(hex.Dump(b)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := readDump(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(golden) != string(b) {
			t.Errorf("%T is encoded\n%swas\n%s", m, hex.Dump(b), hex.Dump(golden))
		}
		got := blank(m)
		if err := CheckThenDecode(golden, got); err != nil {
			t.Errorf("%T: %v", m, err)
		} else if !reflect.DeepEqual(got, m) {
			t.Errorf("%T comes back as %+v", m, got)
		}
	}
}

// readDump reads what hex.Dump writes.
func readDump(file string) ([]byte, error) {
	dump, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var b []byte
	for line := range strings.Lines(string(dump)) {
		if len(line) < 58 {
			return nil, fmt.Errorf("%s: short line", file)
		}
		part, err := hex.DecodeString(strings.ReplaceAll(line[10:58], " ", ""))
		if err != nil {
			return nil, err
		}
		b = append(b, part...)
	}
	return b, nil
}

// TestEveryFieldIsFilled keeps messages() honest: a new field must appear in
// the golden files.
func TestEveryFieldIsFilled(t *testing.T) {
	for _, m := range messages() {
		v := reflect.ValueOf(m).Elem()
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() != reflect.Struct && f.IsZero() {
				t.Errorf("%s.%s is not in the golden file", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
}

func TestUnknownFieldsArePassedOver(t *testing.T) {
	b, err := msgpack.Marshal(map[string]any{"id": "00abc", "zz": []any{1, map[string]int{"a": 1}}, "future": "x"})
	if err != nil {
		t.Fatal(err)
	}
	var m ByID
	if err := CheckThenDecode(b, &m); err != nil || m.ID != "00abc" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestFieldsAreHeldToTheirLimits(t *testing.T) {
	long := strings.Repeat("x", MaxPayload/4)
	digits := strings.Repeat("1", 65)
	for _, m := range []Message{
		&Request{}, &Request{Command: long}, &Failure{fax.Error{Text: long}}, &Progress{Offset: -1}, &Progress{Offset: MaxDocument + 1},
		&Login{Account: ""}, &Login{Account: " a"}, &Login{Account: "a\u202eb"}, &Login{Account: "a", Password: long}, &Login{Token: long},
		&Login{Account: "a", Client: long}, &Login{Token: "t", Account: long},
		&Login{Account: "a", Callback: &fax.Callback{Port: 1023, Fingerprint: sum}}, &Login{Account: "a", Callback: &fax.Callback{Port: 1500}},
		&Login{Account: "a", Callback: &fax.Callback{Port: 1500, Fingerprint: strings.ToUpper(sum)}},
		&Session{}, &Session{fax.Session{ID: "a", Nodes: make([]fax.Node, MaxServers+1)}}, &Session{fax.Session{ID: "a", Secret: long}},
		&Upload{Size: -2}, &Uploaded{}, &Uploaded{ID: "../../etc"}, &Uploaded{ID: strings.Repeat("a", 65)},
		&Submit{}, &Submit{fax.Order{ID: "a", Upload: "b", Number: "x"}}, &Submit{fax.Order{ID: "a", Upload: "b", Number: digits}},
		&Submit{fax.Order{ID: "a", Upload: "b", Number: "1", Title: long}}, &Submit{fax.Order{ID: "A", Upload: "b", Number: "1"}},
		&Jobs{fax.JobFilter{Limit: -1}}, &Jobs{fax.JobFilter{Drawer: fax.Drawer(long)}}, &ByID{}, &Job{fax.Job{Title: long}},
		&JobList{[]fax.Job{{}, {Last: &fax.Attempt{Reason: long}}}}, &Direct{ID: "a", To: fax.Done}, &Inbox{Limit: MaxList + 1},
		&FaxList{[]fax.ReceivedFax{{Assigned: []string{long}}}}, &Document{}, &Document{fax.Document{Hash: sum, Size: -1}}, &Document{fax.Document{Hash: "x"}},
		&Assign{ID: "a"}, &Assign{ID: "a", Accounts: make([]string, fax.MaxAssign+1)}, &EventsAfter{Limit: MaxEvents + 1},
		&Events{[]fax.Event{{Seq: 0}}}, &Events{[]fax.Event{{Seq: 1, Text: long}}}, &Seqs{make([]uint64, MaxSeqs+1)},
		&NodeList{[]fax.NodeStatus{{Lines: make([]fax.LineState, MaxLines+1)}}}, &AddAccount{}, &AddAccount{Name: "a", Password: long}, &ByName{"a/b"},
		&SetPassword{Name: "a", Old: long}, &SetRights{Name: ""}, &AccountList{[]fax.Account{{Name: long}}}, &PutDialRule{fax.DialRule{Prefix: digits}},
		&DropDialRule{digits}, &DialRuleList{[]fax.DialRule{{Node: long}}}, &PutRoute{fax.Route{Accounts: make([]string, fax.MaxAssign+1)}},
		&RouteList{[]fax.Route{{Number: digits}}}, &NewToken{Uses: MaxTokenUses + 1}, &NewToken{Hours: -1}, &Token{long}, &ActivityQuery{fax.ActivityFilter{Limit: -1}},
		&ActivityList{Entries: []fax.Activity{{Chain: "x"}}}, &ActivityHead{fax.ActivityHead{Before: "x"}}, &ActivityHead{fax.ActivityHead{Authority: make([]byte, MaxDER+1)}}, &Hello{}, &Hello{Secret: long},
	} {
		b, err := marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckThenDecode(b, blank(m)); fax.KindOf(err) != fax.Invalid {
			t.Errorf("%T %.100v passes: %v", m, fmt.Sprint(m), err)
		}
		if _, err := Encode(m); fax.KindOf(err) != fax.Invalid {
			t.Errorf("%T %.100v is sent: %v", m, fmt.Sprint(m), err)
		}
	}
}

func TestLargeListsAreSplit(t *testing.T) {
	jobs := make([]fax.Job, 500)
	for i := range jobs {
		jobs[i] = fax.Job{ID: fmt.Sprintf("%04d", i), Reason: strings.Repeat("r", 1000), Title: strings.Repeat("t", 256)}
	}
	payloads, err := Split(jobs, func(page []fax.Job) Message { return &JobList{Jobs: page} })
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range payloads {
		var page JobList
		if err := CheckThenDecode(p, &page); err != nil {
			t.Fatal(err)
		}
		for _, j := range page.Jobs {
			if j.ID != fmt.Sprintf("%04d", n) {
				t.Fatalf("entry %d is %s", n, j.ID)
			}
			n++
		}
	}
	if n != len(jobs) || len(payloads) < 10 {
		t.Errorf("%d entries in %d messages", n, len(payloads))
	}
	empty, err := Split(nil, func(page []fax.Job) Message { return &JobList{Jobs: page} })
	if err != nil || len(empty) != 1 {
		t.Errorf("an empty list takes %d messages, %v", len(empty), err)
	}
	names := make([]string, 2*fax.MaxAssign*fax.MaxAssign)
	for i := range names {
		names[i] = strings.Repeat("n", 8)
	}
	huge := []fax.ReceivedFax{{Assigned: names}}
	if _, err := Split(huge, func(page []fax.ReceivedFax) Message { return &FaxList{Faxes: page} }); fax.KindOf(err) != fax.TooLarge {
		t.Errorf("an entry larger than a frame: %v", err)
	}
	noise := []fax.Job{{ID: "a"}, {ID: "b", Title: "\xff"}}
	if _, err := Split(noise, func(page []fax.Job) Message { return &JobList{Jobs: page} }); !errors.Is(err, ErrMessage) {
		t.Errorf("a title that is not UTF-8: %v", err)
	}
}

func TestFaultsAreNotTold(t *testing.T) {
	var f Failure
	if err := CheckThenDecode(Fail(errors.New("/var/lib: no space")), &f); err != nil || f.Kind != fax.Internal || strings.Contains(f.Text, "space") {
		t.Errorf("%+v, %v", f, err)
	}
	wrapped := fmt.Errorf("submit: %w", fax.Errorf(fax.Busy, "%s", strings.Repeat("ü", MaxText)+"\xff"))
	if err := CheckThenDecode(Fail(wrapped), &f); err != nil || f.Kind != fax.Busy || len(f.Text) > MaxText || !strings.HasPrefix(f.Text, "ü") {
		t.Errorf("%+v, %v", f, err)
	}
}

// FuzzMessages decodes anything as everything; what passes must come back
// from its own encoding.
func FuzzMessages(f *testing.F) {
	for i, m := range messages() {
		b, err := Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
	}
	all := messages()
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		m := blank(all[int(which)%len(all)])
		if CheckThenDecode(b, m) != nil {
			return
		}
		again, err := Encode(m)
		if err != nil {
			if fax.KindOf(err) != fax.TooLarge {
				t.Fatalf("%T decoded but not encoded: %v", m, err)
			}
			return
		}
		if err := CheckThenDecode(again, blank(m)); err != nil {
			t.Errorf("%T does not come back: %v", m, err)
		}
	})
}
