package peers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	contract "cfaudit.example/contract_test"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// The window of all entries, in whole days: one of the SDKs knows no others.
var (
	since  = time.Date(2024, time.October, 1, 0, 0, 0, 0, time.UTC)
	before = time.Date(2024, time.October, 31, 0, 0, 0, 0, time.UTC)
)

const (
	size         = 400
	account      = auditlogstest.AccountID
	organization = "a67e14daa5f8dceeb91fe5449ba496eb"

	accountPath      = "/accounts/{account_id}/logs/audit"
	organizationPath = "/organizations/{organization_id}/logs/audit"
)

// A row is an entry as it is stored.
type row = map[string]any

// stored makes the entries up that the fake serves to accounts, and to organizations where the
// contract knows them.
var stored = sync.OnceValues(func() (map[string][]row, error) {
	server := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{Seed: 3, Entries: size, Since: since, Before: before}))
	defer server.Close()
	client, err := auditlogs.New("any", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		return nil, err
	}
	rows := map[string][]row{}
	query := auditlogs.Query{Since: auditlogs.Time(since), Before: auditlogs.Time(before)}
	for entry, err := range client.Account(account).Entries(bg, query) {
		if err != nil {
			return nil, err
		}
		for _, path := range []string{accountPath, organizationPath} {
			var r row
			if err := json.Unmarshal(entry.Raw, &r); err != nil {
				return nil, err
			}
			if path == organizationPath {
				r["organization"] = row{"id": organization}
				delete(r, "account")
				delete(r, "zone")
				if resource, ok := r["resource"].(row); ok && len(rows[path])%2 == 0 {
					resource["scope"] = "organizations"
				}
			}
			rows[path] = append(rows[path], r)
		}
	}
	c, err := contract.Load()
	if err != nil {
		return nil, err
	}
	if c.Doc.Paths.Value(organizationPath) == nil {
		delete(rows, organizationPath)
	}
	return rows, nil
})

// command builds the command once.
var command = sync.OnceValues(func() (string, error) {
	directory, err := os.MkdirTemp("", "cfaudit")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(directory, "cfaudit")
	build := exec.Command("go", "build", "-o", binary, "./cmd/cfaudit")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return binary, err
})

func TestMain(m *testing.M) {
	status := m.Run()
	if binary, err := command(); err == nil {
		_ = os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(status)
}

// serve runs cfaudit serve with the stored entries, and returns its base URL.
func serve(t *testing.T) string {
	t.Helper()
	binary, err := command()
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	for _, rows := range allRows(t) {
		for _, r := range rows {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			lines.Write(append(text, '\n'))
		}
	}
	file := filepath.Join(t.TempDir(), "entries.ndjson")
	if err := os.WriteFile(file, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(binary, "serve", "--addr", "127.0.0.1:0", "--load", file)
	var log lockedBuffer
	server.Stderr = &log
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Logf("cfaudit serve: %.5000s", log.String())
		}
	})
	base, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(base)
}

func allRows(t *testing.T) map[string][]row {
	t.Helper()
	rows, err := stored()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// timeOf is when an entry was recorded.
func timeOf(r row) time.Time {
	text, _ := r["action"].(row)["time"].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err) // Made up by ourselves.
	}
	return at
}

// at reads the field of a row, such as actor.email, as a filter sees it.
func (c *knowledge) at(r row, path string) string {
	var value any = r
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(row)
		value = object[name]
	}
	switch v := value.(type) {
	case string:
		return v
	case float64:
		return fmt.Sprint(v)
	}
	return ""
}

// knowledge is what the contract says about the filters of a listing.
type knowledge struct {
	contract *contract.Contract
	path     string
	base     string
	rows     []row
}

func newKnowledge(t *testing.T, base, path string) *knowledge {
	t.Helper()
	return &knowledge{mustLoad(t, base), path, base, allRows(t)[path]}
}

func mustLoad(t *testing.T, base string) *contract.Contract {
	t.Helper()
	c, err := contract.Load(base)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// filter chooses values for a filter, and tells which rows it leaves. For a filter that the
// contract does not know there are none.
func (c *knowledge) filter(t *testing.T, name string) (values []string, left []string, known bool) {
	t.Helper()
	p := c.contract.Doc.Paths.Value(c.path).Get.Parameters.GetByInAndName(openapi3.ParameterInQuery, name)
	if p == nil {
		return []string{"dns"}, nil, false
	}
	field := p.Extensions["x-field"].(string)
	matched := map[string]bool{}
	if p.Extensions["x-joins"] != nil {
		values, matched = c.category(t, field)
	} else {
		allowed := contract.KnownValues(p.Schema.Value.Items.Value)
		for _, r := range c.rows {
			if v := c.at(r, field); v != "" && !matched[v] && (allowed == nil || slices.Contains(allowed, v)) && len(matched) < 2 {
				values = append(values, v)
				matched[v] = true
			}
		}
	}
	if values == nil {
		t.Fatalf("no entry has a value for %s", name)
	}
	for _, r := range c.rows {
		if matched[c.at(r, field)] != strings.HasSuffix(name, ".not") {
			left = append(left, r["id"].(string))
		}
	}
	if len(left) == 0 || len(left) == len(c.rows) {
		t.Fatalf("%s with %q leaves %d of %d entries, and would show nothing", name, values, len(left), len(c.rows))
	}
	return values, left, true
}

// category finds a category of products of which some entries are.
func (c *knowledge) category(t *testing.T, field string) (values []string, matched map[string]bool) {
	t.Helper()
	var answer struct {
		Result []struct {
			Value    string
			Products []struct{ Value string }
		}
	}
	get(t, c.base+strings.ReplaceAll(accountPath, "{account_id}", account)+"/product_categories", http.StatusOK, &answer)
	for _, category := range answer.Result {
		matched = map[string]bool{}
		for _, product := range category.Products {
			matched[product.Value] = true
		}
		if slices.ContainsFunc(c.rows, func(r row) bool { return matched[c.at(r, field)] }) {
			return []string{category.Value}, matched
		}
	}
	t.Fatal("no entry is of any category of products")
	return nil, nil
}

// get asks for an address, and decodes the answer.
func get(t *testing.T, address string, status int, answer any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer any")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != status {
		t.Errorf("%s: status %d, want %d", address, response.StatusCode, status)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		t.Errorf("%s: %v", address, err)
	}
}

// operations are the addresses of all operations of the contract, with what they require, about an
// entry.
func operations(c *contract.Contract, about row) map[string]string {
	out := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(c.Doc.Paths.Map())) {
		address, query := path, url.Values{}
		for _, p := range c.Doc.Paths.Value(path).Get.Parameters {
			value, ok := map[string]string{
				"id": about["id"].(string), "action_time": timeOf(about).Format(time.RFC3339Nano),
				"since": since.Format(time.RFC3339), "before": before.Format(time.RFC3339),
			}[p.Value.Name]
			if !ok {
				value = fmt.Sprint(p.Value.Example)
			}
			if p.Value.In == openapi3.ParameterInPath {
				address = strings.ReplaceAll(address, "{"+p.Value.Name+"}", value)
			} else if p.Value.Required {
				query.Set(p.Value.Name, value)
			}
		}
		out[path] = address + "?" + query.Encode()
	}
	return out
}

// ids are the identifiers of rows.
func ids(rows []row) (out []string) {
	for _, r := range rows {
		id, _ := r["id"].(string)
		out = append(out, id)
	}
	return out
}

// sameIDs compares without regard to the order.
func sameIDs(got, want []string) bool {
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}
