package archive_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
	"cfaudit.example/wrapper/auditlogstest"
)

// many makes the lines of n entries, one each minute from the start of the third, with a text that
// makes them large and cannot be compressed much.
func many(n, size int) (lines []string) {
	noise := uint64(1)
	for i := range n {
		var pad strings.Builder
		for pad.Len() < size {
			noise = noise*6364136223846793005 + 1442695040888963407
			fmt.Fprintf(&pad, "%016x", noise)
		}
		lines = append(lines, fmt.Sprintf(`{"id":"%06d","action":{"time":%q},"pad":%q}`, i, october3.Add(time.Duration(i)*time.Minute).Format(time.RFC3339), pad.String()[:size]))
	}
	return lines
}

// A listing resumes after each of its entries, and lists exactly the rest.
func TestPositions(t *testing.T) {
	var days, other []string
	for i := range 40 {
		line := at(fmt.Sprintf("%02d", i), fmt.Sprintf("%02dT10:00:%02d", 1+i/20, i/5)) // Five of one time.
		switch name := fmt.Sprintf("%s/2026/10/%02d.ndjson.zst", account, 1+i/20); {
		case i%7 == 3:
			other = append(other, line)
		case i%20 == 4:
			days = append(days, strings.Replace(name, ".ndjson", ".late-1.ndjson", 1), line)
		default:
			days = append(days, name, line)
		}
	}
	slices.Reverse(other)
	a := open(t, files(t, append(append(days, "other.ndjson"), other...)...))
	for _, direction := range []string{"asc", "desc"} {
		for _, limit := range []int{1, 3, 7, 1000} {
			query := october
			query.Direction, query.Limit = &direction, &limit
			all, err := ids(t, a.Log(), query)
			if n := len(strings.Fields(all)); n != 40 || err != nil {
				t.Fatalf("%s, %d a page: %d entries, %v", direction, limit, n, err)
			}
			rest := strings.Fields(all)
			for entry, err := range a.Entries(t.Context(), query) {
				if err != nil {
					t.Fatal(err)
				}
				position, err := auditlogs.ParsePosition(entry.Position().String())
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[1:]
				got, err := ids(t, a.Log(), query, auditlogs.From(position))
				if want := strings.Join(rest, " "); got != want || err != nil {
					t.Fatalf("%s, %d a page, after %s: %q, %v, want %q", direction, limit, entry.ID, got, err, want)
				}
			}
		}
	}
	client, err := auditlogs.New("token")
	if err != nil {
		t.Fatal(err)
	}
	for entry, err := range a.Account(account).Entries(t.Context(), october) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ids(t, client.Account(account), october, auditlogs.From(entry.Position())); !errors.Is(err, auditlogs.ErrInvalidQuery) {
			t.Errorf("the service was asked for a place in an archive: %v", err)
		}
		break
	}
}

