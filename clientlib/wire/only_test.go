package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestOnlyCheckThenDecodeDecodes looks at every file of clientlib and node:
// msgpack octets become values in codec.go and nowhere else.
func TestOnlyCheckThenDecodeDecodes(t *testing.T) {
	files, decoders := 0, 0
	for _, root := range []string{filepath.Join("..", "..", "clientlib"), filepath.Join("..", "..", "node")} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			files++
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return nil // a file that is being written does not build either
			}
			for _, use := range decoderUses(file) {
				decoders++
				if !strings.HasSuffix(filepath.ToSlash(name), "clientlib/wire/codec.go") {
					t.Errorf("%s uses msgpack.%s: decode with wire.CheckThenDecode", name, use)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 40 || decoders != 1 {
		t.Errorf("%d files looked at, %d uses of a decoder: the look is broken", files, decoders)
	}
}

// decoderUses lists what a file uses of msgpack's decoding.
func decoderUses(file *ast.File) []string {
	name := ""
	for _, spec := range file.Imports {
		if path, _ := strconv.Unquote(spec.Path.Value); strings.HasPrefix(path, "github.com/vmihailenco/msgpack") {
			name = "msgpack"
			if spec.Name != nil {
				name = spec.Name.Name
			}
		}
	}
	var uses []string
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || name == "" {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if ok && pkg.Name == name && (strings.Contains(sel.Sel.Name, "Unmarshal") || strings.Contains(sel.Sel.Name, "Decode")) {
			uses = append(uses, sel.Sel.Name)
		}
		return true
	})
	return uses
}
