package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// A surface is what an importer of the library can rely on: for each package, its exported
// declarations as Go source without bodies, and the types that these refer to. It is kept as text,
// so that a release shows in a review what it promises, and is read back by the type checker.
type surface map[string]string

// A module is the built module, ready to be looked at.
type module struct {
	path   string
	public []string // the packages that people import
	load   types.Importer
}

// public is where the packages live that people import.
const public = "./wrapper/..."

// open asks the go command for the packages of the module in a folder.
func open(root string) (*module, error) {
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,DepOnly,Module", public)
	command.Dir = root
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(command.Args, " "), err)
	}
	m := &module{}
	exports := map[string]string{}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			ImportPath, Export string
			DepOnly            bool
			Module             *struct{ Path string }
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			m.path = p.Module.Path
			if !slices.Contains(strings.Split(p.ImportPath, "/"), "internal") {
				m.public = append(m.public, p.ImportPath)
			}
		}
	}
	m.load = importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("the library no longer needs package %s, and what was released speaks of it", path)
		}
		return os.Open(exports[path])
	})
	return m, nil
}

// surface writes down what the module promises today.
func (m *module) surface() (surface, error) {
	w := &writer{module: m.path, found: map[string]map[string]types.Object{}}
	for _, path := range m.public {
		p, err := m.load.Import(path)
		if err != nil {
			return nil, err
		}
		for _, name := range p.Scope().Names() {
			if object := p.Scope().Lookup(name); object.Exported() {
				w.reach(object)
			}
		}
	}
	out := surface{}
	for path, objects := range w.found {
		text, err := w.source(objects)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out[path] = text
	}
	return out, nil
}

// A writer collects what is reached from the exported declarations, and writes it as source.
type writer struct {
	module  string
	found   map[string]map[string]types.Object // by package and name
	imports map[string]string                  // names by path, of the package that is being written
	within  *types.Package
}

// reach collects an object, and all of this module that its type speaks of.
func (w *writer) reach(object types.Object) {
	p := object.Pkg()
	if p == nil || p.Path() != w.module && !strings.HasPrefix(p.Path(), w.module+"/") {
		return
	}
	objects := w.found[p.Path()]
	if objects == nil {
		objects = map[string]types.Object{}
		w.found[p.Path()] = objects
	}
	if objects[object.Name()] != nil {
		return
	}
	objects[object.Name()] = object
	if name, ok := object.(*types.TypeName); ok && !name.IsAlias() {
		named := name.Type().(*types.Named)
		w.parameters(named.TypeParams())
		w.walk(named.Underlying())
		for method := range named.Methods() {
			if method.Exported() {
				w.walk(method.Signature())
			}
		}
		return
	}
	w.walk(object.Type())
}

func (w *writer) walk(t types.Type) {
	switch t := t.(type) {
	case *types.Named:
		w.reach(t.Obj())
		w.arguments(t.TypeArgs())
	case *types.Alias:
		w.reach(t.Obj())
		w.arguments(t.TypeArgs())
		w.walk(t.Rhs())
	case *types.Struct:
		for field := range t.Fields() {
			if promised(field) {
				w.walk(field.Type())
			}
		}
	case *types.Signature:
		w.parameters(t.TypeParams())
		w.walk(t.Params())
		w.walk(t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			w.walk(v.Type())
		}
	case *types.Interface:
		for method := range t.ExplicitMethods() {
			w.walk(method.Type())
		}
		for embedded := range t.EmbeddedTypes() {
			w.walk(embedded)
		}
	case *types.Union:
		for term := range t.Terms() {
			w.walk(term.Type())
		}
	case *types.Map:
		w.walk(t.Key())
		w.walk(t.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		w.walk(t.Elem())
	}
}

func (w *writer) arguments(list *types.TypeList) {
	for t := range list.Types() {
		w.walk(t)
	}
}

func (w *writer) parameters(list *types.TypeParamList) {
	for p := range list.TypeParams() {
		w.walk(p.Constraint())
	}
}

// promised reports whether a field is one that an importer can reach: by its name, or through what
// it embeds.
func promised(field *types.Var) bool { return field.Exported() || field.Embedded() }

// source writes the declarations of one package.
func (w *writer) source(objects map[string]types.Object) (string, error) {
	w.imports = map[string]string{}
	var body strings.Builder
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		w.within = objects[name].Pkg()
		w.declaration(&body, objects[name])
	}
	var head strings.Builder
	fmt.Fprintf(&head, "package %s\n\n", w.within.Name())
	for _, path := range slices.Sorted(maps.Keys(w.imports)) {
		fmt.Fprintf(&head, "import %s %q\n", w.imports[path], path)
	}
	text, err := format.Source([]byte(head.String() + "\n" + body.String()))
	return string(text), err
}

