package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/match"
	"cfaudit.example/wrapper/auditlogstest"
)

// unusual are entries whose text does not show what they say, or says it in another way.
var unusual = []any{
	`{"id":"unusual-1","action":{"time":"2024-10-20T10:00:00Z","type":"cre\u0061te"},"actor":{"email":"\u0061lice@example.com"}}`,
	`{"id":"unusual-2","action":{"time":"2024-10-20T10:00:01Z"},"\u0061ctor":{"em\u0061il":"alice@example.com"}}`,
	`{"id":"unusual-3", "action" : { "time" : "2024-10-20T10:00:02Z" , "type" :	"create" } , "raw":{"status_code" : 404 }}`,
	`{"id":"unusual-4","action":{"time":"2024-10-20T10:00:03Z"},"raw":{"status_code":2.00e2}}`,
	`{"id":"unusual-5","action":{"time":"2024-10-20T10:00:04Z"},"raw":{"status_code":"200"}}`,
	`{"id":"unusual-6","action":{"time":"2024-10-20T10:00:05Z"},"raw":{"status_code":200,"uri":"\/zones\/1","user_agent":"a\"b\\c\td"}}`,
	`{"id":"unusual-7","action":{"time":"2024-10-20T10:00:06Z"},"raw":{"user_agent":"caf\u00e9"},"resource":{"scope":"zon\u0065s"}}`,
	`{"id":"unusual-8","action":{"time":"2024-10-20T10:00:07Z"},"actor":{"email":"bob@example.com","email":"alice@example.com"}}`,
	`{"id":"unusual-9","action":{"time":"2024-10-20T10:00:08Z"},"actor":{"email":{"email":"alice@example.com"}}}`,
	"{\"id\":\"unusual-10\",\"action\":{\"time\":\"2024-10-20T10:00:09Z\"},\"raw\":{\"user_agent\":\"caf\xe9\"}}",
	`{"action":{"time":"2024-10-20T10:00:10Z"},"actor":{"email":"alice@example.com"}}`,
	`{"action":{"time":"2024-10-20T10:00:10Z"},"actor":{"email":"alice@example.com"}}`,
}

// The command prints from an archive what it prints from the service, byte for byte, for each
// filter of the contract.
func TestArchiveListsTheSame(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithTokens(token),
		auditlogstest.WithHistory(auditlogstest.History{Entries: 1500, Since: since, Before: before}))
	defer server.Close()
	server.Add(unusual...)
	server.Add(oddEntries(t)...)
	list := func(from ...string) []byte {
		cmd := exec.Command(filepath.Join(programs, "cfaudit"), append([]string{"list", "--since", "2024-01-01", "--before", "2100-01-01"}, from...)...)
		cmd.Env = append(os.Environ(), "CLOUDFLARE_API_TOKEN="+token, "CLOUDFLARE_ACCOUNT_ID="+auditlogstest.AccountID, "CLOUDFLARE_BASE_URL="+server.URL)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, &errs)
		}
		return out
	}
	dir := t.TempDir()
	everything := list()
	writeFile(t, filepath.Join(dir, "all.ndjson"), everything)
	products := exec.Command(filepath.Join(programs, "cfaudit"), "products", "--base-url", server.URL, "--account", auditlogstest.AccountID, "--format", "ndjson")
	products.Env = append(os.Environ(), "CLOUDFLARE_API_TOKEN="+token)
	categories, err := products.Output()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "product-categories.ndjson"), categories)
	values := valuesOf(t, everything)
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		if p.Field == "" {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			name, not := strings.CutSuffix(strings.ReplaceAll(p.Name, "_", "-"), ".not")
			if not {
				name = "not-" + name
			}
			given := values[p.Field]
			if p.Joins != "" {
				given = []string{"zerotrust", "PERFORMANCE"}
			}
			if len(given) == 0 {
				t.Fatalf("no entry has %s", p.Field)
			}
			var few []string
			for i := 0; i < len(given); i += 1 + len(given)/20 {
				few = append(few, "--"+name, given[i])
			}
			for _, flags := range [][]string{few[:2], few, append(slices.Clone(few), "--direction", "desc"), append(slices.Clone(few), "--format", "csv")} {
				want := list(flags...)
				got := list(append(slices.Clone(flags), "--archive", dir)...)
				if !bytes.Equal(got, want) || !not && len(want) == 0 {
					t.Errorf("%.200q prints %d bytes from the archive, and %d from the service: %s", flags, len(got), len(want), difference(got, want))
				}
			}
		})
	}
}

// difference returns the first lines that differ.
func difference(got, want []byte) string {
	g, w := bytes.Split(got, []byte{'\n'}), bytes.Split(want, []byte{'\n'})
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			return fmt.Sprintf("line %d is\n%.300s\nand not\n%.300s", i+1, g[i], w[i])
		}
	}
	return "one ends before the other"
}

func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// oddEntries are those of the answers that deviate from the reference.
func oddEntries(t *testing.T) (all []any) {
	t.Helper()
	names, err := filepath.Glob("../testdata/odd/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal("there are no odd answers", err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Result []json.RawMessage `json:"result"`
		}
		if json.Unmarshal(body, &page) != nil {
			continue // It is no page.
		}
		for _, row := range page.Result {
			// Many share an ID, which a listing shows once.
			if line := bytes.Replace(row, []byte(`"id":"`), []byte(`"id":"`+filepath.Base(name)+"-"), 1); line[0] == '{' {
				all = append(all, line)
			}
		}
	}
	return all
}

// valuesOf collects the values of the fields that filters look at.
func valuesOf(t *testing.T, lines []byte) map[string][]string {
	t.Helper()
	values := map[string][]string{}
	for line := range bytes.Lines(lines) {
		var e auditlogs.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		fields := match.Read(&e)
		for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
			// A value that holds a comma or a wildcard is refused by no one, but one that is not of
			// the filter's form is.
			if value := fields.Get(p.Field); value != "" && !slices.Contains(values[p.Field], value) {
				values[p.Field] = append(values[p.Field], value)
			}
		}
	}
	return values
}
