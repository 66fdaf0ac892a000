package contract

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// The tests of this file show that the others can fail. They take what is right, spoil it in one
// place, and want it refused with a reason that names the place. What to spoil is derived from the
// contract, so that new fields and parameters are covered.

// A mutant is a JSON value that was spoiled in one place.
type mutant struct {
	name  string // of the test
	names string // what the reason has to speak of; empty for anything
	value any
}

// samples has one value of each JSON type.
var samples = []any{nil, "text", json.Number("1.5"), json.Number("17"), true, []any{}, map[string]any{}}

// complete adds the fields that the schema knows and the value lacks, so that each of them can be
// spoiled.
func complete(schema *openapi3.Schema, value any) any {
	if value == nil {
		value = sample(schema)
	}
	switch v := value.(type) {
	case map[string]any:
		// A schema that allows no fields at all has none to add.
		for name, property := range schema.Properties {
			v[name] = complete(property.Value, v[name])
		}
	case []any:
		for i := range v {
			v[i] = complete(schema.Items.Value, v[i])
		}
	}
	return value
}

// sample makes a right value.
func sample(schema *openapi3.Schema) any {
	switch {
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case len(schema.AnyOf) > 0:
		return sample(schema.AnyOf[0].Value)
	case FreeForm(schema):
		return map[string]any{"any": "thing"}
	}
	switch (*schema.Type)[0] {
	case openapi3.TypeString:
		if schema.Format == "date-time" {
			return "2024-10-30T08:30:00Z"
		}
		return "sample"
	case openapi3.TypeInteger:
		return json.Number("1000")
	case openapi3.TypeBoolean:
		return true
	case openapi3.TypeArray:
		return []any{sample(schema.Items.Value)}
	}
	return map[string]any{}
}

// spoil returns the mutants of a value. Rebuild puts a changed value back into the whole.
func spoil(schema *openapi3.Schema, path string, value any, rebuild func(any) any) []mutant {
	var out []mutant
	add := func(what string, changed any) {
		out = append(out, mutant{fmt.Sprintf("%s %s", strings.TrimPrefix(path, "/"), what), path, rebuild(changed)})
	}
	if FreeForm(schema) {
		return nil // Any value is right.
	}
	for _, other := range samples {
		if !typeAllowed(schema, typeOf(other)) {
			add("as "+typeOf(other)+" "+fmt.Sprint(other), other)
		}
	}
	if schema.Format == "date-time" {
		for _, wrong := range []string{
			"2024-02-31T00:00:00Z", "2023-02-29T00:00:00Z", "2024-10-30T08:30:00", "2024-10-30", "2024-10-30 08:30:00Z",
			"2024-10-30T24:00:01Z", "2024-13-01T00:00:00Z", "2024-10-30T08:30Z", "2024-10-30T08:30:00,5Z",
			"2024-10-30t08:30:00z", "2024-10-30T8:30:00Z", "1730277000", "",
		} {
			add("time "+wrong, wrong)
		}
	}
	if len(schema.Enum) > 0 && schema.Type.Is(openapi3.TypeBoolean) {
		add("flipped", value != true)
	}
	switch v := value.(type) {
	case map[string]any:
		for _, name := range schema.Required {
			changed := maps.Clone(v)
			delete(changed, name)
			out = append(out, mutant{strings.TrimPrefix(path+"/"+name, "/") + " absent", name, rebuild(changed)})
		}
		if schema.MaxProps != nil {
			changed := maps.Clone(v)
			for i := range *schema.MaxProps + 1 {
				changed[fmt.Sprintf("extra%d", i)] = true
			}
			add("with more fields", changed)
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if property := schema.Properties[name]; property != nil {
				out = append(out, spoil(property.Value, path+"/"+name, v[name], func(inner any) any {
					changed := maps.Clone(v)
					changed[name] = inner
					return rebuild(changed)
				})...)
			}
		}
	case []any:
		for i := range v {
			out = append(out, spoil(schema.Items.Value, fmt.Sprintf("%s/%d", path, i), v[i], func(inner any) any {
				changed := slices.Clone(v)
				changed[i] = inner
				return rebuild(changed)
			})...)
		}
	}
	return out
}

