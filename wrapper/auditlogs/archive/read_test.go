package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
	"cfaudit.example/wrapper/auditlogs/match"
	"cfaudit.example/wrapper/auditlogstest"
)

const otherAccount = "0123456789abcdef0123456789abcdef"

// october is the window of the tests.
var october = auditlogs.Query{Since: "2026-10-01", Before: "2026-11-01"}

// at makes the line of an entry with an ID and a time in October.
func at(id, moment string) string {
	return fmt.Sprintf(`{"id":%q,"action":{"time":"2026-10-%sZ"}}`, id, moment)
}

// files writes an archive: names of files, each followed by its lines. It returns the folder.
func files(t testing.TB, namesAndLines ...string) string {
	t.Helper()
	dir := t.TempDir()
	var name string
	texts := map[string][]string{}
	for _, text := range namesAndLines {
		if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "!") {
			texts[name] = append(texts[name], strings.TrimPrefix(text, "!")+"\n")
			continue
		}
		name = text
		texts[name] = append(texts[name], "")
	}
	for name, lines := range texts {
		write(t, filepath.Join(dir, name), strings.Join(lines, ""))
	}
	return dir
}

// write writes a file, compressed as its name says.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, packed(t, path, text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func packed(t testing.TB, path, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	switch filepath.Ext(path) {
	case ".gz":
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
	case ".zst":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
	default:
		b.WriteString(text)
	}
	return b.Bytes()
}

