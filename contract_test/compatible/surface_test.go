package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

const library = `package library

import (
	"context"
	"iter"
	"sync"
	"time"
)

const Untyped = 1 << 10

const Typed time.Duration = 5

var Err error

type Client struct {
	mu    sync.Mutex
	Count map[string][]*Row "json:\"count\""
	base
}

type base struct{ hidden, Shown int }

func (base) Reachable() {}

func (c *Client) Rows(ctx context.Context, options ...Option) iter.Seq2[*Row, error] { return nil }

func (c *Client) unseen(unreachable) {}

type unreachable struct{}

type Option func(*settings) error

type settings struct{ n int }

type Row = row

type row struct {
	ID   string
	Sub  struct{ A, B chan<- int }
	Next *Row
}

type Number interface{ ~int | ~float64 }

type Set[K comparable, V Number] struct{ Items map[K]V }

func (s *Set[K, V]) Sum() (total V) { return total }

func Map[T, U any](in []T, f func(T) U) []U { return nil }

type Source interface {
	Read(p [4]byte) (n int, err error)
	context.Context
	private()
}
`

// alone makes a module of one package.
func alone(t *testing.T, source string) *module {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "library.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	standard := importer.Default()
	config := types.Config{Importer: standard}
	p, err := config.Check("module.example/library", files, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &module{path: "module.example", public: []string{p.Path()}, load: importing(func(path string) (*types.Package, error) {
		if path == p.Path() {
			return p, nil
		}
		return standard.Import(path)
	})}
}

type importing func(string) (*types.Package, error)

func (f importing) Import(path string) (*types.Package, error) { return f(path) }

// TestSurface shows that what is written down reads back as the same, and what changes are found in
// it.
func TestSurface(t *testing.T) {
	released, err := alone(t, library).surface()
	if err != nil {
		t.Fatal(err)
	}
	if text := released["module.example/library"]; strings.Contains(text, "unseen") || strings.Contains(text, "unreachable") || strings.Contains(text, "hidden") {
		t.Errorf("nobody can reach all of this:\n%s", text)
	}
	for _, test := range []struct {
		name, old, new string
		want           string
		breaks         bool
	}{
		{name: "nothing"},
		{name: "inside", old: "hidden, Shown int", new: "Shown, other int"},
		{name: "method", old: "Rows(", new: "rows(", want: "(*Client).Rows: removed", breaks: true},
		{name: "promoted method", old: "Reachable()", new: "reachable()", want: "base.Reachable, method set of *Client: removed", breaks: true},
		{name: "promoted field", old: "hidden, Shown", new: "hidden, shown", want: "Shown: removed", breaks: true},
		{name: "field of an alias", old: "ID   string", new: "ID   int", want: "ID: changed from string to int", breaks: true},
		{name: "value of a constant", old: "1 << 10", new: "1 << 11", want: "Untyped: value changed from 1024 to 2048", breaks: true},
		{name: "comparable no more", old: "struct{ n int }", new: "struct{ n func() }", want: "settings", breaks: true},
		{name: "method of an interface", old: "\tprivate()", new: "\tprivate()\n\tMore()", want: "Source.More: added"},
		{name: "constraint", old: "V Number] struct", new: "V interface{ ~int }] struct", want: "Set", breaks: true},
		{name: "new function", old: "func Map", new: "func New() {}\n\nfunc Map", want: "New: added"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(library, test.old) {
				t.Fatalf("there is no %q", test.old)
			}
			m := alone(t, strings.Replace(library, test.old, test.new, 1))
			now, err := m.surface()
			if err != nil {
				t.Fatal(err)
			}
			changes, err := compareLibraries(m, released, now)
			if err != nil {
				t.Fatal(err)
			}
			breaks, found := false, false
			for _, c := range changes {
				breaks = breaks || c.breaks
				found = found || strings.Contains(c.text, test.want)
			}
			if breaks != test.breaks || found != (test.want != "") {
				t.Errorf("changes are %+v, and %q was wanted, breaking: %v", changes, test.want, test.breaks)
			}
		})
	}
}
