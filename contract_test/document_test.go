package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/openapi"
)

func TestContractIsValidOpenAPI(t *testing.T) {
	c := mustLoad(t)
	if c.Doc.OpenAPI != "3.0.3" {
		t.Errorf("openapi is %s, want 3.0.3: generator and validator treat 3.1 differently", c.Doc.OpenAPI)
	}
	err := c.Doc.Validate(context.Background(), openapi3.EnableExamplesValidation(),
		openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableSchemaPatternValidation(), openapi3.EnableMultiError())
	for _, err := range flatten(err) {
		t.Error(err)
	}
	if strings.Contains(string(openapi.Contract), "x-go") {
		t.Error("the contract speaks of Go: such hints belong into the overlay")
	}
}

// TestContractExamples visits the examples with this package's own, stricter formats, and fails
// when there are none.
func TestContractExamples(t *testing.T) {
	c := mustLoad(t)
	options := settings().SchemaValidationOptions
	count := 0
	check := func(where string, schema *openapi3.SchemaRef, value any) {
		t.Helper()
		count++
		if err := schema.Value.VisitJSON(value, options...); err != nil {
			t.Errorf("example at %s: %v", where, err)
		}
	}
	for path, item := range c.Doc.Paths.Map() {
		for method, operation := range item.Operations() {
			where := method + " " + path
			for _, p := range operation.Parameters {
				if p.Value.Example != nil {
					check(where+" "+p.Value.Name, p.Value.Schema, p.Value.Example)
				}
			}
			for status, response := range operation.Responses.Map() {
				for name, header := range response.Value.Headers {
					if header.Value.Example != nil {
						check(where+" "+status+" "+name, header.Value.Schema, header.Value.Example)
					}
				}
				for kind, media := range response.Value.Content {
					where := where + " " + status + " " + kind
					if media.Example != nil {
						check(where, media.Schema, media.Example)
					}
					for name, example := range media.Examples {
						check(where+" "+name, media.Schema, example.Value.Value)
					}
				}
			}
		}
	}
	if want := len(c.Doc.Components.Examples) + 2; count < want {
		t.Errorf("only %d examples were found, want at least %d", count, want)
	}
}

