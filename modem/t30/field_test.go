package t30_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// fieldCase is one way in which stations and lines in the field differ from the
// text of T.30. A case may have several rows.
type fieldCase struct {
	number int
	what   string

	// A call of two engines and how it ends at both ends.
	call  call
	want  want
	says  string // in one of the transcripts
	never string // in neither
	// signals, in order, that the sender says among others, as heard prints them.
	signals []string

	play func(t *testing.T) // or one engine against a peer
	by   []string           // or the tests that show it: "[package.]Test[/name]", "TSB-85 script"
	not  string             // or why there is nothing to show
}

// The cases of phases A and B up to what is specific to images. Those before 15
// are the driver's (modem/class1), those of page images have their tests in
// modem; both are found by the same numbers.
const firstCase, lastCase = 15, 67

func fieldCases() []fieldCase {
	return slices.Concat(setUpCases(), trainingCases(), imageCases(), commandCases(), pictureCases())
}

func TestFieldCases(t *testing.T) {
	seen, tests := map[int]bool{}, catalogue{}
	for _, c := range fieldCases() {
		seen[c.number] = true
		t.Run(fmt.Sprintf("case %d: %s", c.number, c.what), func(t *testing.T) {
			switch {
			case c.play != nil:
				c.play(t)
			case c.by != nil:
				for _, name := range c.by {
					tests.exists(t, name)
				}
			case c.not != "": // the row says it all
			default:
				c.run(t)
			}
		})
	}
	for n := firstCase; n <= lastCase; n++ {
		if !seen[n] {
			t.Errorf("case %d has no row", n)
		}
	}
}

func (c fieldCase) run(t *testing.T) {
	var said []string
	var on lt.Damage = func(tr *lt.Transmission) {
		if tr.From == lt.Caller {
			said = append(said, heard(tr.Signal))
		}
	}
	call := c.call
	damages := []lt.Damage{on}
	if call.damage != nil {
		damages = append(damages, call.damage)
	}
	call.damage = lt.Each(damages...)
	out := call.run(t)
	honest(t, call, out)
	if out.sent.Status != c.want.sent || out.received.Status != c.want.received {
		t.Errorf("ended %v and %v, want %v and %v", out.sent.Status, out.received.Status, c.want.sent, c.want.received)
	}
	if len(out.confirmed) != c.want.confirmed {
		t.Errorf("pages %v confirmed, want %d", out.confirmed, c.want.confirmed)
	}
	pages := call.pages
	if c.want.stored != nil {
		pages = nil
		for _, i := range c.want.stored {
			pages = append(pages, call.pages[i])
		}
	}
	same(t, out.stored, pages)
	text := "sender\n" + out.sent.Transcript + "receiver\n" + out.received.Transcript
	if !strings.Contains(text, c.says) {
		t.Errorf("transcript lacks %q", c.says)
	}
	if c.never != "" && strings.Contains(text, c.never) {
		t.Errorf("transcript has %q", c.never)
	}
	if strings.Contains(text, "> CRP") {
		t.Error("an engine says CRP")
	}
	if !inOrder(said, c.signals) {
		t.Errorf("the sender says %q, want %q", said, c.signals)
	}
	if t.Failed() {
		t.Log(text)
	}
}

// heard prints a signal: "TSI+DCS", "TCF V.17 14400", "block V.17 14400 short".
func heard(s line.Signal) string {
	if s.Kind == line.Frames {
		var names []string
		for _, f := range s.Frames {
			names = append(names, strings.Fields(t30.Describe(f))[0])
		}
		return strings.Join(names, "+")
	}
	text := []string{line.Training: "TCF ", line.Page: "page ", line.Block: "block "}[s.Kind] + s.Rate.String()
	if s.Short {
		text += " short"
	}
	return text
}

// inOrder reports whether all of want are in got, in their order.
func inOrder(got, want []string) bool {
	for _, g := range got {
		if len(want) > 0 && g == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}

var scriptNames = regexp.MustCompile(`<test name="([^"]*)"`)

// catalogue knows the tests of packages, and the open scripts.
type catalogue map[string]shelf

// shelf is the functions and the strings of a package's tests.
type shelf struct{ functions, words map[string]bool }

// exists wants the test or script that a row names to be there.
func (c catalogue) exists(t *testing.T, name string) {
	t.Helper()
	if script, ok := strings.CutPrefix(name, "TSB-85 "); ok {
		if names := scripts(t); names != nil && !slices.Contains(names, script) {
			t.Errorf("there is no script %s", script)
		}
		return
	}
	dir := "modem/t30"
	if i := strings.Index(name, ".Test"); i > 0 {
		dir, name = name[:i], name[i+1:]
	}
	if _, ok := c[dir]; !ok {
		c[dir] = newShelf(t, filepath.Join("..", strings.TrimPrefix(dir, "modem")))
	}
	function, word, sub := strings.Cut(name, "/")
	if !c[dir].functions[function] || sub && !c[dir].words[word] {
		t.Errorf("there is no %s in %s", name, dir)
	}
}

func newShelf(t *testing.T, dir string) shelf {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	s := shelf{map[string]bool{}, map[string]bool{}}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				s.functions[n.Name.Name] = true
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					s.words[text] = true
				}
			}
			return true
		})
	}
	return s
}

// scripts are the names of the open scripts, which are not of this repository:
// nil if they are not there and not required.
func scripts(t *testing.T) (names []string) {
	t.Helper()
	dir := os.Getenv("FAXMESH_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	text, err := os.ReadFile(filepath.Join(dir, "t30", "tsb85-open.xml"))
	if err != nil && os.Getenv("FAXMESH_REQUIRE_PEERS") == "1" {
		t.Errorf("the open scripts are required: %v", err)
	}
	for _, m := range scriptNames.FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	return names
}
