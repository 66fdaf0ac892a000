package peers

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A call is one call of the TypeScript SDK, by list.mjs.
type call struct {
	On        []string `json:"on"` // the method, from the client
	Arguments []any    `json:"arguments"`
	All       bool     `json:"all"` // iterate, instead of taking the first page
}

type result struct {
	Requests []string
	Rows     []row
	Error    string
}

// callAll makes calls with the official TypeScript SDK, as it is.
func callAll(t *testing.T, base string, calls []call) (results []result) {
	t.Helper()
	input := asJSON(map[string]any{"base": base, "calls": calls})
	command := exec.CommandContext(t.Context(), "node", "list.mjs")
	command.Stdin = strings.NewReader(input)
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		t.Fatalf("list.mjs: %v\n%s", err, problems.String())
	}
	if err := json.Unmarshal(out, &results); err != nil || len(results) != len(calls) {
		t.Fatalf("%d results for %d calls: %v", len(results), len(calls), err)
	}
	return results
}

// tsListings are the listings of the TypeScript SDK.
var tsListings = []struct {
	path   string
	types  string // where their parameters are declared
	on     []string
	params row
	before []any // arguments before the parameters
}{
	{
		path: accountPath, types: "resources/accounts/logs/audit.d.ts", on: []string{"accounts", "logs", "audit", "list"},
		params: row{"account_id": account},
	},
	{
		path: organizationPath, types: "resources/organizations/logs/audit.d.ts", on: []string{"organizations", "logs", "audit", "list"},
		params: row{}, before: []any{organization},
	},
}

// TestTypeScriptSDK lists with each filter that the SDK's types know, and compares the entries.
func TestTypeScriptSDK(t *testing.T) {
	base := serve(t)
	for _, listing := range tsListings {
		knows := newKnowledge(t, base, listing.path)
		if knows.rows == nil {
			continue // The contract does not have this operation.
		}
		t.Run(listing.path, func(t *testing.T) {
			list := func(all bool, changes row) call {
				params := row{"since": since.Format(time.DateOnly), "before": before.Format(time.DateOnly), "direction": "asc", "limit": 1000}
				for _, more := range []row{listing.params, changes} {
					for name, value := range more {
						params[name] = value
					}
				}
				return call{On: listing.on, Arguments: append(append([]any{}, listing.before...), params), All: all}
			}
			from, to := timeOf(knows.rows[100]), timeOf(knows.rows[200])
			calls := []call{
				list(false, nil),
				list(true, row{"limit": 100}),
				list(false, row{"since": from.Format(time.RFC3339Nano), "before": to.Format(time.RFC3339Nano)}),
			}
			type filter struct {
				name   string
				values []string
				left   []string
				known  bool
			}
			var filters []filter
			for _, name := range tsFilters(t, listing.types) {
				f := filter{name: name}
				f.values, f.left, f.known = knows.filter(t, name)
				filters = append(filters, f)
				bare, not := strings.CutSuffix(name, ".not")
				if not {
					calls = append(calls, list(false, row{bare: row{"not": f.values}}))
				} else {
					calls = append(calls, list(false, row{bare: f.values}))
				}
			}
			if len(filters) < 15 {
				t.Errorf("only %d filters were found", len(filters))
			}
			results := callAll(t, base, calls)

			if first := results[0]; first.Error != "" || !reflect.DeepEqual(first.Rows, knows.rows) {
				t.Errorf("%d entries, which are not the %d that are stored: %s", len(first.Rows), size, first.Error)
			}
			if all := results[1]; len(all.Rows) != 100 || all.Error != "" {
				t.Errorf("as found: %d of %d entries, and error %q. The SDK used to stop after the 100 entries of the first page, without "+
					"an error: it read the cursor where the service does not put it", len(all.Rows), size, all.Error)
			}
			within := slices.DeleteFunc(slices.Clone(knows.rows), func(r row) bool { return timeOf(r).Before(from) || !timeOf(r).Before(to) })
			if exact := results[2]; exact.Error != "" || !reflect.DeepEqual(exact.Rows, within) {
				t.Errorf("a window from the time of one entry to that of another has %d entries, want %d: %v %s",
					len(exact.Rows), len(within), exact.Requests, exact.Error)
			}
			for i, f := range filters {
				t.Run(f.name, func(t *testing.T) {
					got := results[3+i]
					switch {
					case !f.known && !strings.Contains(got.Error, "400"):
						t.Errorf("the contract does not know the filter, and the fake does: %s", got.Error)
					case f.known && (got.Error != "" || !sameIDs(ids(got.Rows), f.left)):
						t.Errorf("with %q: %d entries, want %d, by %v: %s", f.values, len(got.Rows), len(f.left), got.Requests, got.Error)
					}
				})
			}
		})
	}
}

// tsFilters reads the filters from the SDK's declarations, by their names on the wire.
func tsFilters(t *testing.T, types string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("node_modules", "cloudflare", types))
	if err != nil {
		t.Fatal(err)
	}
	_, declared, _ := strings.Cut(string(text), "\nexport interface AuditListParams ")
	declared, _, _ = strings.Cut(declared, "\n}")
	for _, match := range regexp.MustCompile(`(?m)^ {4}(\w+)\?: (AuditListParams\.\w+|Array<string>);$`).FindAllStringSubmatch(declared, -1) {
		name := match[1]
		if strings.HasPrefix(match[2], "AuditListParams.") {
			name += ".not"
		}
		names = append(names, name)
	}
	return names
}