// typeAllowed reads the types from the schema by itself, and not through the validator or this
// package's own check.
func typeAllowed(schema *openapi3.Schema, kind string) bool {
	if kind == "null" {
		return schema.Nullable || slices.ContainsFunc(schema.AnyOf, func(s *openapi3.SchemaRef) bool { return s.Value.Nullable })
	}
	kinds := map[string]bool{}
	for _, branch := range append(openapi3.SchemaRefs{{Value: schema}}, schema.AnyOf...) {
		if branch.Value.Type != nil {
			kinds[(*branch.Value.Type)[0]] = true
		}
	}
	return kinds[kind]
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func goodRequest(t *testing.T) *http.Request {
	t.Helper()
	return requestTo(t, listingPath+"?"+goodQuery)
}

// requestOf is a good request of an operation, with the parameters that it requires.
func requestOf(t *testing.T, c *Contract, id string) *http.Request {
	t.Helper()
	return requestTo(t, goodPath(c, id)+"?"+goodQueryOf(c, id).Encode())
}

// goodPath is the path of an operation, with the contract's examples in it.
func goodPath(c *Contract, id string) string {
	for path, item := range c.Doc.Paths.Map() {
		for _, operation := range item.Operations() {
			if operation.OperationID != id {
				continue
			}
			for _, ref := range operation.Parameters {
				path = strings.ReplaceAll(path, "{"+ref.Value.Name+"}", fmt.Sprint(ref.Value.Example))
			}
			return path
		}
	}
	return ""
}

// goodQueryOf has the parameters that an operation requires.
func goodQueryOf(c *Contract, id string) url.Values {
	query := url.Values{}
	for _, p := range queryParametersOf(c, id) {
		if p.Required {
			query.Set(p.Name, fmt.Sprint(p.Example))
		}
	}
	return query
}

func requestTo(t *testing.T, path string) *http.Request {
	t.Helper()
	address := auditlogs.DefaultBaseURL + path
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = authorized()
	return request
}

// refused wants a reason that speaks of a name.
func refused(t *testing.T, err error, names string) {
	t.Helper()
	switch {
	case err == nil:
		t.Error("passed")
	case err.Error() == "":
		t.Error("refused without a reason")
	case !strings.Contains(err.Error(), names):
		t.Errorf("the reason does not speak of %s: %v", names, err)
	}
}

func TestMutatedAnswers(t *testing.T) {
	c := mustLoad(t)
	check := func(id string, status int, body []byte) error {
		return c.CheckResponse(requestOf(t, c, id), status, jsonHeader(), body)
	}
	example := func(name string) any { return decode(t, encode(t, c.Doc.Components.Examples[name].Value.Value)) }

	reference := testdata(t, "reference.json")
	if err := check(operationID, http.StatusOK, reference); err != nil {
		t.Fatalf("the reference's own answer is refused: %v", err)
	}
	answers := []struct {
		name   string
		id     string
		status int
		value  any
		least  int // mutants below which the derivation is broken
	}{
		{"page", operationID, http.StatusOK, decode(t, reference), 200},
		{"error", operationID, http.StatusForbidden, decode(t, testdata(t, "odd", "error_10000.json")), 40},
		{"failure", operationID, http.StatusServiceUnavailable, decode(t, testdata(t, "odd", "error_without_code.json")), 40},
		{"organization", "listOrganizationAuditLogs", http.StatusOK, example("Organization"), 200},
		{"history", "getAccountAuditLogHistory", http.StatusOK, example("HistoryExact"), 200},
		{"organization's history", "getOrganizationAuditLogHistory", http.StatusOK, example("HistoryApproximate"), 200},
		{"history not found", "getAccountAuditLogHistory", http.StatusNotFound, decode(t, testdata(t, "odd", "error_no_entry.json")), 50},
		{"categories", "listAccountAuditLogProductCategories", http.StatusOK, example("ProductCategories"), 60},
	}
	for _, answer := range answers {
		schema, err := c.ResponseSchema(answer.id, answer.status)
		if err != nil {
			t.Fatal(err)
		}
		whole := complete(schema, answer.value)
		if err := check(answer.id, answer.status, encode(t, whole)); err != nil {
			t.Fatalf("%s: the whole answer is refused: %v", answer.name, err)
		}
		mutants := spoil(schema, "", whole, func(value any) any { return value })
		if len(mutants) < answer.least {
			t.Errorf("%s: only %d mutants", answer.name, len(mutants))
		}
		for _, m := range mutants {
			t.Run(answer.name+" "+m.name, func(t *testing.T) {
				refused(t, check(answer.id, answer.status, encode(t, m.value)), m.names)
			})
		}
	}
}

func TestMutatedBodies(t *testing.T) {
	c := mustLoad(t)
	request := goodRequest(t)
	good := string(testdata(t, "reference.json"))
	failure := `{"success":false,"errors":[{"message":"message"}],"result":null}`
	html := http.Header{"Content-Type": {"text/html; charset=UTF-8"}}
	kind := func(values ...string) http.Header { return http.Header{"Content-Type": values} }
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	if _, err := writer.Write([]byte(good)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	inGzip := http.Header{"Content-Type": {jsonType}, "Content-Encoding": {"gzip"}}

	passing := []struct {
		status int
		header http.Header
		body   string
	}{
		{200, jsonHeader(), good},
		{200, kind("application/json; charset=utf-8"), good},
		{200, jsonHeader(), " \r\n" + good + "\n\t "},
		{200, inGzip, zipped.String()},
		{400, jsonHeader(), failure},
		{503, jsonHeader(), failure},
		{503, html, "<html></html>"},
		{200, jsonHeader(), `{"success":true,"result":[{"resource":{"request":{"a":1,"a":2}}}]}`},
	}
	for i, p := range passing {
		if err := c.CheckResponse(request, p.status, p.header, []byte(p.body)); err != nil {
			t.Errorf("good answer %d is refused: %v", i, err)
		}
	}

	tests := []struct {
		name   string
		names  string
		status int
		header http.Header
		body   string
	}{
		{"trailing bytes", "after the JSON value", 200, jsonHeader(), good + "x"},
		{"trailing bracket", "after the JSON value", 200, jsonHeader(), good + "}"},
		{"second document", "after the JSON value", 200, jsonHeader(), good + good},
		{"trailing NUL", "after the JSON value", 200, jsonHeader(), good + "\x00"},
		{"empty body", "JSON", 200, jsonHeader(), ""},
		{"byte order mark", "JSON", 200, jsonHeader(), "\ufeff" + good},
		{"not UTF-8", "UTF-8", 200, jsonHeader(), strings.Replace(good, "Add Member", "Add \xff", 1)},
		{"HTML", "JSON", 200, jsonHeader(), "<html></html>"},
		{"null", "", 200, jsonHeader(), "null"},
		{"list", "", 200, jsonHeader(), "[]"},
		{"success twice", "success", 200, jsonHeader(), strings.Replace(good, `"success": true`, `"success": false, "success": true`, 1)},
		{"id twice", "id", 200, jsonHeader(), strings.Replace(good, `"id":`, `"id": "another", "id":`, 1)},
		{"cursor twice", "cursor", 200, jsonHeader(), strings.Replace(good, `"cursor":`, `"cursor": "another", "cursor":`, 1)},
		{"page under status 400", "success", 400, jsonHeader(), good},
		{"failure under status 200", "success", 200, jsonHeader(), failure},
		{"no content type", "Content-Type", 200, http.Header{}, good},
		{"two content types", "Content-Type", 200, kind(jsonType, jsonType), good},
		{"unreadable content type", "Content-Type", 200, kind("application/json; charset"), good},
		{"other charset", "Content-Type", 200, kind("application/json; charset=latin1"), good},
		{"text", "Content-Type", 200, kind("text/plain"), good},
		{"HTML under status 200", "Content-Type", 200, html, "<html></html>"},
		{"HTML under status 403", "Content-Type", 403, html, "<html></html>"},
		{"JSON said to be HTML", "Content-Type", 200, html, good},
		{"gzip that is none", "body", 200, inGzip, good},
		{"gzip not declared", "", 200, jsonHeader(), zipped.String()},
		{"gzip cut short", "body", 200, inGzip, zipped.String()[:zipped.Len()-4]},
		{"bytes after gzip", "body", 200, inGzip, zipped.String() + "x"},
		{"other encoding", "body", 200, http.Header{"Content-Type": {jsonType}, "Content-Encoding": {"br"}}, good},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			refused(t, c.CheckResponse(request, test.status, test.header, []byte(test.body)), test.names)
		})
	}
	// All statuses that the contract does not declare, those that the validator never looks at
	// included.
	for _, status := range []int{0, 100, 201, 202, 204, 206, 301, 302, 304, 307, 308, 402, 405, 408, 409, 410, 422, 451, 600} {
		t.Run(fmt.Sprintf("status %d", status), func(t *testing.T) {
			refused(t, c.CheckResponse(request, status, jsonHeader(), []byte(good)), strconv.Itoa(status))
			refused(t, c.CheckResponse(request, status, jsonHeader(), []byte(failure)), strconv.Itoa(status))
		})
	}
	// Wherever the body is cut, it is noticed.
	trimmed := strings.TrimSpace(good)
	for length := range len(trimmed) {
		if err := c.CheckResponse(request, http.StatusOK, jsonHeader(), []byte(trimmed[:length])); err == nil {
			t.Errorf("a body cut after %d of %d bytes passed", length, len(trimmed))
		}
	}
}