// Files that have to be sorted and do not fit in memory are listed all the same, both ways.
func TestLargeFiles(t *testing.T) {
	lines := many(12_000, 1500) // 18 MB
	days := make([]string, 0, len(lines)*2)
	for i, line := range lines {
		days = append(days, fmt.Sprintf("%s/2026/10/%02d.ndjson.zst", account, 3+i/1440), line)
	}
	mixed := slices.Clone(lines)
	for i := range mixed { // Each file ends with a late entry.
		mixed[i] = lines[i*7919%len(lines)]
	}
	down := slices.Clone(lines)
	slices.Reverse(down)
	for _, test := range []struct {
		name  string
		files []string
	}{
		{"days", days},
		{"one day", append([]string{account + "/2026/10/03.ndjson.zst"}, closeTogether(lines)...)},
		{"ascending", append([]string{"x.ndjson.zst"}, lines...)},
		{"descending", append([]string{"x.ndjson.gz"}, down...)},
		{"mixed", append([]string{"x.ndjson"}, mixed...)},
		{"two that are mixed", append(append([]string{"x.ndjson"}, mixed...), append([]string{"y.ndjson"}, mixed[:9000]...)...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := open(t, files(t, test.files...))
			for _, direction := range []string{"asc", "desc"} {
				query := october
				query.Direction = &direction
				n := 0
				for entry, err := range a.Entries(t.Context(), query) {
					if err != nil {
						t.Fatal(err)
					}
					want := n
					if direction == "desc" {
						want = len(lines) - 1 - n
					}
					if entry.ID != fmt.Sprintf("%06d", want) {
						t.Fatalf("%s: entry %d is %s", direction, n, entry.ID)
					}
					n++
				}
				if n != len(lines) {
					t.Errorf("%s: %d entries of %d", direction, n, len(lines))
				}
			}
		})
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "cfaudit-archive-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// closeTogether puts entries in a single day.
func closeTogether(lines []string) []string {
	lines = slices.Clone(lines)
	for i := range lines {
		old := october3.Add(time.Duration(i) * time.Minute).Format(time.RFC3339)
		lines[i] = strings.Replace(lines[i], old, october3.Add(time.Duration(i)*time.Second).Format(time.RFC3339), 1)
	}
	return lines
}

func TestDamage(t *testing.T) {
	const day = account + "/2026/10/03"
	lines := many(1000, 500)
	text := strings.Join(lines, "\n") + "\n"
	line := len(lines[0]) + 1
	swapped := func(old, now string) string { return strings.Replace(text, old, now, 1) }
	for _, test := range []struct {
		name   string
		file   string
		damage func([]byte) []byte // of the file
		text   string              // what is in the file in place of the entries
		least  int                 // entries that are listed before the error
		says   string
	}{
		{"a flipped bit in zst", day + ".ndjson.zst", flipAt(0.5), "", 0, "at byte "},
		{"a flipped bit in gz", day + ".ndjson.gz", flipAt(0.5), "", 1, "at byte "},
		{"a cut zst", day + ".ndjson.zst", cutAt(0.7), "", 1, "it is cut short"},
		{"a cut gz", day + ".ndjson.gz", cutAt(0.7), "", 500, "it is cut short"},
		{"an empty zst", day + ".ndjson.zst", cutAt(0), "", 0, "it is empty"},
		{"an empty gz", day + ".ndjson.gz", cutAt(0), "", 0, "it is empty"},
		{"no zst", day + ".ndjson.zst", func([]byte) []byte { return []byte("no zst") }, "", 0, "at byte 0 "},
		{"a line that is no JSON", "x.ndjson", nil, swapped(`{"id":"000600"`, "x"), 0, fmt.Sprintf("at byte %d of its text: the line is not a JSON object", 600*line)},
		{"a line that is no JSON, in a day", day + ".ndjson.zst", nil, swapped(`{"id":"000600"`, "x"), 600,
			fmt.Sprintf("at byte %d of its text: the line is not a JSON object", 600*line)},
		{"a line that is another JSON value", day + ".ndjson.zst", nil, swapped(lines[600], "[]"), 600, "not a JSON object"},
		{"a last line that is cut", "x.ndjson", cutAt(0.9999), "", 0, "not a JSON object"},
		{"an entry of another day", day + ".ndjson.zst", nil, swapped(lines[600], at("x", "04T10:00:00")), 600, "2026-10-04T10:00:00Z, which the file is not for"},
		{"an entry that is not in its place", day + ".ndjson.zst", nil, swapped(lines[600], lines[500]), 600, "not in the order of time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, test.file)
			damaged := test.text
			if damaged == "" {
				damaged = text
			}
			write(t, path, damaged)
			if test.damage != nil {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, test.damage(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			var problem error
			for entry, err := range open(t, dir).Entries(t.Context(), october) {
				if problem = err; err == nil && entry.ID != fmt.Sprintf("%06d", n) {
					t.Fatalf("entry %d is %s", n, entry.ID)
				}
				if err == nil {
					n++
				}
			}
			if problem == nil || !errors.Is(problem, archive.ErrDamaged) || auditlogs.Retryable(problem) {
				t.Fatalf("%d entries, and the error is %v", n, problem)
			}
			if n < test.least || !strings.Contains(problem.Error(), path) || !strings.Contains(problem.Error(), test.says) {
				t.Errorf("%d entries, and the error is %v", n, problem)
			}
			var incomplete *auditlogs.IncompleteError
			if !errors.As(problem, &incomplete) || incomplete.Position.IsZero() != (n == 0) {
				t.Errorf("no position: %v", problem)
			}
		})
	}
}

func flipAt(part float64) func([]byte) []byte {
	return func(b []byte) []byte {
		b[int(float64(len(b))*part)] ^= 4
		return b
	}
}

func cutAt(part float64) func([]byte) []byte {
	return func(b []byte) []byte { return b[:int(float64(len(b))*part)] }
}

// A line that is dropped on its bytes must look like an entry all the same.
func TestDamageInDroppedLines(t *testing.T) {
	a := open(t, files(t, account+"/2026/10/03.ndjson.zst", at("a", "03T10:00:00"), "!no JSON", at("b", "03T10:00:00")))
	query := october
	query.ActorEmail = []string{"alice@example.com"}
	if got, err := ids(t, a.Log(), query); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("%q, %v", got, err)
	}
}

// Leaving the loop, or the end of the context, ends everything that a listing started.
func TestLeavingEndsEverything(t *testing.T) {
	lines := many(6000, 1500)
	for _, named := range []string{account + "/2026/10/03.ndjson.zst", "x.ndjson.gz"} {
		dir := files(t, append([]string{named}, closeTogether(lines)...)...)
		for _, direction := range []string{"asc", "desc"} {
			synctest.Test(t, func(t *testing.T) {
				query := october
				query.Direction = &direction
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				for _, err := range open(t, dir).Entries(ctx, query) {
					if err != nil {
						t.Error(err)
					}
					break // The bubble does not end while there are goroutines.
				}
				n := 0
				var problem error
				for _, problem = range open(t, dir).Entries(ctx, query) {
					if n++; n == 10 {
						cancel()
					}
				}
				if !errors.Is(problem, context.Canceled) || n > 11 {
					t.Errorf("%d entries, and the error is %v", n, problem)
				}
			})
		}
	}
}

// Files of other days and other logs are not opened, so that they may be anything.
func TestNotOpened(t *testing.T) {
	a := open(t, files(t,
		account+"/2026/10/04.ndjson.zst", at("a", "04T10:00:00"),
		account+"/2026/10/03.ndjson.gz", "!no JSON", account+"/2026/10/05.late-1.ndjson.zst", "!no JSON",
		otherAccount+"/2026/10/04.ndjson.zst", "!no JSON"))
	day := auditlogs.Query{Since: "2026-10-04", Before: "2026-10-05"}
	if got, err := ids(t, a.Account(account), day); got != "a" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := ids(t, a.Log(), day); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("the other account is not damaged: %v", err)
	}
}

// What an export wrote is known to be one window of one log, in order, from its manifest.
func TestExports(t *testing.T) {
	manifest := `{"version":1,"file":"x.ndjson","request":{"log":"account ` + account + `"},"window":{"since":"2026-09-01","before":"2026-09-30"}}`
	dir := files(t, "x.ndjson", "!no JSON", "x.ndjson.manifest.json", manifest, "y.ndjson", at("a", "04T10:00:00"))
	if got, err := ids(t, open(t, dir).Log(), october); got != "a" || err != nil {
		t.Errorf("an export of another window: %q, %v", got, err)
	}
	dir = files(t, "x.ndjson", at("a", "04T10:00:00"), "x.ndjson.checkpoint.json", "{}")
	if _, err := archive.Open(dir); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("an export that is not finished: %v", err)
	}
}