func TestContractHoldsReferenceAnswer(t *testing.T) {
	c := mustLoad(t)
	example, err := json.Marshal(c.Doc.Components.Examples["Reference"].Value.Value)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(example, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(testdata(t, "reference.json"), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the contract's example differs from the answer in Cloudflare's reference:\n%v\nwant\n%v", got, want)
	}
	// The reference's answer shows every field of an entry; so must the schema, and under the same
	// names.
	fields := want.(map[string]any)["result"].([]any)[0].(map[string]any)
	compareFields(t, "result[]", entrySchema(t, c), fields)
}

func compareFields(t *testing.T, path string, schema *openapi3.Schema, fields map[string]any) {
	t.Helper()
	for name, value := range fields {
		property := schema.Properties[name]
		if property == nil {
			t.Errorf("%s.%s is in the reference's answer, and not in the schema", path, name)
			continue
		}
		if object, ok := value.(map[string]any); ok && !FreeForm(property.Value) {
			compareFields(t, path+"."+name, property.Value, object)
		}
	}
}

func TestContractFilters(t *testing.T) {
	c := mustLoad(t)
	documented := documentFilters(t)
	ofAccount := map[string]bool{}
	accepted := map[string][]string{} // by a filter of each field, in any operation
	for _, id := range []string{operationID, "listOrganizationAuditLogs"} {
		parameters := map[string]*openapi3.Parameter{}
		for _, p := range queryParametersOf(c, id) {
			if parameters[p.Name] != nil {
				t.Errorf("%s: %s is there twice", id, p.Name)
			}
			parameters[p.Name] = p
		}
		for name, p := range parameters {
			field := fieldOf(p)
			if field == "" {
				if p.Schema.Value.Type.Is(openapi3.TypeArray) {
					t.Errorf("%s: %s is a list, and has no x-field", id, name)
				}
				continue
			}
			values := checkFilter(t, entrySchema(t, c), p, parameters)
			accepted[field] = append(accepted[field], values...)
			base, excludes := strings.CutSuffix(name, ".not")
			source, marked := p.Extensions["x-source"]
			switch {
			case id != operationID && !ofAccount[name]:
				t.Errorf("%s: filter %s is not one of the account's", id, name)
			case id != operationID:
			case excludes && slices.Contains(documented, base):
				if marked {
					t.Errorf("filter %s is in the reference, and is marked x-source", name)
				}
			case source != "observed" && source != "published":
				t.Errorf("filter %s is not in the reference, and is not marked x-source", name)
			}
			ofAccount[name] = true
		}
	}
	for _, name := range documented {
		for _, form := range []string{name, name + ".not"} {
			if !ofAccount[form] {
				t.Errorf("filter %s is missing", form)
			}
		}
	}
	for field, values := range accepted {
		slices.Sort(values)
		if known := KnownValues(fieldSchema(entrySchema(t, c), field)); !sameSet(slices.Compact(values), known) {
			t.Errorf("the filters of the field %s take %q, and it lists %q", field, values, known)
		}
	}
}

// checkFilter compares a filter with the field that it looks at and with its other form, and
// returns the values that it accepts, if these are listed.
func checkFilter(t *testing.T, entry *openapi3.Schema, p *openapi3.Parameter, parameters map[string]*openapi3.Parameter) []string {
	t.Helper()
	name, field := p.Name, fieldOf(p)
	target := fieldSchema(entry, field)
	if target == nil {
		t.Errorf("filter %s looks at %s, which no entry has", name, field)
		return nil
	}
	schema := p.Schema.Value
	if !schema.Type.Is(openapi3.TypeArray) || p.Style != "form" || p.Explode == nil || !*p.Explode || p.Required {
		t.Errorf("filter %s: want an optional list, one parameter a value", name)
		return nil
	}
	items := schema.Items.Value
	if target.Type != nil && !reflect.DeepEqual(items.Type, target.Type) {
		t.Errorf("filter %s takes %v, and its field %s is %v", name, *items.Type, field, *target.Type)
	}
	if p.Description == "" {
		t.Errorf("filter %s is not described", name)
	}
	if other := joins(p); other != "" {
		// Its values are no values of the field, so that leaving them out would mean something
		// else.
		if joined := parameters[other]; joined == nil || fieldOf(joined) != field {
			t.Errorf("filter %s joins %s, which is no filter of the same field", name, other)
		}
		return nil
	}
	base, excludes := strings.CutSuffix(name, ".not")
	other := parameters[base]
	switch {
	case excludes && other == nil || !excludes && parameters[name+".not"] == nil:
		t.Errorf("filter %s exists in one form only", name)
	case excludes && (fieldOf(other) != field || !reflect.DeepEqual(other.Schema.Value.Items.Value, items)):
		t.Errorf("filters %s and %s differ in more than their sense", base, name)
	}
	return KnownValues(items)
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// fieldSchema follows a path such as actor.email.
func fieldSchema(schema *openapi3.Schema, path string) *openapi3.Schema {
	for name := range strings.SplitSeq(path, ".") {
		property := schema.Properties[name]
		if property == nil {
			return nil
		}
		schema = property.Value
	}
	return schema
}

func TestContractOperations(t *testing.T) {
	c := mustLoad(t)
	seen := map[string]bool{}
	for path, item := range c.Doc.Paths.Map() {
		for method, operation := range item.Operations() {
			id := operation.OperationID
			if id == "" || seen[id] {
				t.Errorf("%s %s: operationId %q is missing or there twice", method, path, id)
			}
			seen[id] = true
			if _, taken := c.Doc.Components.Schemas[id+"Response"]; taken {
				t.Errorf("schema %sResponse has the name that the generator gives to the operation's answer", id)
			}
			for _, status := range []int{200, 400, 401, 403, 404, 429, 500, 503} {
				if operation.Responses.Status(status) == nil {
					t.Errorf("%s declares no status %d", id, status)
				}
			}
			if operation.Parameters.GetByInAndName("query", "cursor") == nil {
				continue // It has no pages.
			}
			for _, name := range []string{"since", "before"} {
				if p := operation.Parameters.GetByInAndName("query", name); p == nil || !p.Required {
					t.Errorf("%s: want the required parameter %s", id, name)
				}
			}
			for i, ref := range operation.Parameters {
				if inPath := ref.Value.In == "path"; inPath && i > 0 && operation.Parameters[i-1].Value.In != "path" {
					t.Errorf("%s: the parameters of the path do not come first", id)
				}
			}
		}
	}
	if !seen[operationID] {
		t.Errorf("operation %s is missing", operationID)
	}
	if len(c.Doc.Security) == 0 {
		t.Error("no security is required")
	}
}

// TestContractNamesObjects looks at the document before its references are resolved: objects with
// fields have a schema of their own, so that the generator gives them a name.
func TestContractNamesObjects(t *testing.T) {
	data, err := mustLoad(t).Doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`^/components/schemas/[A-Za-z]+$`)
	found := 0
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch v := value.(type) {
		case map[string]any:
			if _, ok := v["properties"].(map[string]any); ok {
				found++
				if !named.MatchString(path) {
					t.Errorf("%s is an object without a name of its own", path)
				}
			}
			for name, inner := range v {
				if name != "example" && name != "value" {
					walk(path+"/"+name, inner)
				}
			}
		case []any:
			for i, inner := range v {
				walk(fmt.Sprintf("%s/%d", path, i), inner)
			}
		}
	}
	walk("", document)
	if found < 10 {
		t.Errorf("only %d objects were found", found)
	}
}