// fullQuery has every parameter of an operation, lists with two values.
func fullQuery(c *Contract, id string) url.Values {
	query := url.Values{}
	for _, p := range queryParametersOf(c, id) {
		values := valuesOf(p)
		if p.Schema.Value.Items == nil {
			values = values[:1]
		}
		query[p.Name] = values[:min(2, len(values))]
	}
	return query
}

// A change spoils a request in one place.
type change struct {
	name  string // of the test
	names string // what the reason has to speak of; empty for anything
	apply func(*http.Request)
}

// queryChanges spoil a request that has every parameter of an operation.
func queryChanges(c *Contract, id string) []change {
	var changes []change
	query := func(name, names string, apply func(url.Values)) {
		changes = append(changes, change{name, names, func(r *http.Request) {
			q := r.URL.Query()
			apply(q)
			r.URL.RawQuery = q.Encode()
		}})
	}
	raw := func(name, names, appended string) {
		changes = append(changes, change{name, names, func(r *http.Request) { r.URL.RawQuery += appended }})
	}
	for _, p := range queryParametersOf(c, id) {
		name := p.Name
		if p.Required {
			query(name+" absent", name, func(q url.Values) { q.Del(name) })
		}
		query(name+" empty", name, func(q url.Values) { q[name] = []string{""} })
		query(name+" misspelt", name+"_", func(q url.Values) { q[name+"_"] = []string{"x"} })
		query(name+" in capitals", strings.ToUpper(name), func(q url.Values) { q[strings.ToUpper(name)] = []string{"x"} })
		raw(name+" with a broken escape", name, "&"+name+"=%zz")
		raw(name+" with half an escape", name, "&"+name+"=%4")
		raw(name+" with a space", name, "&"+name+"=a b")
		raw(name+" with a letter beyond ASCII", name, "&"+name+"=é")
		raw(name+" with a semicolon", name, "&"+name+"=a;b")
		raw(name+" without equals sign", name, "&"+name)

		schema := p.Schema.Value
		if schema.Items != nil {
			schema = schema.Items.Value
			query(name+" with an empty value among others", name, func(q url.Values) { q.Add(name, "") })
			// The other way in which lists are written.
			query(name+"[]", name+"[]", func(q url.Values) { q[name+"[]"] = q[name]; q.Del(name) })
		} else {
			query(name+" twice", name, func(q url.Values) { q.Add(name, q.Get(name)) })
		}
		var wrong []string
		switch {
		case len(schema.Enum) > 0:
			wrong = []string{"no-such-value", strings.ToUpper(fmt.Sprint(schema.Enum[0])), fmt.Sprint(schema.Enum[0]) + " "}
			if len(schema.Enum) > 1 {
				wrong = append(wrong, fmt.Sprintf("%v,%v", schema.Enum[0], schema.Enum[1]))
			}
		case schema.Type.Is(openapi3.TypeInteger):
			wrong = []string{"abc", "1.5", "0x10", " 1", "1 ", "1,2", "NaN"}
			if schema.Max != nil {
				wrong = append(wrong, strconv.Itoa(int(*schema.Min)-1), "-1", strconv.Itoa(int(*schema.Max)+1), "99999999999999999999")
			}
		case len(schema.AnyOf) > 0 && schema.AnyOf[0].Value.Format == "ipv4":
			wrong = []string{"alice", "1.2.3", "198.51.100.0/24", "2001:db8::/32", "fe80::1%eth0", "198.51.100.256", " 198.51.100.7", "198.51.100.7,198.51.100.8"}
		case len(schema.AnyOf) > 0:
			wrong = []string{
				"2024-02-31", "2023-02-29", "2024-13-01", "2024-2-1", "20241030", "yesterday", "1730277000",
				"2024-02-31T00:00:00Z", "2024-10-30T08:30:00", "2024-10-30T08:30:00+0530", "2024-10-30 08:30:00Z",
				"2024-10-30T08:30Z", "2024-10-30T24:00:01Z", "2024-10-30T08:30:00,5Z",
			}
		}
		for _, value := range wrong {
			query(name+" = "+value, name, func(q url.Values) { q[name] = []string{value} })
		}
	}
	raw("unknown parameter", "zone", "&zone=x")
	raw("nameless parameter", "", "&=x")
	raw("empty pair", "", "&")
	raw("broken escape in a name", "", "&%zz=x")
	raw("the reference's Python spelling", "raw_cf_rayid", "&raw_cf_rayid=x")
	return changes
}