func TestOpen(t *testing.T) {
	for _, test := range []struct {
		name  string
		paths []string
		says  string
	}{
		{"nothing", nil, "want a folder or a file"},
		{"a path that does not exist", []string{"testdata/none"}, "testdata/none"},
		{"a folder without entries", []string{t.TempDir()}, "there is no file of entries"},
	} {
		if _, err := archive.Open(test.paths...); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// A file that is named itself can have any name, and its first bytes say how it is compressed.
func TestNamedFiles(t *testing.T) {
	dir := t.TempDir()
	for i, end := range []string{"", ".gz", ".zst"} {
		text := at(fmt.Sprint(i), "04T10:00:00") + "\n"
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), packed(t, end, text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ids(t, open(t, dir+"/file0", dir+"/file1", dir+"/file2", dir+"/file0").Log(), october); got != "0 1 2" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// The history in an archive is that of the service.
func TestHistory(t *testing.T) {
	fake := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(auditlogstest.History{
		Entries: 600, Since: october3, Before: october3.AddDate(0, 0, 4),
	}))
	defer fake.Close()
	fake.Add(`{"id":"kind","action":{"time":"2026-10-10T10:00:00Z"},"resource":{"product":"dns","type":"dns.record"}}`,
		`{"id":"nothing","action":{"time":"2026-10-10T11:00:00Z"},"resource":{"product":"dns"}}`)
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(fake.URL), auditlogs.WithHTTPClient(fake.Client()), auditlogs.WithRate(0))
	if err != nil {
		t.Fatal(err)
	}
	service := client.Account(account)
	text, err := raw(t.Context(), service, october)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "x.ndjson.zst"), text)
	stored := open(t, dir).Account(account)
	list := func(log *auditlogs.Log, id string, query auditlogs.HistoryQuery) (string, auditlogs.HistoryStatus, error) {
		var all strings.Builder
		var status auditlogs.HistoryStatus
		for page, err := range log.HistoryPages(t.Context(), id, query) {
			if err != nil {
				return all.String(), status, err
			}
			status = page.History
			for _, entry := range page.Entries {
				all.Write(entry.Raw)
			}
		}
		return all.String(), status, nil
	}
	n := 0
	for entry, err := range service.Entries(t.Context(), october) {
		if n++; n%50 != 0 && entry.ID != "kind" && entry.ID != "nothing" || err != nil || entry.ID == "" {
			continue
		}
		for _, direction := range []string{"asc", "desc"} {
			query := auditlogs.HistoryQuery{ActionTime: auditlogs.Time(entry.Action.Time), Since: october.Since, Before: october.Before, Direction: &direction, Limit: new(7)}
			want, wanted, err := list(service, entry.ID, query)
			if err != nil {
				t.Fatal(err)
			}
			got, status, err := list(stored, entry.ID, query)
			if got != want || status != wanted || err != nil {
				t.Errorf("%s: %d bytes %s, %v, want %d %s", entry.ID, len(got), status, err, len(want), wanted)
			}
		}
	}
	_, _, err = list(stored, "none", auditlogs.HistoryQuery{ActionTime: "2026-10-10T10:00:00Z", Since: october.Since, Before: october.Before})
	if !errors.Is(err, auditlogs.ErrNotFound) {
		t.Errorf("an entry that does not exist: %v", err)
	}
}

