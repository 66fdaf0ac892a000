package copies

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The filter that TestNewFilter adds. No service has it.
const (
	newFilterReference = `        - $ref: '#/components/parameters/FilterRawUserAgent'
        - $ref: '#/components/parameters/FilterRawUserAgentNot'
`
	newFilterParameters = `    FilterRawUserAgent:
      name: raw_user_agent
      in: query
      description: Keep only entries whose user agent is one of these.
      x-field: raw.user_agent
      x-source: observed
      style: form
      explode: true
      schema:
        type: array
        items:
          type: string
    FilterRawUserAgentNot:
      name: raw_user_agent.not
      in: query
      description: Leave out entries whose user agent is any of these.
      x-field: raw.user_agent
      x-source: observed
      style: form
      explode: true
      schema:
        type: array
        items:
          type: string
`
	// newFilterProgram is what an importer could write once the filter is there.
	newFilterProgram = `package newfilter

import (
	"slices"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

func TestNewFilter(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	server.Add(
		` + "`" + `{"id":"1","action":{"time":"2024-10-02T00:00:01Z"},"raw":{"user_agent":"curl/8 (x; y)"}}` + "`" + `,
		` + "`" + `{"id":"2","action":{"time":"2024-10-02T00:00:02Z"},"raw":{"user_agent":"terraform"}}` + "`" + `,
		` + "`" + `{"id":"3","action":{"time":"2024-10-02T00:00:03Z"},"raw":{}}` + "`" + `,
	)
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}
	window := auditlogs.Query{Since: "2024-10-01", Before: "2024-10-31"}
	list := func(query auditlogs.Query) (ids []string) {
		for entry, err := range client.Account(auditlogstest.AccountID).Entries(t.Context(), query) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, entry.ID)
		}
		return ids
	}
	include, exclude := window, window
	include.RawUserAgent = []string{"curl/8 (x; y)", "nobody"}
	exclude.RawUserAgentNot = []string{"curl/8 (x; y)"}
	if got := list(include); !slices.Equal(got, []string{"1"}) {
		t.Errorf("included %q", got)
	}
	if got := list(exclude); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("left %q", got)
	}
}
`
)

// TestNewFilter changes nothing but the contract, in a copy of the repository, and looks for the
// new filter everywhere below it: in the query, in the requests, in the fake and in the command.
func TestNewFilter(t *testing.T) {
	root := t.TempDir()
	copyRepository(t, root)
	before := readTree(t, filepath.Join(root, "gen"))
	run(t, root, "go", "generate", ".")
	after := readTree(t, filepath.Join(root, "gen"))
	for name, text := range after {
		if !bytes.Equal(before[name], text) {
			t.Errorf("gen/%s is not what go generate makes of the contract", name)
		}
	}

	path := filepath.Join(root, "openapi", "auditlogs.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = insertBefore(t, text, "        - $ref: '#/components/parameters/FilterZoneID'\n", newFilterReference)
	text = insertBefore(t, text, "    FilterResourceID:\n", newFilterParameters)
	write(t, path, text)
	run(t, root, "go", "generate", "./...")
	run(t, root, "go", "vet", "./wrapper/auditlogs", "./wrapper/auditlogstest", "./gen/...")

	t.Run("library and fake", func(t *testing.T) {
		directory := filepath.Join(root, "newfilter")
		if err := os.Mkdir(directory, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(directory, "newfilter_test.go"), []byte(newFilterProgram))
		run(t, root, "go", "test", "./newfilter")
	})
	t.Run("contract tests", func(t *testing.T) {
		out := run(t, filepath.Join(root, "contract_test"), "go", "test", "-short", "-v", "-run", "Request|Contract", ".")
		for _, want := range []string{
			"PASS: TestContractFilters", "PASS: TestRequestAllParameters", "PASS: TestMutatedRequests/raw_user_agent_empty ",
			"PASS: TestRequestParameters/raw_user_agent ", "PASS: TestRequestParameters/raw_user_agent.not ",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("the output lacks %q", want)
			}
		}
	})
	t.Run("command", func(t *testing.T) {
		help := run(t, root, "go", "run", "./cmd/cfaudit", "list", "--help")
		for _, flag := range []string{"--raw-user-agent", "--not-raw-user-agent"} {
			if !strings.Contains(help, flag) {
				t.Errorf("the help of list lacks %s:\n%s", flag, help)
			}
		}
	})
}

// insertBefore puts a text in front of a line that is there once.
func insertBefore(t *testing.T, text []byte, line, inserted string) []byte {
	t.Helper()
	if n := bytes.Count(text, []byte("\n"+line)); n != 1 {
		t.Fatalf("the contract holds the line %q %d times, want once", line, n)
	}
	return bytes.Replace(text, []byte("\n"+line), []byte("\n"+inserted+line), 1)
}
