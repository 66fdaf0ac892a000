package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogstest"
)

// driftCases are entries, or whole bodies, and what a drift check has to find in them.
var driftCases = []struct {
	name  string
	entry string
	body  string
	want  []Finding
}{
	{name: "nothing", entry: `{"id":"1","action":{"type":"create","time":"2024-10-02T00:00:00Z"},"resource":{"scope":"zones"}}`},
	{name: "any payload", entry: `{"resource":{"request":{"new":{"deep":[1,"x",null]}},"response":"text","scope":{"any":"thing"}}}`},
	{name: "null objects", entry: `{"account":null,"action":null,"actor":null,"raw":null,"resource":null,"zone":null}`},
	{
		name: "unknown field", entry: `{"id":"1","team":{"id":"Real0rg"}}`,
		want: []Finding{{UnknownField, "result[].team", "", 1, `{"xx":"xxxx0xx"}`}},
	},
	{
		name: "unknown fields below", entry: `{"actor":{"device_name":"Alice's Mac"},"resource":{"old":[1.50,{"Secret":true}],"value":{"any":"thing"}},"zone":{"plan":null}}`,
		want: []Finding{
			{UnknownField, "result[].actor.device_name", "", 1, `"xxxxx'x xxx"`},
			{UnknownField, "result[].resource.old", "", 1, `[0.00,{"xxxxxx":true or false}]`},
			{UnknownField, "result[].zone.plan", "", 1, ""},
		},
	},
	{
		name: "a name that is data", entry: `{"actor":{"alice@example.com":1,"023e105f4ecef8ad":2}}`,
		want: []Finding{
			{UnknownField, "result[].actor.000x000x0xxxx0xx", "", 1, "0"},
			{UnknownField, "result[].actor.xxxxx@xxxxxxx.xxx", "", 1, "0"},
		},
	},
	{
		name: "unknown values", entry: `{"action":{"type":"logon","result":""},"actor":{"context":"carrier","type":"service_account"},"resource":{"scope":"planets"}}`,
		want: []Finding{
			{UnknownValue, "result[].action.result", `""`, 1, ""},
			{UnknownValue, "result[].action.type", `"logon"`, 1, ""},
			{UnknownValue, "result[].actor.context", `"carrier"`, 1, ""},
			{UnknownValue, "result[].actor.type", `"service_account"`, 1, ""},
			{UnknownValue, "result[].resource.scope", `"planets"`, 1, ""},
		},
	},
	{
		name: "unknown values that are no words", entry: `{"action":{"type":"Bob Smith 17"},"actor":{"type":"` + strings.Repeat("a", 100) + `"}}`,
		want: []Finding{
			{UnknownValue, "result[].action.type", "", 1, `"xxx xxxxx 00"`},
			{UnknownValue, "result[].actor.type", "", 1, `"` + strings.Repeat("x", 60) + `…"`},
		},
	},
	{
		name: "wrong types", entry: `{"id":17,"account":"Acme","action":{"time":1730277000},"raw":{"status_code":"200"},"actor":[]}`,
		want: []Finding{
			{UnexpectedType, "result[].account", "string", 1, `"xxxx"`},
			{UnexpectedType, "result[].action.time", "integer", 1, "0000000000"},
			{UnexpectedType, "result[].actor", "array", 1, "[]"},
			{UnexpectedType, "result[].id", "integer", 1, "00"},
			{UnexpectedType, "result[].raw.status_code", "string", 1, `"000"`},
		},
	},
	{
		name: "null scalars", entry: `{"id":null,"actor":{"email":null},"raw":{"status_code":null}}`,
		want: []Finding{
			{UnexpectedType, "result[].actor.email", "null", 1, ""},
			{UnexpectedType, "result[].id", "null", 1, ""},
			{UnexpectedType, "result[].raw.status_code", "null", 1, ""},
		},
	},
	{name: "fraction", entry: `{"raw":{"status_code":200.5}}`, want: []Finding{{UnexpectedType, "result[].raw.status_code", "number", 1, "000.0"}}},
	{
		name: "odd time", entry: `{"action":{"time":"30 Oct 2024"}}`,
		want: []Finding{{BadFormat, "result[].action.time", "date-time", 1, `"00 xxx 0000"`}},
	},
	{name: "entry is no object", entry: `"Entry"`, want: []Finding{{UnexpectedType, "result[]", "string", 1, `"xxxxx"`}}},
	{
		name: "page", body: `{"success":true,"result":[],"trace":"T1","result_info":{"total":5,"cursors":{"before":"B"}},"errors":[{"code":"7","text":"x"}]}`,
		want: []Finding{
			{UnexpectedType, "errors[].code", "string", 1, `"0"`},
			{MissingField, "errors[].message", "", 1, ""},
			{UnknownField, "errors[].text", "", 1, `"x"`},
			{UnknownField, "result_info.cursors.before", "", 1, `"x"`},
			{UnknownField, "result_info.total", "", 1, "0"},
			{UnknownField, "trace", "", 1, `"x0"`},
		},
	},
	{name: "no success", body: `{"result":null}`, want: []Finding{{MissingField, "success", "", 1, ""}}},
	{name: "failure", body: `{"success":false}`, want: []Finding{{UnknownValue, "success", "false", 1, ""}}},
	{name: "HTML", body: `<html>Secret</html>`, want: []Finding{{NotJSON, "body", "", 1, ""}}},
	{name: "trailing bytes", body: `{"success":true} x`, want: []Finding{{NotJSON, "after the body", "", 1, ""}}},
	{name: "list", body: `[]`, want: []Finding{{UnexpectedType, "body", "array", 1, "[]"}}},
	{name: "null", body: `null`, want: []Finding{{UnexpectedType, "body", "null", 1, ""}}},
}