func open(t testing.TB, paths ...string) *archive.Archive {
	t.Helper()
	a, err := archive.Open(paths...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ids lists a log, and returns the IDs in their order, and the error.
func ids(t testing.TB, log *auditlogs.Log, query auditlogs.Query, options ...auditlogs.ListOption) (string, error) {
	t.Helper()
	var all []string
	for entry, err := range log.Entries(t.Context(), query, options...) {
		if err != nil {
			return strings.Join(all, " "), err
		}
		all = append(all, entry.ID)
	}
	return strings.Join(all, " "), nil
}

func TestEntries(t *testing.T) {
	day := func(day, end string) string { return account + "/2026/10/" + day + end }
	for _, test := range []struct {
		name  string
		files []string
		want  string
	}{
		{"days", []string{day("01", ".ndjson.zst"), at("a", "01T10:00:00"), day("02", ".ndjson.gz"), at("b", "02T10:00:00"), at("c", "02T11:00:00")}, "a b c"},
		{"a supplement among its day", []string{
			day("01", ".ndjson.zst"), at("a", "01T10:00:00"), at("c", "01T12:00:00"),
			day("01", ".late-1.ndjson.zst"), at("b", "01T11:00:00"),
		}, "a b c"},
		{"the tenth supplement after the second, at one time", []string{
			day("01", ".ndjson.zst"), at("a", "01T10:00:00"), day("01", ".late-10.ndjson.zst"), at("c", "01T10:00:00"),
			day("01", ".late-2.ndjson.zst"), at("b", "01T10:00:00"),
		}, "a b c"},
		{"a day that the service sent out of order, as its manifest says", []string{
			day("01", ".ndjson.zst"), at("b", "01T11:00:00"), at("a", "01T10:00:00"), day("01", ".manifest.json"), `{"out_of_order":1}`,
			day("02", ".ndjson.gz"), at("c", "02T10:00:00"),
		}, "a b c"},
		{"an empty day", []string{day("01", ".ndjson.zst"), day("02", ".ndjson.zst"), at("a", "02T10:00:00")}, "a"},
		{"the end of the last line is missing", []string{"a.ndjson", "!" + at("a", "02T10:00:00") + "\n" + strings.TrimSuffix(at("b", "02T10:00:01"), "\n")}, "a b"},
		{"empty lines", []string{"a.ndjson", "!\n" + at("a", "02T10:00:00") + "\n\n \r\n"}, "a"},
		{"line ends of Windows", []string{"a.ndjson", "!" + at("a", "02T10:00:00") + "\r\n" + at("b", "02T10:00:01") + "\r"}, "a b"},
		{"two accounts by time", []string{
			day("01", ".ndjson.zst"), at("a", "01T10:00:00"), at("c", "01T12:00:00"),
			otherAccount + "/2026/10/01.ndjson.zst", at("b", "01T11:00:00"), at("d", "01T13:00:00"),
		}, "a b c d"},
		{"an entry of two accounts, once for each", []string{
			day("01", ".ndjson.zst"), at("a", "01T10:00:00"), otherAccount + "/2026/10/01.ndjson.zst", at("a", "01T10:00:00"),
		}, "a a"},
		{"an organization", []string{"organization-" + organization + "/2026/10/01.ndjson.zst", at("a", "01T10:00:00")}, "a"},
		{"what a follower wrote, out of order", []string{"events.jsonl", at("b", "01T11:00:00"), at("c", "01T12:00:00"), at("a", "01T10:00:00")}, "a b c"},
		{"an entry that was delivered twice", []string{"events.jsonl", at("a", "01T10:00:00"), at("b", "01T11:00:00"), at("a", "01T10:00:00")}, "a b"},
		{"from the newest to the oldest", []string{"events.ndjson.gz", at("c", "03T10:00:00"), at("b", "02T10:00:00"), at("a", "01T10:00:00")}, "a b c"},
		{"files that overlap", []string{
			"x.ndjson", at("a", "01T10:00:00"), at("b", "02T10:00:00"), "y/y.ndjson.gz", at("b", "02T10:00:00"), at("c", "03T10:00:00"),
		}, "a b c"},
		{"the first time of two is that of the first file", []string{"x.ndjson", at("b", "01T10:00:00"), "y.ndjson", at("a", "01T10:00:00")}, "b a"},
		{"outside of the window", []string{"x.ndjson", `{"id":"x","action":{"time":"2026-09-30T23:59:59.999Z"}}`, at("a", "01T00:00:00"), `{"id":"y","action":{"time":"2026-11-01T00:00:00Z"}}`}, "a"},
		{"no time: that of the entry before", []string{
			"x.ndjson", at("a", "01T10:00:00"), `{"id":"b"}`, `{"id":"c","action":{"time":7}}`, at("d", "01T11:00:00"), "y.ndjson", at("e", "01T10:30:00"),
		}, "a b c e d"},
		{"no time at the start: that of the entry after", []string{"x.ndjson", `{"id":"a"}`, at("b", "01T11:00:00"), "y.ndjson", at("c", "01T10:30:00")}, "c a b"},
		{"no time in the file", []string{"x.ndjson", `{"id":"a"}`, `{"id":"b"}`}, "a b"},
		{"no time in a day", []string{day("02", ".ndjson.zst"), `{"id":"b"}`, `{"id":"c"}`, day("01", ".ndjson.zst"), at("a", "01T11:00:00")}, "a b c"},
		{"what is no entry", []string{
			"x.ndjson", at("a", "01T10:00:00"), "x.ndjson.manifest.json", "{}", "state.json", "{}", ".tmp/y.ndjson", at("b", "01T10:00:00"),
			".z.ndjson", at("c", "01T10:00:00"), "notes.txt", "!no JSON", "product-categories.ndjson", `{"value":"x"}`,
		}, "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := open(t, files(t, test.files...))
			got, err := ids(t, a.Log(), october)
			if got != test.want || err != nil {
				t.Errorf("%q, %v, want %q", got, err, test.want)
			}
			down := october
			down.Direction = new("desc")
			got, err = ids(t, a.Log(), down)
			all := strings.Fields(test.want)
			slices.Reverse(all)
			if want := strings.Join(all, " "); got != want || err != nil {
				t.Errorf("descending %q, %v, want %q", got, err, want)
			}
		})
	}
}

// Entries without an ID that are alike are distinct in one file, as in the listing that wrote it,
// and the same in two.
func TestAlike(t *testing.T) {
	const alike = `{"action":{"time":"2026-10-01T10:00:00Z"}}`
	a := open(t, files(t, "x.ndjson", alike, alike, "y.ndjson", alike, alike, alike))
	n := 0
	for _, err := range a.Entries(t.Context(), october) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
}

// Two files with the same entries of one instant, more than a listing remembers.
func TestManyOfOneTime(t *testing.T) {
	var lines []string
	for i := range 2500 {
		lines = append(lines, at(fmt.Sprint(i), "01T10:00:00"))
	}
	a := open(t, files(t, append(append([]string{"x.ndjson"}, lines...), append([]string{"y.ndjson"}, lines...)...)...))
	n, repeated := 0, 0
	for page, err := range a.Log().Pages(t.Context(), october) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Entries)
		repeated += page.Repeated
	}
	if n != len(lines) || repeated > 0 {
		t.Errorf("%d entries of %d, and %d repeated", n, len(lines), repeated)
	}
}

