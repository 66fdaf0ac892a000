package archive_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
)

// What the manifests say is there, and is not, is an error, for each listing that would need it.
func TestWhatAManifestNames(t *testing.T) {
	day := account + "/2026/10/01"
	first, second := packed(t, "x.zst", at("a", "01T10:00:00")+"\n"), packed(t, "x.zst", at("b", "01T11:00:00")+"\n")
	whole := string(first) + string(second)
	daily := fmt.Sprintf(`{"day":"2026-10-01","file":"01.ndjson.zst","bytes":%d,"file_sha256":"%x"}`, len(whole), sha256.Sum256([]byte(whole)))
	exported := fmt.Sprintf(`{"version":1,"file":"x.ndjson.zst","bytes":%d,"file_sha256":"%x","request":{"log":"account %s"},"window":{"since":"2026-10-01T00:00:00Z","before":"2026-10-02T00:00:00Z"}}`,
		len(whole), sha256.Sum256([]byte(whole)), account)
	for _, test := range []struct {
		name        string
		file, holds string
		manifest    string
		says        string
		want        string
		problem     string
	}{
		{"all of a day", day + ".ndjson.zst", whole, day + ".manifest.json", daily, "a b", ""},
		{"a day cut at the end of a frame", day + ".ndjson.zst", string(first), day + ".manifest.json", daily, "", "01.ndjson.zst: damaged: it has "},
		{"a day cut in the mark of the next frame", day + ".ndjson.zst", whole[:len(first)+1], day + ".manifest.json", daily, "", "01.ndjson.zst: damaged: it has "},
		{"a day that was replaced by another text", day + ".ndjson.zst", string(second) + string(first), day + ".manifest.json", daily, "", "and its manifest says"},
		{"a day that is gone", "", "", day + ".manifest.json", daily, "", "01.ndjson.zst: damaged: it is missing"},
		{"a day without entries of which nothing was kept", "", "", day + ".manifest.json", `{"day":"2026-10-01","file":""}`, "", ""},
		{"a supplement that is gone", "", "", day + ".late-1.manifest.json", `{"late":1,"file":"01.late-1.ndjson.zst","bytes":7}`, "", "01.late-1.ndjson.zst: damaged: it is missing"},
		{"all of an export", "x.ndjson.zst", whole, "x.ndjson.zst.manifest.json", exported, "a b", ""},
		{"an export cut at the end of a frame", "x.ndjson.zst", string(first), "x.ndjson.zst.manifest.json", exported, "", "bytes"},
		{"an export that is gone", "", "", "x.ndjson.zst.manifest.json", exported, "", "x.ndjson.zst: damaged: it is missing, and x.ndjson.zst.manifest.json says that it was there"},
		{"an export of another format that is gone", "", "", "x.csv.manifest.json", strings.Replace(exported, "x.ndjson.zst", "x.csv", 1), "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := files(t, "other.ndjson")
			if test.file != "" {
				create(t, filepath.Join(dir, test.file), test.holds)
			}
			create(t, filepath.Join(dir, test.manifest), test.says)
			got, err := ids(t, open(t, dir).Log(), october)
			if test.problem == "" {
				if got != test.want || err != nil {
					t.Errorf("%q, %v, want %q", got, err, test.want)
				}
				return
			}
			if !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%q, %v, want an error with %q", got, err, test.problem)
			}
			november := auditlogs.Query{Since: "2026-11-01", Before: "2026-12-01"}
			if _, err := ids(t, open(t, dir).Log(), november); err != nil {
				t.Errorf("another window: %v", err)
			}
		})
	}
}

// A filter does not hide that a line was damaged where the line is dropped on its bytes, as far as
// a manifest tells.
func TestDamageThatAFilterWouldDrop(t *testing.T) {
	whole := at("a", "01T10:00:00") + "\n" + at("b", "01T11:00:00") + "\n"
	damaged := strings.Replace(whole, `"b",`, `"b"!`, 1)
	sum := fmt.Sprintf(`"bytes":%d,"file_sha256":"%x"`, len(whole), sha256.Sum256([]byte(whole)))
	packedSum := fmt.Sprintf(`"bytes":%d,"file_sha256":"%x"`, len(packed(t, "x.zst", whole)), sha256.Sum256(packed(t, "x.zst", whole)))
	query := october
	query.ActorEmail = []string{"alice@example.com"}
	for name, manifest := range map[string]string{
		"x.ndjson":                         `{"version":1,"file":"x.ndjson",` + sum + `}`,
		account + "/2026/10/01.ndjson.zst": `{"day":"2026-10-01","file":"01.ndjson.zst",` + packedSum + `}`,
	} {
		beside := name + ".manifest.json"
		if day, ok := strings.CutSuffix(name, ".ndjson.zst"); ok {
			beside = day + ".manifest.json"
		}
		for text, problem := range map[string]error{whole: nil, damaged: archive.ErrDamaged} {
			dir := t.TempDir()
			write(t, filepath.Join(dir, name), text)
			create(t, filepath.Join(dir, beside), manifest)
			if _, err := ids(t, open(t, dir).Log(), query); !errors.Is(err, problem) || err != nil && !strings.Contains(err.Error(), filepath.Join(dir, name)) {
				t.Errorf("%s: %v, want %v", name, err, problem)
			}
		}
	}
}