// TestDrift also validates each case against the closed copy of the contract: the validator, which
// shares no code with the drift check, has to refuse the same bodies.
func TestDrift(t *testing.T) {
	c, closed := mustLoad(t), mustLoadClosed(t)
	for _, test := range driftCases {
		t.Run(test.name, func(t *testing.T) {
			body := test.body
			if body == "" {
				body = `{"success":true,"result":[` + test.entry + `],"result_info":{"count":1}}`
			}
			report := Drift(pageSchema(t, c), []byte(body))
			got := slices.Clone(report.Findings)
			for i := range got {
				if got[i].Example == "null" {
					got[i].Example = ""
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found\n%+v, want\n%+v", got, test.want)
			}
			err := closed.CheckResponse(goodRequest(t), http.StatusOK, jsonHeader(), []byte(body))
			if (err != nil) != (len(test.want) > 0) {
				t.Errorf("the closed contract says: %v", err)
			}
		})
	}
}

func mustLoadClosed(t *testing.T, servers ...string) *Contract {
	t.Helper()
	c, err := LoadClosed(servers...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDriftReference shows that the reference's own answer holds no news, also for the closed copy.
func TestDriftReference(t *testing.T) {
	body := testdata(t, "reference.json")
	if report := Drift(pageSchema(t, mustLoad(t)), body); len(report.Findings) > 0 || report.Entries != 1 {
		t.Errorf("%v", report)
	}
	if err := mustLoadClosed(t).CheckResponse(goodRequest(t), http.StatusOK, jsonHeader(), body); err != nil {
		t.Error(err)
	}
}

// TestDriftMutants lets the drift check find every spoiled answer that the validator finds.
func TestDriftMutants(t *testing.T) {
	schema := pageSchema(t, mustLoad(t))
	whole := complete(schema, decode(t, testdata(t, "reference.json")))
	if report := Drift(schema, encode(t, whole)); len(report.Findings) > 0 {
		// Samples of fields with listed values are no listed values.
		for _, f := range report.Findings {
			if f.Kind != UnknownValue {
				t.Errorf("the whole answer: %+v", f)
			}
		}
	}
	for _, m := range spoil(schema, "", whole, func(value any) any { return value }) {
		report := Drift(schema, encode(t, m.value))
		if !slices.ContainsFunc(report.Findings, func(f Finding) bool {
			last := m.names[strings.LastIndex(m.names, "/")+1:]
			return strings.Contains(f.Path, last) || regexp.MustCompile(`^\d*$`).MatchString(last)
		}) {
			t.Errorf("%s: not found in %v", m.name, report)
		}
	}
}

func TestDriftCounts(t *testing.T) {
	schema := pageSchema(t, mustLoad(t))
	page := func(entries ...string) []byte {
		return []byte(`{"success":true,"result":[` + strings.Join(entries, ",") + `]}`)
	}
	login, odd := `{"action":{"type":"logon"}}`, `{"action":{"type":"Odd One"},"x":1}`
	report := Drift(schema, page(login, odd, login), page(), page(odd, `{"action":{"type":"Other"},"x":"y"}`))
	want := Report{Bodies: 3, Entries: 5, Findings: []Finding{
		{UnknownValue, "result[].action.type", "", 3, `"xxx xxx"`},
		{UnknownValue, "result[].action.type", `"logon"`, 2, ""},
		{UnknownField, "result[].x", "", 3, "0"},
	}}
	if !reflect.DeepEqual(report, want) {
		t.Errorf("got %+v, want %+v", report, want)
	}
	text := report.String()
	for _, part := range []string{"3 pages with 5 entries, 3 findings", "2× result[].action.type = \"logon\"", "shaped like \"xxx xxx\""} {
		if !strings.Contains(text, part) {
			t.Errorf("the report lacks %q:\n%s", part, text)
		}
	}
}

// TestDriftTellsNoValues fills a page with values that may not get out, wherever a service could
// put them.
func TestDriftTellsNoValues(t *testing.T) {
	schema := pageSchema(t, mustLoad(t))
	secrets := []string{"alice@example.com", "Zoë Müller", "v1_0-Token.8f3a", "192.0.2.77", "4bb334f7c94c4a29a045f03944f072e5", "東京"}
	var bodies [][]byte
	for _, s := range secrets {
		q := fmt.Sprintf("%q", s)
		for _, entry := range []string{
			`{"news":` + q + `}`, `{"news":{` + q + `:[` + q + `]}}`, `{` + q + `:1}`, `{"actor":{` + q + `:{}}}`, `{"actor":{"context":` + q + `}}`,
			`{"action":{"time":` + q + `}}`, `{"raw":{"status_code":` + q + `}}`, `{"id":[` + q + `]}`, `{"zone":` + q + `}`, q, `{"resource":{"scope":` + q + `}}`,
		} {
			bodies = append(bodies, []byte(`{"success":true,"result":[`+entry+`]}`))
		}
		bodies = append(bodies, []byte(s), []byte(`{"success":`+q+`}`), []byte(`{"success":true}`+s), []byte(`{"success":true,"result_info":{"cursors":`+q+`}}`))
	}
	report := Drift(schema, bodies...)
	text := report.String() + fmt.Sprintf("%+v", report)
	for _, s := range secrets {
		for _, part := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("@. -_", r) }) {
			if len(part) > 3 && strings.Contains(text, part) {
				t.Errorf("the report holds %q", part)
			}
		}
	}
	if len(report.Findings) < 20 {
		t.Errorf("only %d findings:\n%s", len(report.Findings), text)
	}
}

// TestDriftThroughFake brings malformed entries through the fake and the client, as the check of
// the live API does.
func TestDriftThroughFake(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithTokens(goodToken))
	defer server.Close()
	for i, test := range driftCases {
		if strings.HasPrefix(test.entry, "{") {
			server.Add(strings.Replace(test.entry, "{", fmt.Sprintf(`{"place":%d,`, i), 1))
		}
	}
	check := liveCheck{baseURL: server.URL, account: account, token: goodToken, client: server.Client(), pages: 3, pageSize: 4}
	// Most of these entries have no time, and count as of the moment at which they were added.
	result, err := check.run(t.Context(), "2024-01-01", "2999-01-01")
	if err != nil {
		t.Fatal(err)
	}
	if result.report.Bodies != 3 || result.report.Entries != 12 {
		t.Errorf("%d pages with %d entries were read, want 3 with 12", result.report.Bodies, result.report.Entries)
	}
	text := result.String()
	for _, part := range []string{"12× result[].place", "result[].team", "result[].actor.device_name", `= "logon"`, "result[].actor.email = null"} {
		if !strings.Contains(text, part) {
			t.Errorf("the report lacks %q:\n%s", part, text)
		}
	}
	// Wrong types are violations of the contract, and news to the report.
	if len(result.violations) == 0 {
		t.Error("no violation was found")
	}
	report := filepath.Join(t.TempDir(), "report.json")
	t.Setenv("CFAUDIT_LIVE_REPORT", report)
	t.Setenv("GITHUB_ACTIONS", "true")
	var annotations bytes.Buffer
	result.publish(t, &annotations)
	written, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Violations []string
		Pages      int
		Entries    int
		Findings   []Finding
	}
	if err := json.Unmarshal(written, &read); err != nil || read.Pages != 3 || read.Entries != 12 ||
		len(read.Violations) != len(result.violations) || !slices.Equal(read.Findings, result.report.Findings) {
		t.Errorf("the report as JSON, %v:\n%s", err, written)
	}
	if lines := strings.Count(annotations.String(), "\n::"); lines != len(read.Findings)+len(read.Violations) {
		t.Errorf("%d annotations for %d findings and %d violations:\n%s", lines, len(read.Findings), len(read.Violations), annotations.String())
	}
	for _, part := range []string{
		"\n::warning title=The live API has news::unknown field: 12× result[].place   shaped like 00\n",
		"\n::warning title=The live API has news::unknown value: 1× result[].action.type = \"logon\"\n",
		"\n::error title=The live API violates the contract::page 1: ",
	} {
		if !strings.Contains(annotations.String(), part) {
			t.Errorf("the annotations lack %q:\n%s", part, annotations.String())
		}
	}
	for _, output := range []string{text, string(written), annotations.String()} {
		for _, secret := range []string{goodToken, account, "Real0rg", "Alice", "alice", "Acme"} {
			if strings.Contains(output, secret) {
				t.Errorf("the output holds %q:\n%s", secret, output)
			}
		}
	}
}
