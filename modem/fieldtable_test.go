package modem_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fieldTest is where a case of the field is shown: "package.Test" or
// "package.Test/name", or why it is not a case of Class 1.
type fieldTest struct {
	what string
	by   []string
	not  string
}

// The groups of cases. Those of phases B to F have rows of their own in t30's
// table, by number; here they need no more than to be there.
const (
	firstOfSession, lastOfSession = 15, 67
	firstOfT38, lastOfT38         = 68, 78
	lastCase                      = lastOfT38
)

// driverCases are cases 1 to 14: what modems and their timing do to a driver.
var driverCases = map[int]fieldTest{
	1:  {what: "silence is heard, not waited for", by: []string{"modem/class1.TestTurnRound", "modem/class1.TestNoSilenceCommands"}},
	2:  {what: "silence behind a training check", by: []string{"modem/class1.TestTurnRound"}},
	3:  {what: "90 ms before EOP", by: []string{"modem/class1.TestTurnRound"}},
	4:  {what: "NO CARRIER before CONNECT", by: []string{"modem/class1.TestCarrierThatIsNotYetOver"}},
	5:  {what: "+FCERROR at once", by: []string{"modem/class1.TestCarrierThatIsNotYetOver"}},
	6:  {what: "CONNECT for noise", by: []string{"modem/class1.TestConnectForNoise"}},
	7:  {what: "DLEs not doubled", by: []string{"modem/class1.TestBareDLE", "modem/class1.FuzzBareDLE"}},
	8:  {what: "+FRM too late", by: []string{"modem/class1.TestImageAskedForTooEarly"}},
	9:  {what: "OK for a timeout, +FCERROR late", by: []string{"modem/class1.TestOKForATimeout", "modem/class1.TestLateFCError"}},
	10: {what: "check sequence made up", by: []string{"modem/class1.TestMadeUpCheckSequence"}},
	11: {what: "a data modem first", by: []string{"modem/class1.TestDataModemAnswersFirst"}},
	12: {what: "what modems say while they dial", by: []string{"modem/class1.TestDialResults", "modem/class1.TestDialChatter", "modem/at.TestParse"}},
	13: {what: "7.5 to 8.5 s for a frame", by: []string{"modem/class1.TestFrameThatDoesNotLeave"}},
	14: {what: "on hook in an image", by: []string{"modem/class1.TestHookLostInAnImage"}},
}

// serverCases are those of the queue and of restarts, which have no number.
var serverCases = []fieldTest{
	{what: "a job that cannot be prepared blocks others", by: []string{"node/dispatch.TestBadDocumentBlocksNobody/not in time"}},
	{what: "the first job of several to a number is stopped", by: []string{"node/dispatch.TestCancelledJobLetsOthersGo"}},
	{what: "the clock is set", by: []string{"node/queue.TestClockSteps", "modem/station.TestBelief"}},
	{what: "the queue overflows", by: []string{"node/dispatch.TestLongQueue", "node/lines.TestTranscriptsAreBounded"}},
	{what: "success is claimed, pages are missing", by: []string{"node/dispatch.TestFalseSuccessIsNone"}},
	{what: "sent again after a restart", by: []string{"node/dispatch.TestRestart", "node/dispatch.TestRestartAfterLastPage"}},
	{what: "received, and the process dies", by: []string{"node/lines.TestCrash"}},
	{what: "a modem dies, or fails whenever it is used", by: []string{"node/lines.TestModemDies", "node/lines.TestModemFlaps"}},
	{what: "a modem forgets its settings", by: []string{"modem/class1.TestModemLostItsSettings"}},
	{what: "a port hangs", by: []string{"modem/plug.TestPortHangs", "modem/plug.TestCloseHangs"}},
}

// fieldTestOf is where case n is shown.
func fieldTestOf(n int) fieldTest {
	switch {
	case n >= firstOfT38 && n <= lastOfT38:
		return fieldTest{what: "packets", not: "T.38, not a Class 1 case"}
	case n >= firstOfSession && n <= lastOfSession:
		return fieldTest{what: "session and pages", by: []string{"modem/t30.TestFieldCases#" + strconv.Itoa(n)}}
	}
	return driverCases[n]
}

// No case of the field is silently missing: each names the test that shows it,
// and that test is there.
func TestEveryFieldCase(t *testing.T) {
	sources := testSources{}
	for n := 1; n <= lastCase; n++ {
		sources.shows(t, fmt.Sprintf("case %d", n), fieldTestOf(n))
	}
	for _, c := range serverCases {
		sources.shows(t, "the server: "+c.what, c)
	}
	// The check itself is none if it finds whatever is asked for.
	for _, name := range []string{"modem/class1.TestThatNobodyWrote", "modem/t30.TestFieldCases#99", "node/dispatch.TestBadDocumentBlocksNobody/never"} {
		if sources.has(t, name) {
			t.Errorf("%s is found, and does not exist", name)
		}
	}
}

// testSources are the tests of packages, read when they are asked for.
type testSources map[string]testNames

// testNames are the functions, texts and "number:" fields in a package's tests.
type testNames struct {
	functions, texts []string
	numbers          []string
}

func (s testSources) shows(t *testing.T, which string, c fieldTest) {
	t.Helper()
	if (len(c.by) == 0) == (c.not == "") {
		t.Errorf("%s has neither a test nor a reason, or both", which)
	}
	for _, name := range c.by {
		if !s.has(t, name) {
			t.Errorf("%s: there is no %s", which, name)
		}
	}
}

func (s testSources) has(t *testing.T, name string) bool {
	t.Helper()
	dir, name, _ := strings.Cut(name, ".")
	if _, ok := s[dir]; !ok {
		s[dir] = readTests(t, filepath.Join("..", dir))
	}
	name, number, numbered := strings.Cut(name, "#")
	name, text, sub := strings.Cut(name, "/")
	return slices.Contains(s[dir].functions, name) &&
		(!sub || slices.Contains(s[dir].texts, text)) &&
		(!numbered || slices.Contains(s[dir].numbers, number))
}

func readTests(t *testing.T, dir string) (names testNames) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", dir, err)
	}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			names.note(n)
			return true
		})
	}
	return names
}

func (names *testNames) note(n ast.Node) {
	switch n := n.(type) {
	case *ast.FuncDecl:
		names.functions = append(names.functions, n.Name.Name)
	case *ast.BasicLit:
		if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
			names.texts = append(names.texts, text)
		}
	case *ast.KeyValueExpr:
		key, isName := n.Key.(*ast.Ident)
		value, isNumber := n.Value.(*ast.BasicLit)
		if isName && isNumber && key.Name == "number" {
			names.numbers = append(names.numbers, value.Value)
		}
	}
}
