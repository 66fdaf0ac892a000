package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	contract "cfaudit.example/contract_test"
	"cfaudit.example/openapi"
)

// Both official SDKs are generated from the specification that Cloudflare publishes, so that their
// types say what is in it.

// A description is what somebody knows of the API, as statements such as
//
//	listAccountAuditLogs query actor_context.not
//	listAccountAuditLogs query actor_context.not = api
//	listAccountAuditLogs field actor.context = api
type description map[string]bool

// add states a parameter or a field, and its known values.
func (d description) add(operation, kind, name string, values []string) {
	statement := operation + " " + kind + " " + name
	d[statement] = true
	for _, value := range values {
		d[statement+" = "+value] = true
	}
}

// lacks lists what d does not state of what another states. Where d does not have a parameter or a
// field at all, its values go without saying.
func (d description) lacks(other description) (statements []string) {
	for _, statement := range slices.Sorted(maps.Keys(other)) {
		owner, _, isValue := strings.Cut(statement, " = ")
		if !d[statement] && (!isValue || d[owner]) {
			statements = append(statements, statement)
		}
	}
	return statements
}

// ofContract describes a contract.
func ofContract(doc *openapi3.T) description {
	d := description{}
	for _, item := range doc.Paths.Map() {
		operation := item.Get
		for _, p := range operation.Parameters {
			if p.Value.In == openapi3.ParameterInPath {
				continue
			}
			schema := p.Value.Schema.Value
			if schema.Items != nil {
				schema = schema.Items.Value
			}
			d.add(operation.OperationID, "query", p.Value.Name, contract.KnownValues(schema))
		}
		page := operation.Responses.Status(200).Value.Content.Get("application/json").Schema.Value
		d.addFields(operation.OperationID, "", page.Properties["result"].Value.Items.Value)
	}
	return d
}

func (d description) addFields(operation, prefix string, schema *openapi3.Schema) {
	for name, field := range schema.Properties {
		inner := field.Value
		if inner.Items != nil {
			inner = inner.Items.Value
		}
		if len(inner.Properties) > 0 {
			d.addFields(operation, prefix+name+".", inner)
		} else {
			d.add(operation, "field", prefix+name, contract.KnownValues(inner))
		}
	}
}

// sdkTypes are where the SDKs declare what an operation takes and what a row of its answer is.
var sdkTypes = []struct{ operation, owner, name string }{
	{"listAccountAuditLogs", "accounts", "List"},
	{"getAccountAuditLogHistory", "accounts", "History"},
	{"listAccountAuditLogProductCategories", "accounts", "ProductCategories"},
	{"listOrganizationAuditLogs", "organizations", "List"},
	{"getOrganizationAuditLogHistory", "organizations", "History"},
}

// ofTypeScript describes what the declarations of the TypeScript SDK say. CFAUDIT_NPM_CLOUDFLARE
// names the folder of another version than the installed one.
func ofTypeScript(t *testing.T) description {
	t.Helper()
	folder := os.Getenv("CFAUDIT_NPM_CLOUDFLARE")
	if folder == "" {
		folder = "node_modules/cloudflare"
	}
	var operations []map[string]string
	for _, s := range sdkTypes {
		operations = append(operations, map[string]string{
			"file": "resources/" + s.owner + "/logs/audit.d.ts", "params": "Audit" + s.name + "Params", "response": "Audit" + s.name + "Response",
		})
	}
	command := exec.CommandContext(t.Context(), "node", "types.mjs", folder)
	command.Stdin = strings.NewReader(asJSON(map[string]any{"operations": operations}))
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		t.Fatalf("types.mjs: %v\n%s", err, problems.String())
	}
	var described []struct{ Parameters, Fields map[string][]string }
	if err := json.Unmarshal(out, &described); err != nil || len(described) != len(sdkTypes) {
		t.Fatalf("%d operations are described, want %d: %v", len(described), len(sdkTypes), err)
	}
	d := description{}
	for i, s := range sdkTypes {
		for name, values := range described[i].Parameters {
			if name != "account_id" { // It goes into the path.
				d.add(s.operation, "query", name, values)
			}
		}
		for name, values := range described[i].Fields {
			d.add(s.operation, "field", name, values)
		}
	}
	return d
}