func TestMutatedRequests(t *testing.T) {
	c := mustLoad(t)
	for _, operation := range auditlogsapi.Operations {
		full := fullQuery(c, operation.ID)
		good := func() *http.Request {
			r := requestOf(t, c, operation.ID)
			r.URL.RawQuery = full.Encode()
			return r
		}
		values, err := c.CheckRequest(good())
		if err != nil {
			t.Fatalf("the full request of %s is refused: %v", operation.ID, err)
		}
		if len(values) != len(full) {
			t.Fatalf("%d parameters were read of %s, want %d", len(values), operation.ID, len(full))
		}
		changes := append(queryChanges(c, operation.ID), pathChanges(c, operation.ID)...)
		prefix := operation.ID + " "
		if operation.ID == operationID {
			changes, prefix = append(changes, requestChanges()...), ""
			if len(changes) < 500 {
				t.Errorf("only %d mutants", len(changes))
			}
		}
		for _, change := range changes {
			t.Run(prefix+change.name, func(t *testing.T) {
				request := good()
				change.apply(request)
				_, err := c.CheckRequest(request)
				refused(t, err, change.names)
			})
		}
	}
}

// pathChanges spoil the path of a request.
func pathChanges(c *Contract, id string) []change {
	var changes []change
	for _, ref := range c.Operation(id).Parameters {
		p := ref.Value
		if p.In != openapi3.ParameterInPath {
			continue
		}
		good := fmt.Sprint(p.Example)
		wrong := []string{"", "a.b", good + "%0A", "%34" + good[1:], good + "%20"}
		if good == account {
			wrong = append(wrong, "me", good+"0", good[1:], "x"+good[1:])
		}
		for _, value := range wrong {
			changes = append(changes, change{p.Name + " " + value, "", func(r *http.Request) {
				u, err := url.Parse(strings.Replace(r.URL.String(), "/"+good, "/"+value, 1))
				if err != nil {
					panic(err)
				}
				r.URL = u
			}})
		}
	}
	return append(changes, change{"path with a slash at its end", "", func(r *http.Request) { r.URL.Path += "/" }})
}