func TestGaps(t *testing.T) {
	const folder = account + "/2026/10/"
	day := func(day string) []string { return []string{folder + day + ".ndjson.zst", at(day, day+"T10:00:00")} }
	window := auditlogs.Query{Since: "2026-10-02", Before: "2026-10-06"}
	for _, test := range []struct {
		name  string
		files [][]string
		want  string
	}{
		{"all days", [][]string{day("02"), day("03"), day("04"), day("05")}, ""},
		{"a hole", [][]string{day("02"), day("05")}, "account " + account + " from 2026-10-03T00:00:00Z up to 2026-10-05T00:00:00Z"},
		{"a supplement does not fill it", [][]string{day("02"), day("03"), day("05"), {folder + "04.late-1.ndjson.zst", at("x", "04T10:00:00")}},
			"account " + account + " from 2026-10-04T00:00:00Z up to 2026-10-05T00:00:00Z"},
		{"both ends", [][]string{day("01"), day("03"), day("04")},
			"account " + account + " from 2026-10-02T00:00:00Z up to 2026-10-03T00:00:00Z, account " + account + " from 2026-10-05T00:00:00Z up to 2026-10-06T00:00:00Z"},
		{"an empty day", [][]string{day("02"), day("03"), day("05"), {folder + "04.manifest.json", `{"available":"all"}`}}, ""},
		{"a day that was gone", [][]string{day("02"), day("03"), day("05"), {folder + "04.manifest.json", `{"available":"none"}`}},
			"account " + account + " from 2026-10-04T00:00:00Z up to 2026-10-05T00:00:00Z"},
		{"an export besides", [][]string{day("02"), day("05"), {"x.ndjson", at("x", "03T10:00:00")}, {"x.ndjson.manifest.json",
			`{"version":1,"file":"x.ndjson","request":{"log":"account ` + account + `"},"window":{"since":"2026-10-03","before":"2026-10-05"}}`}}, ""},
		{"a filtered export besides: it is not known", [][]string{day("02"), {"x.ndjson", at("x", "03T10:00:00")}, {"x.ndjson.manifest.json",
			`{"version":1,"file":"x.ndjson","request":{"log":"account ` + account + `","filters":{"id":["x"]}},"window":{"since":"2026-10-03","before":"2026-10-05"}}`}}, ""},
		{"a follower's file besides: it is not known", [][]string{day("02"), {"x.ndjson", at("x", "03T10:00:00")}}, ""},
		{"two logs", [][]string{day("02"), day("03"), day("04"), day("05"), {otherAccount + "/2026/10/02.ndjson.zst"}},
			"account " + otherAccount + " from 2026-10-03T00:00:00Z up to 2026-10-06T00:00:00Z"},
	} {
		a := open(t, files(t, slices.Concat(test.files...)...))
		var got []string
		for _, gap := range a.Gaps(a.Log(), window) {
			got = append(got, gap.String())
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
