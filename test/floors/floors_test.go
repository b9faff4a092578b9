package floors

import (
	"bufio"
	_ "embed"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

//go:embed floors.txt
var table string

const module = "github.com/faxmesh/faxmesh/"

// rules is floors.txt as read: what each package may import of ours, and which
// packages may import each library.
type rules struct {
	floors    map[string][]string
	libraries map[string][]string
}

func readRules(t *testing.T) rules {
	t.Helper()
	r := rules{floors: map[string][]string{}, libraries: map[string][]string{}}
	into := r.floors
	in := bufio.NewScanner(strings.NewReader(table))
	for n := 1; in.Scan(); n++ {
		text, _, _ := strings.Cut(in.Text(), "#")
		words := strings.Fields(text)
		switch {
		case len(words) == 0:
		case len(words) == 1 && words[0] == "[packages]":
			into = r.floors
		case len(words) == 1 && words[0] == "[libraries]":
			into = r.libraries
		case words[1] != ":":
			t.Fatalf("floors.txt:%d: want NAME : NAMES…", n)
		case into[words[0]] != nil:
			t.Fatalf("floors.txt:%d: %s stands in the table twice", n, words[0])
		default:
			into[words[0]] = append([]string{}, words[2:]...)
		}
	}
	return r
}

// imports lists, for every package of ours, what its files import, test files
// left out.
func imports(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != root && (strings.HasPrefix(base, ".") || base == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(dir)
		if found[pkg] == nil {
			found[pkg] = []string{} // a package without imports is one as well
		}
		for _, spec := range file.Imports {
			what, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(found[pkg], what) {
				found[pkg] = append(found[pkg], what)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryImportIsInTheTable(t *testing.T) {
	r := readRules(t)
	found := imports(t, repository(t))
	if len(found) < 10 {
		t.Fatalf("only %d packages found: the walk is broken", len(found))
	}
	for pkg, list := range found {
		allowed, ok := r.floors[pkg]
		if !ok {
			t.Errorf("package %s is not in test/floors/floors.txt: add a line that says what it may import", pkg)
			continue
		}
		for _, what := range list {
			if ours, ok := strings.CutPrefix(what, module); ok {
				if !matches(allowed, ours) {
					t.Errorf("%s imports %s, which test/floors/floors.txt does not allow", pkg, ours)
				}
			} else if owners, owned := owner(r.libraries, what); owned && !matches(owners, pkg) {
				t.Errorf("%s imports %s, which belongs to %s", pkg, what, strings.Join(owners, ", "))
			} else if !owned && strings.Contains(strings.Split(what, "/")[0], ".") {
				t.Errorf("%s imports %s: the library is not in test/floors/floors.txt", pkg, what)
			}
		}
	}
	for pkg := range r.floors {
		if _, ok := found[pkg]; !ok {
			t.Errorf("test/floors/floors.txt names %s, which does not exist", pkg)
		}
	}
}

// TestModemStandsAlone is the rule that lets strangers use modem/.
func TestModemStandsAlone(t *testing.T) {
	for pkg, list := range imports(t, repository(t)) {
		if pkg != "modem" && !strings.HasPrefix(pkg, "modem/") {
			continue
		}
		for _, what := range list {
			if ours, ok := strings.CutPrefix(what, module); ok && ours != "modem" && !strings.HasPrefix(ours, "modem/") {
				t.Errorf("%s imports %s: modem/ may import nothing of ours outside modem/", pkg, ours)
			}
		}
	}
}

// TestNamesSaySomething refuses the package names that say nothing.
func TestNamesSaySomething(t *testing.T) {
	refused := []string{"util", "utils", "common", "core", "manager", "handler", "types", "models", "service", "base", "helpers"}
	for pkg := range imports(t, repository(t)) {
		if slices.Contains(refused, path.Base(pkg)) {
			t.Errorf("package %s: the name says nothing", pkg)
		}
	}
}

// matches reports whether name is in list; an entry ending in /... stands for
// everything below it, * for everything.
func matches(list []string, name string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		if below, ok := strings.CutSuffix(entry, "/..."); ok {
			return name == below || strings.HasPrefix(name, below+"/")
		}
		return entry == name || entry == "*"
	})
}

func owner(libraries map[string][]string, what string) ([]string, bool) {
	best, owners := "", []string(nil)
	for lib, list := range libraries {
		if (what == lib || strings.HasPrefix(what, lib+"/")) && len(lib) > len(best) {
			best, owners = lib, list
		}
	}
	return owners, best != ""
}

// repository is the root of the module.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}