// requestChanges spoil what all requests have in common.
func requestChanges() []change {
	var changes []change
	at := func(name, path string) {
		changes = append(changes, change{name, path, func(r *http.Request) { r.URL.Path = path }})
	}
	at("no account", "/client/v4/accounts//logs/audit")
	at("other path", "/client/v4/accounts/"+account+"/audit_logs")
	at("without the base path", listingPath)
	changes = append(changes,
		change{"other method", "POST", func(r *http.Request) { r.Method = http.MethodPost }},
		change{"other host", "", func(r *http.Request) { r.URL.Host, r.Host = "example.com", "example.com" }},
		change{"plain HTTP", "", func(r *http.Request) { r.URL.Scheme = "http" }},
		change{"user in the URL", "user", func(r *http.Request) { r.URL.User = url.UserPassword("u", "p") }},
		change{"fragment", "fragment", func(r *http.Request) { r.URL.Fragment = "x" }},
		change{"body", "body", func(r *http.Request) { r.ContentLength = 3 }},
		change{"body of unknown length", "body", func(r *http.Request) { r.ContentLength = -1 }},
	)
	for name, header := range map[string][]string{
		"no token":                  nil,
		"empty header":              {""},
		"Basic":                     {"Basic dXNlcjpwYXNz"},
		"no scheme":                 {goodToken},
		"no token after the scheme": {"Bearer "},
		"two spaces":                {"Bearer  " + goodToken},
		"token with a space":        {"Bearer a b"},
		"line break":                {"Bearer a\n"},
		"two headers":               {"Bearer a", "Bearer b"},
		"quoted":                    {`Bearer "a"`},
	} {
		changes = append(changes, change{"authorization: " + name, "Authorization", func(r *http.Request) {
			r.Header.Del("Authorization")
			if header != nil {
				r.Header["Authorization"] = header
			}
			r.Header.Set("X-Auth-Key", "does not count")
		}})
	}
	return changes
}

// TestChecksTellNoValues holds for the errors of answers what the drift report promises: they may
// be printed.
func TestChecksTellNoValues(t *testing.T) {
	c := mustLoad(t)
	request := goodRequest(t)
	const secret = "S3cret-Value@private.example"
	for _, field := range []string{"id", "description", "time", "email", "cursor", "status_code"} {
		value := decode(t, testdata(t, "reference.json"))
		for _, other := range []any{[]any{secret}, map[string]any{secret: secret}, secret} {
			body := encode(t, replaceField(value, field, other))
			if err := c.CheckResponse(request, http.StatusOK, jsonHeader(), body); err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the value of %s: %v", field, err)
			}
		}
	}
}

// replaceField replaces the fields of one name at any depth, in a copy.
func replaceField(value any, name string, replacement any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, inner := range v {
			if key == name {
				out[key] = replacement
			} else {
				out[key] = replaceField(inner, name, replacement)
			}
		}
		return out
	case []any:
		var out []any
		for _, inner := range v {
			out = append(out, replaceField(inner, name, replacement))
		}
		return out
	}
	return value
}