// A folder in which nothing but the manifest of an export is left.
func TestAnExportIsGone(t *testing.T) {
	dir := t.TempDir()
	create(t, filepath.Join(dir, "x.ndjson.manifest.json"),
		`{"version":1,"file":"x.ndjson","request":{"log":"account `+account+`"},"window":{"since":"2026-10-01","before":"2026-10-02"}}`)
	a := open(t, dir)
	for _, log := range []*auditlogs.Log{a.Log(), a.Account(account)} {
		if _, err := ids(t, log, october); !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), filepath.Join(dir, "x.ndjson")+": damaged") {
			t.Errorf("%s: %v", log, err)
		}
	}
	if _, err := ids(t, a.Account(otherAccount), october); !errors.Is(err, auditlogs.ErrNotFound) {
		t.Errorf("another account: %v", err)
	}
}

// create writes a file as it is.
func create(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The service may count the end of a window to it, and so an export can hold an entry of that time.
func TestTheEndOfAnExport(t *testing.T) {
	dir := files(t, "x.ndjson", at("a", "01T10:00:00"), at("b", "02T00:00:00"))
	create(t, filepath.Join(dir, "x.ndjson.manifest.json"),
		`{"version":1,"file":"x.ndjson","bytes":`+size(t, filepath.Join(dir, "x.ndjson"))+`,"request":{"log":"account `+account+`"},"window":{"since":"2026-10-01T00:00:00Z","before":"2026-10-02T00:00:00Z"}}`)
	for _, direction := range []string{"asc", "desc"} {
		query := october
		query.Direction = &direction
		if got, err := ids(t, open(t, dir).Log(), query); len(got) != 3 || err != nil {
			t.Errorf("%s: %q, %v", direction, got, err)
		}
		query.Since = "2026-10-02"
		if got, err := ids(t, open(t, dir).Log(), query); got != "b" || err != nil {
			t.Errorf("%s, from the end on: %q, %v", direction, got, err)
		}
		query = october
		query.Direction, query.Before = &direction, "2026-10-02"
		if got, err := ids(t, open(t, dir).Log(), query); got != "a" || err != nil {
			t.Errorf("%s, up to the end: %q, %v", direction, got, err)
		}
	}
}

func size(t testing.TB, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(info.Size())
	return string(text)
}

// An entry without an ID in a supplement is there because the day has fewer that are alike.
func TestAlikeInASupplement(t *testing.T) {
	const alike = `{"action":{"time":"2026-10-01T10:00:00Z"}}`
	day := account + "/2026/10/01"
	dir := files(t, day+".ndjson.zst", alike, day+".late-1.ndjson.zst", alike, day+".late-2.ndjson.zst", alike, "copy.ndjson", alike, alike)
	for _, direction := range []string{"asc", "desc"} {
		query := october
		query.Direction = &direction
		n := 0
		for _, err := range open(t, dir).Account(account).Entries(t.Context(), query) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		// Nothing says whose the copy is.
		if n != 3+2 {
			t.Errorf("%s: %d entries, want 5", direction, n)
		}
	}
}

// Links to folders lead to parts of an archive.
func TestLinks(t *testing.T) {
	dir := files(t, account+"/2026/10/01.ndjson.zst", at("a", "01T10:00:00"), account+"/2026/10/01.manifest.json", "{}")
	other := files(t, "x.ndjson", at("b", "02T10:00:00"))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(other, link); err != nil {
		t.Skip(err)
	}
	if got, err := ids(t, open(t, dir, link).Log(), october); got != "a b" || err != nil {
		t.Errorf("a folder that is a link: %q, %v", got, err)
	}
	if err := os.Symlink(other, filepath.Join(dir, "within")); err != nil {
		t.Fatal(err)
	}
	if a, err := archive.Open(dir); err == nil || !strings.Contains(err.Error(), "within") {
		t.Errorf("a link to a folder in one: %v, %v", a, err)
	}
}

// An entry without a time, to which two files give a different one, is known by its ID: it is
// listed once, and does not count as one that came again.
func TestAnEntryWithoutATimeInTwoFiles(t *testing.T) {
	const timeless = `{"id":"timeless","action":{}}`
	dir := files(t,
		"x.ndjson", at("a", "01T10:00:00"), timeless, at("b", "01T11:00:00"),
		"y.ndjson", timeless, at("b", "01T11:00:00"), at("c", "01T12:00:00"), timeless)
	for direction, want := range map[string]string{"asc": "a timeless b c", "desc": "timeless c b a"} {
		query := october
		query.Direction = &direction
		var got []string
		repeated := 0
		for page, err := range open(t, dir).Log().Pages(t.Context(), query) {
			if err != nil {
				t.Fatal(err)
			}
			repeated += page.Repeated
			for _, entry := range page.Entries {
				got = append(got, entry.ID)
			}
		}
		if strings.Join(got, " ") != want || repeated > 0 {
			t.Errorf("%s: %q, and %d repeated, want %q", direction, got, repeated, want)
		}
	}
}
