package clientconn

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// TestEveryCommandIsServed compares wire's commands with the door's.
func TestEveryCommandIsServed(t *testing.T) {
	dir := filepath.Join("..", "..", "clientlib", "wire")
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "Cmd") {
				return true
			}
			command, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil || seen[command] || len(command) > wire.MaxCommand {
				t.Errorf("%s: command %q twice or too long, %v", spec.Names[0], command, err)
			}
			seen[command] = true
			_, served := commandNamed(command)
			if inReader := command == wire.CmdLogin || command == wire.CmdLogout; served == inReader {
				t.Errorf("command %q served: %v", command, served)
			}
			return true
		})
	}
	if len(seen) < 25 {
		t.Errorf("only %d commands found: the look is broken", len(seen))
	}
}