func TestLogs(t *testing.T) {
	dir := files(t, account+"/2026/10/01.ndjson.zst", at("a", "01T10:00:00"), "organization-"+organization+"/2026/10/01.ndjson.zst", at("b", "01T10:00:01"))
	a := open(t, dir)
	if got, err := ids(t, a.Account(account), october); got != "a" || err != nil {
		t.Errorf("account: %q, %v", got, err)
	}
	if got, err := ids(t, a.Organization(organization), october); got != "b" || err != nil {
		t.Errorf("organization: %q, %v", got, err)
	}
	_, err := ids(t, a.Account(otherAccount), october)
	if err == nil || !errors.Is(err, auditlogs.ErrNotFound) || !strings.Contains(err.Error(), account) {
		t.Errorf("an account that is not there: %v", err)
	}
	whole := open(t, files(t, "x.ndjson", `{"id":"a","account":{"id":"`+account+`"},"action":{"time":"2026-10-01T10:00:00Z"}}`,
		`{"id":"b","account":{"id":"`+otherAccount+`"},"action":{"time":"2026-10-01T10:00:00Z"}}`, `{"id":"c","action":{"time":"2026-10-01T10:00:00Z"}}`))
	if got, err := ids(t, whole.Account(account), october); got != "a c" || err != nil {
		t.Errorf("by what entries say: %q, %v", got, err)
	}
}

// The service and an archive of its entries list the same, for each filter of the contract.
func TestFilters(t *testing.T) {
	fake := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(auditlogstest.History{
		Entries: 1500, Since: october3, Before: october3.AddDate(0, 0, 4),
	}))
	defer fake.Close()
	fake.Add(oddEntries(t)...)
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(fake.URL), auditlogs.WithHTTPClient(fake.Client()), auditlogs.WithRate(0))
	if err != nil {
		t.Fatal(err)
	}
	service := client.Account(account)
	var text strings.Builder
	values := map[string]map[string]bool{}
	for entry, err := range service.Entries(t.Context(), october) {
		if err != nil {
			t.Fatal(err)
		}
		text.Write(entry.Raw)
		text.WriteByte('\n')
		fields := match.Read(entry)
		for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
			if value := fields.Get(p.Field); p.Field != "" && value != "" {
				if values[p.Field] == nil {
					values[p.Field] = map[string]bool{}
				}
				values[p.Field][value] = true
			}
		}
	}
	var categories strings.Builder
	products, err := service.ProductCategories(t.Context())
	for _, category := range products {
		line, _ := json.Marshal(category)
		categories.WriteString(string(line) + "\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "all.ndjson.zst"), text.String())
	write(t, filepath.Join(dir, "product-categories.ndjson"), categories.String())
	stored := open(t, dir).Account(account)
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		if p.Field == "" {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			all := slices.Sorted(func(yield func(string) bool) {
				for value := range values[p.Field] {
					if !yield(value) {
						return
					}
				}
			})
			if p.Joins != "" {
				all = []string{"zerotrust", "DEVELOPER_platform", "performance"}
			}
			if len(all) == 0 {
				t.Fatalf("no entry has %s", p.Field)
			}
			// All together, and a few of them alone.
			given := [][]string{all}
			for i := 0; i < len(all); i += 1 + len(all)/5 {
				given = append(given, all[i:i+1])
			}
			kept := false
			for _, values := range given {
				for _, direction := range []string{"asc", "desc"} {
					query := october
					query.Direction = &direction
					*query.Filter(p.Name) = values
					want, err := raw(t.Context(), service, query)
					if err != nil {
						t.Fatal(err)
					}
					got, err := raw(t.Context(), stored, query)
					if got != want || err != nil {
						t.Errorf("%s %q: %d bytes, %v, and the service has %d", direction, values, len(got), err, len(want))
					}
					kept = kept || want != ""
				}
			}
			if !kept && !strings.HasSuffix(p.Name, ".not") {
				t.Errorf("nothing passes")
			}
		})
	}
}

func raw(ctx context.Context, log *auditlogs.Log, query auditlogs.Query) (string, error) {
	var text strings.Builder
	for entry, err := range log.Entries(ctx, query) {
		if err != nil {
			return text.String(), err
		}
		text.Write(entry.Raw)
		text.WriteByte('\n')
	}
	return text.String(), nil
}