// ofGo describes what the structs of the Go SDK say. They are read from its source, since
// reflection does not see constants.
func ofGo(t *testing.T) description {
	t.Helper()
	d := description{}
	packages := map[string]*goPackage{}
	for _, s := range sdkTypes {
		p := packages[s.owner]
		if p == nil {
			p = readGoPackage(t, "github.com/cloudflare/cloudflare-go/v7/"+s.owner)
			packages[s.owner] = p
		}
		for kind, names := range map[string][2]string{"query": {"Params", "query"}, "field": {"Response", "json"}} {
			root := "LogAudit" + s.name + names[0]
			if p.structs[root] == nil {
				t.Fatalf("the Go SDK has no %s", root)
			}
			p.describe(d, s.operation, kind, names[1], "", root)
		}
	}
	return d
}

// A goPackage is the part of a package's declarations that describes an API.
type goPackage struct {
	structs map[string]*ast.StructType
	values  map[string][]string // of the constants, by their type
}

func readGoPackage(t *testing.T, path string) *goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{range .GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}`, path).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", path, err)
	}
	p := &goPackage{structs: map[string]*ast.StructType{}, values: map[string][]string{}}
	for _, name := range strings.Fields(string(out)) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.TypeSpec:
				if structure, ok := n.Type.(*ast.StructType); ok {
					p.structs[n.Name.Name] = structure
				}
			case *ast.ValueSpec:
				name, ok := n.Type.(*ast.Ident)
				if !ok || len(n.Values) != 1 {
					break
				}
				if literal, ok := n.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
					value, _ := strconv.Unquote(literal.Value)
					p.values[name.Name] = append(p.values[name.Name], value)
				}
			}
			return true
		})
	}
	return p
}

// describe states the fields of a struct by the names in their tags.
func (p *goPackage) describe(d description, operation, kind, tag, prefix, name string) {
	for _, field := range p.structs[name].Fields.List {
		if field.Tag == nil {
			continue
		}
		text, _ := strconv.Unquote(field.Tag.Value)
		wire, _, _ := strings.Cut(reflect.StructTag(text).Get(tag), ",")
		if wire == "" || wire == "-" {
			continue
		}
		inner := innerType(field.Type)
		if _, nested := p.structs[inner]; nested {
			p.describe(d, operation, kind, tag, prefix+wire+".", inner)
		} else {
			d.add(operation, kind, prefix+wire, p.values[inner])
		}
	}
}

// innerType is the name of the type below param.Field, pointers and slices; empty for types of
// other packages.
func innerType(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.IndexExpr:
		return innerType(e.Index)
	case *ast.ArrayType:
		return innerType(e.Elt)
	case *ast.StarExpr:
		return innerType(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

const knownDifferences = "published.txt"

// readKnown reads a list of known differences: lines such as "go lacks listAccountAuditLogs query
// id", in paragraphs that begin with the reason, a comment. The result maps each difference to how
// it was written.
func readKnown(text string) (known map[string]string, problems []string) {
	known = map[string]string{}
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		reason := strings.HasPrefix(strings.TrimSpace(paragraph), "#")
		for line := range strings.Lines(paragraph) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if !reason {
				problems = append(problems, "without a reason above it: "+line)
			}
			who, what, _ := strings.Cut(line, " ")
			sdks := []string{who}
			if who == "both" {
				sdks = []string{"go", "typescript"}
				what = strings.Replace(what, "lack ", "lacks ", 1)
				what = strings.Replace(what, "add ", "adds ", 1)
			}
			for _, sdk := range sdks {
				known[sdk+" "+what] = line
			}
		}
	}
	return known, problems
}

// compare returns what differs between the contract and the SDKs and is not listed, and what is
// listed and does not differ.
func compare(contract description, sdks map[string]description, list string) []string {
	known, problems := readKnown(list)
	for _, name := range slices.Sorted(maps.Keys(sdks)) {
		found := map[string]bool{}
		for _, statement := range sdks[name].lacks(contract) {
			found[name+" lacks "+statement] = true
		}
		for _, statement := range contract.lacks(sdks[name]) {
			found[name+" adds "+statement] = true
		}
		for _, difference := range slices.Sorted(maps.Keys(found)) {
			if known[difference] == "" {
				problems = append(problems, "new: "+difference)
			}
		}
		for _, difference := range slices.Sorted(maps.Keys(known)) {
			if strings.HasPrefix(difference, name+" ") && !found[difference] {
				problems = append(problems, "no longer so: "+difference+" (listed as: "+known[difference]+")")
			}
		}
	}
	return problems
}

func parse(t *testing.T, text string) description {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ofContract(doc)
}

// TestPublished compares the contract with what is published, by way of both SDKs: parameters,
// fields and their values.
func TestPublished(t *testing.T) {
	list, err := os.ReadFile(knownDifferences)
	if err != nil {
		t.Fatal(err)
	}
	sdks := map[string]description{"go": ofGo(t), "typescript": ofTypeScript(t)}
	for name, d := range sdks {
		if len(d) < 150 {
			t.Fatalf("only %d statements were read from %s", len(d), name)
		}
	}
	for _, problem := range compare(parse(t, string(openapi.Contract)), sdks, string(list)) {
		t.Error(problem)
	}
}

// TestPublishedNoticesChanges changes the contract or the list in one place at a time.
func TestPublishedNoticesChanges(t *testing.T) {
	text, err := os.ReadFile(knownDifferences)
	if err != nil {
		t.Fatal(err)
	}
	sdks := map[string]description{"go": ofGo(t), "typescript": ofTypeScript(t)}
	for _, test := range []struct{ name, old, new, listOld, listNew, want string }{
		{name: "a value of a filter is taken out", old: "[api, api_key,", new: "[api_key,",
			want: "new: typescript adds listAccountAuditLogs query actor_context.not = api"},
		{name: "a value of a field is taken out", old: "cloudflare_admin, delegated_service,", new: "cloudflare_admin,",
			want: "new: typescript adds listAccountAuditLogs field actor.type = delegated_service"},
		{name: "a value is added that no SDK knows", old: "view, update, login]", new: "view, update, login, dance]",
			want: "new: go lacks listAccountAuditLogs query action_type.not = dance"},
		{name: "a value of direction is added", old: "enum: [asc, desc]", new: "enum: [asc, desc, random]",
			want: "new: typescript lacks getAccountAuditLogHistory query direction = random"},
		{name: "a filter is taken out", old: "        - $ref: '#/components/parameters/FilterRawURINot'\n",
			want: "new: go adds listOrganizationAuditLogs query raw_uri.not"},
		{name: "a filter is renamed", old: "name: raw_method.not\n", new: "name: raw_verb.not\n",
			want: "new: typescript lacks listAccountAuditLogs query raw_verb.not"},
		{name: "a field is renamed", old: "        user_agent:\n", new: "        agent:\n",
			want: "new: go adds listAccountAuditLogs field raw.user_agent"},
		{name: "a line is stale", listNew: "\n\n# Why.\ngo lacks listAccountAuditLogs query since\n",
			want: "no longer so: go lacks listAccountAuditLogs query since"},
		{name: "a line has no reason", listNew: "\n\ngo lacks listAccountAuditLogs query since\n", want: "without a reason above it: go lacks"},
		{name: "a line is missing", listOld: "both lack listAccountAuditLogs field resource.value\n",
			want: "new: go lacks listAccountAuditLogs field resource.value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			changed, list := string(openapi.Contract), string(text)
			if !strings.Contains(changed, test.old) || !strings.Contains(list, test.listOld) {
				t.Fatal("what is to be changed is not there")
			}
			if test.old != "" {
				changed = strings.ReplaceAll(changed, test.old, test.new)
			}
			if test.listOld != "" {
				list = strings.ReplaceAll(list, test.listOld, test.listNew)
			} else {
				list += test.listNew
			}
			problems := compare(parse(t, changed), sdks, list)
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, test.want) }) {
				t.Errorf("got %s", strings.Join(append([]string{fmt.Sprintf("no %q in", test.want)}, problems...), "\n"))
			}
		})
	}
}