// qualifier names another package, and notes that it is to be imported.
func (w *writer) qualifier(p *types.Package) string {
	if p == w.within {
		return ""
	}
	if w.imports[p.Path()] == "" {
		name := p.Name()
		for slices.Contains(slices.Collect(maps.Values(w.imports)), name) {
			name += "_"
		}
		w.imports[p.Path()] = name
	}
	return w.imports[p.Path()]
}

func (w *writer) text(t types.Type) string { return types.TypeString(t, w.qualifier) }

func (w *writer) declaration(b *strings.Builder, object types.Object) {
	switch object := object.(type) {
	case *types.Const:
		kind := ""
		if basic, ok := object.Type().(*types.Basic); !ok || basic.Info()&types.IsUntyped == 0 {
			kind = w.text(object.Type())
		}
		fmt.Fprintf(b, "const %s %s = %s\n\n", object.Name(), kind, object.Val().ExactString())
	case *types.Var:
		fmt.Fprintf(b, "var %s %s\n\n", object.Name(), w.text(object.Type()))
	case *types.Func:
		w.function(b, "", object)
	case *types.TypeName:
		if object.IsAlias() {
			fmt.Fprintf(b, "type %s = %s\n\n", object.Name(), w.text(types.Unalias(object.Type())))
			return
		}
		named := object.Type().(*types.Named)
		fmt.Fprintf(b, "type %s%s ", object.Name(), w.typeParameters(named.TypeParams()))
		if structure, ok := named.Underlying().(*types.Struct); ok {
			w.structure(b, structure)
		} else {
			b.WriteString(w.text(named.Underlying()))
		}
		b.WriteString("\n\n")
		for method := range named.Methods() {
			if method.Exported() {
				w.function(b, "("+w.text(method.Signature().Recv().Type())+") ", method)
			}
		}
	}
}

func (w *writer) function(b *strings.Builder, receiver string, f *types.Func) {
	signature := strings.TrimPrefix(w.text(f.Signature()), "func")
	fmt.Fprintf(b, "func %s%s%s", receiver, f.Name(), signature)
	if f.Signature().TypeParams().Len() > 0 {
		b.WriteString(" {}") // the type checker insists on it
	}
	b.WriteString("\n\n")
}

func (w *writer) typeParameters(list *types.TypeParamList) string {
	var out []string
	for p := range list.TypeParams() {
		out = append(out, p.Obj().Name()+" "+w.text(p.Constraint()))
	}
	if out == nil {
		return ""
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// structure writes the fields that can be reached. One more stands for all others: it says whether
// values can be compared, which importers can rely on without knowing.
func (w *writer) structure(b *strings.Builder, structure *types.Struct) {
	b.WriteString("struct {\n")
	rest := ""
	for field := range structure.Fields() {
		if !promised(field) {
			if rest == "" {
				rest = "_ struct{}\n"
			}
			if !types.Comparable(field.Type()) {
				rest = "_ [0]func()\n"
			}
			continue
		}
		if !field.Embedded() {
			b.WriteString(field.Name() + " ")
		}
		b.WriteString(w.text(field.Type()) + "\n")
	}
	b.WriteString(rest + "}")
}

// check reads a surface, and returns its packages. Other packages are the module's of today.
func (s surface) check(others types.Importer) (map[string]*types.Package, error) {
	c := &checker{surface: s, others: others, done: map[string]*types.Package{}}
	for path := range s {
		if _, err := c.Import(path); err != nil {
			return nil, err
		}
	}
	return c.done, nil
}

type checker struct {
	surface surface
	others  types.Importer
	done    map[string]*types.Package
}

// Import makes a checker the importer of its own packages.
func (c *checker) Import(path string) (*types.Package, error) {
	text, ok := c.surface[path]
	if !ok {
		return c.others.Import(path)
	}
	if p := c.done[path]; p != nil {
		return p, nil
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, 0)
	if err != nil {
		return nil, err
	}
	config := types.Config{Importer: c, IgnoreFuncBodies: true}
	p, err := config.Check(path, files, []*ast.File{file}, nil)
	if err != nil {
		return nil, err
	}
	c.done[path] = p
	return p, nil
}

// The file in which a surface is kept.

func (s surface) write(name string) error {
	archive := txtar.Archive{Comment: []byte("The exported API of the library as it was last released. Written by make release-contract.\n\n")}
	for _, path := range slices.Sorted(maps.Keys(s)) {
		archive.Files = append(archive.Files, txtar.File{Name: path, Data: []byte(s[path])})
	}
	return os.WriteFile(name, txtar.Format(&archive), 0o644)
}

func readSurface(name string) (surface, error) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		return nil, err
	}
	s := surface{}
	for _, file := range archive.Files {
		s[file.Name] = string(file.Data)
	}
	return s, nil
}