func TestContractColumns(t *testing.T) {
	columns := map[string]string{}
	leaves := 0
	var walk func(path string, schema *openapi3.Schema)
	walk = func(path string, schema *openapi3.Schema) {
		for name, ref := range schema.Properties {
			at := strings.TrimPrefix(path+"."+name, ".")
			if len(ref.Value.Properties) > 0 {
				walk(at, ref.Value)
				continue
			}
			leaves++
			number, ok := ref.Value.Extensions["x-column"]
			if !ok {
				continue // A new field may wait for its number.
			}
			key := fmt.Sprint(number)
			if columns[key] != "" {
				t.Errorf("fields %s and %s are both column %s", columns[key], at, key)
			}
			if !regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(key) {
				t.Errorf("field %s: x-column %s is no number from 1", at, key)
			}
			columns[key] = at
		}
	}
	walk("", entrySchema(t, mustLoad(t)))
	if len(columns) == 0 || len(columns) > leaves {
		t.Errorf("%d columns for %d fields", len(columns), leaves)
	}
}

// TestContractTable compares the generated table with the document that it was generated from.
func TestContractTable(t *testing.T) {
	c := mustLoad(t)
	filters := map[string]interface{ Filter(string) *[]string }{
		operationID:                            new(auditlogsapi.ListAccountAuditLogsParams),
		"getAccountAuditLogHistory":            new(auditlogsapi.GetAccountAuditLogHistoryParams),
		"listOrganizationAuditLogs":            new(auditlogsapi.ListOrganizationAuditLogsParams),
		"getOrganizationAuditLogHistory":       new(auditlogsapi.GetOrganizationAuditLogHistoryParams),
		"listAccountAuditLogProductCategories": nil,
	}
	for _, operation := range auditlogsapi.Operations {
		t.Run(operation.ID, func(t *testing.T) {
			query, known := filters[operation.ID]
			if !known {
				t.Fatal("this test does not know its parameters")
			}
			delete(filters, operation.ID)
			checkTable(t, c, operation, query)
		})
	}
	if len(filters) > 0 {
		t.Errorf("the table lacks %v", filters)
	}
}

