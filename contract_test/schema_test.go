package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/schema/ecs"
	"cfaudit.example/wrapper/auditlogs/schema/ocsf"
	"cfaudit.example/wrapper/auditlogstest"
)

// eventSchemas are the schemas of events, and how an entry becomes one.
var eventSchemas = []struct {
	name   string
	append func(e *auditlogs.Entry, raw bool) []byte
}{
	{"ecs", func(e *auditlogs.Entry, raw bool) []byte { return ecs.Append(nil, e, ecs.Options{OmitOriginal: !raw}) }},
	{"ocsf", func(e *auditlogs.Entry, raw bool) []byte { return ocsf.Append(nil, e, ocsf.Options{OmitRawData: !raw}) }},
}

// eventValidator checks events with a schema of testdata/schema.
func eventValidator(t *testing.T, name string) func(event []byte) error {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiled, err := compiler.Compile(filepath.Join("testdata", "schema", name+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return func(event []byte) error {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
		if err != nil {
			return err
		}
		return compiled.Validate(value)
	}
}

func entryOf(t *testing.T, raw []byte) *auditlogs.Entry {
	t.Helper()
	e := new(auditlogs.Entry)
	if err := e.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestGoldenEvents compares events with those in testdata/schema/golden. With CFAUDIT_GOLDEN=1 it
// writes them.
func TestGoldenEvents(t *testing.T) {
	files, err := filepath.Glob("testdata/schema/golden/*.json")
	if err != nil {
		t.Fatal(err)
	}
	actors, actions := map[string]bool{}, map[string]bool{}
	n := 0
	for _, file := range files {
		name := strings.TrimSuffix(file, ".json")
		if strings.Contains(filepath.Base(name), ".") {
			continue // An event.
		}
		n++
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e := entryOf(t, bytes.TrimSpace(raw))
		actors[string(e.Actor.Type)], actions[string(e.Action.Type)] = true, true
		for _, s := range eventSchemas {
			event := s.append(e, false)
			if err := eventValidator(t, s.name)(event); err != nil {
				t.Errorf("%s as %s: %v", file, s.name, err)
			}
			var readable bytes.Buffer
			if err := json.Indent(&readable, event, "", "  "); err != nil {
				t.Fatal(err)
			}
			readable.WriteByte('\n')
			golden := name + "." + s.name + ".json"
			if os.Getenv("CFAUDIT_GOLDEN") != "" {
				if err := os.WriteFile(golden, readable.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(want, readable.Bytes()) {
				t.Errorf("%s is not what the entry becomes (%v):\n%s", golden, err, readable.Bytes())
			}
		}
	}
	if n < 20 {
		t.Errorf("%d entries, want 20", n)
	}
	for _, f := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		have := map[string]map[string]bool{"actor.type": actors, "action.type": actions}[f.Path]
		for _, known := range f.Known {
			if have != nil && !have[known] {
				t.Errorf("no entry has the %s %s", f.Path, known)
			}
		}
	}
}

// TestEventsAreValid checks the events of a made-up month and of all odd entries.
func TestEventsAreValid(t *testing.T) {
	var raws [][]byte
	s := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{Entries: 3000, Incident: time.Now().AddDate(0, 0, -3)}))
	defer s.Close()
	client, err := auditlogs.New(goodToken, auditlogs.WithBaseURL(s.URL), auditlogs.WithRate(0))
	if err != nil {
		t.Fatal(err)
	}
	query := auditlogs.Query{Since: "2000-01-01", Before: "2100-01-01"}
	for _, log := range []*auditlogs.Log{client.Account(auditlogstest.AccountID), client.Organization(auditlogstest.OrganizationID)} {
		for e, err := range log.Entries(t.Context(), query) {
			if err != nil {
				t.Fatal(err)
			}
			raws = append(raws, e.Raw)
		}
	}
	files, err := filepath.Glob("testdata/odd/*.json")
	if err != nil {
		t.Fatal(err)
	}
	made := len(raws)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var page struct{ Result []json.RawMessage }
		if json.Unmarshal(text, &page) == nil { // Some are no pages.
			for _, row := range page.Result {
				raws = append(raws, row)
			}
		}
	}
	if made < 3000 || len(raws) < made+30 {
		t.Fatalf("%d made-up entries, and %d odd ones", made, len(raws)-made)
	}
	large := fmt.Sprintf(`{"id":"large","resource":{"request":{"text":%q}}}`, strings.Repeat("x ", 1<<19))
	raws = append(raws, []byte(large))
	for _, s := range eventSchemas {
		validate := eventValidator(t, s.name)
		for _, raw := range raws {
			for _, withRaw := range []bool{true, false} {
				if event := s.append(entryOf(t, raw), withRaw); validate(event) != nil {
					t.Errorf("%.300q as %s, %.600s: %v", raw, s.name, event, validate(event))
				}
			}
		}
	}
}

// TestEveryFieldIsMapped names the fields of the contract that no schema has a place for yet.
func TestEveryFieldIsMapped(t *testing.T) {
	for _, operation := range auditlogsapi.Operations {
		for _, f := range operation.Fields {
			if !slices.ContainsFunc(auditlogsapi.ListAccountAuditLogsOperation.Fields, func(other auditlogsapi.Field) bool { return other.Path == f.Path }) {
				continue // Not of an entry.
			}
			if len(f.ECS) == 0 {
				t.Errorf("the field %s has no x-ecs, and so lands in cloudflare.audit.%s: say so, or where it goes", f.Path, f.Path)
			}
			if len(f.OCSF) == 0 {
				t.Errorf("the field %s has no x-ocsf, and so lands in unmapped.%s: say so, or where it goes", f.Path, f.Path)
			}
		}
	}
}