func checkTable(t *testing.T, c *Contract, operation *auditlogsapi.Operation, query interface{ Filter(string) *[]string }) {
	described := c.Operation(operation.ID)
	if described == nil || c.Doc.Paths.Value(operation.Path).GetOperation(operation.Method) != described {
		t.Fatalf("the contract has no operation %s %s %s", operation.ID, operation.Method, operation.Path)
	}
	table := map[string]auditlogsapi.Parameter{}
	for _, p := range operation.Parameters {
		table[p.In+" "+p.Name] = p
	}
	parameters := described.Parameters
	if len(table) != len(parameters) {
		t.Errorf("the table has %d parameters, the contract %d", len(table), len(parameters))
	}
	for _, ref := range parameters {
		p := ref.Value
		row, ok := table[p.In+" "+p.Name]
		if !ok {
			t.Errorf("the table has no %s", p.Name)
			continue
		}
		value := p.Schema.Value
		example := p.Example
		if value.Items != nil {
			value = value.Items.Value
			example = value.Example
		}
		var formats []string
		if value.Format != "" {
			formats = []string{value.Format}
		}
		for _, branch := range value.AnyOf {
			formats = append(formats, branch.Value.Format)
		}
		want := auditlogsapi.Parameter{
			Name: p.Name, In: p.In, GoName: row.GoName, Description: row.Description, Type: (*value.Type)[0],
			Required: p.Required, Repeated: p.Schema.Value.Items != nil, Pattern: value.Pattern, Formats: formats,
			Deprecated: p.Deprecated, Field: fieldOf(p), Joins: joins(p),
		}
		if value.Enum != nil {
			want.Enum = KnownValues(value)
		} else {
			want.Known = KnownValues(value)
		}
		if value.Min != nil {
			want.Min = int(*value.Min)
		}
		if value.Max != nil {
			want.Max = int(*value.Max)
		}
		if example != nil {
			want.Example = fmt.Sprint(example)
		}
		if !reflect.DeepEqual(row, want) {
			t.Errorf("the table's row of %s is\n%+v, and the contract says\n%+v", p.Name, row, want)
		}
		if row.Description == "" || strings.Contains(row.Description, "\n") {
			t.Errorf("the table's description of %s is %q: want one line", p.Name, row.Description)
		}
		if isFilter := query != nil && query.Filter(p.Name) != nil; isFilter != (fieldOf(p) != "") {
			t.Errorf("Filter knows %s: %v", p.Name, isFilter)
		}
	}
	page, err := c.ResponseSchema(operation.ID, 200)
	if err != nil {
		t.Fatal(err)
	}
	row := page.Properties["result"].Value.Items.Value
	var paths []string
	for _, field := range operation.Fields {
		paths = append(paths, field.Path)
		schema := fieldSchema(row, field.Path)
		if schema == nil {
			t.Errorf("the table has the field %s, and the contract does not", field.Path)
			continue
		}
		kind := ""
		if schema.Type != nil {
			kind = (*schema.Type)[0]
		}
		column := 0
		if number, ok := schema.Extensions["x-column"].(float64); ok {
			column = int(number)
		}
		if field.Type != kind || field.Format != schema.Format || field.Column != column ||
			!slices.Equal(field.Known, KnownValues(schema)) {
			t.Errorf("the table's row of field %s is %+v, which is not what the contract says", field.Path, field)
		}
	}
	want := leafPaths("", row)
	slices.Sort(paths)
	if !slices.Equal(paths, want) {
		t.Errorf("the table has the fields %q, the contract %q", paths, want)
	}
}

func leafPaths(path string, schema *openapi3.Schema) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := schema.Properties[name].Value
		at := strings.TrimPrefix(path+"."+name, ".")
		if len(property.Properties) > 0 {
			out = append(out, leafPaths(at, property)...)
		} else {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}
