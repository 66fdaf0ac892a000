package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
	"cfaudit.example/wrapper/auditlogstest"
)

// decode sends an entry through a server and the library, as a listing does.
func decode(t *testing.T, raw string) *auditlogs.Entry {
	t.Helper()
	server := auditlogstest.NewServer()
	defer server.Close()
	server.Add(raw)
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}
	query := auditlogs.Query{Since: "2000-01-01", Before: auditlogs.Time(time.Now().Add(time.Hour))}
	for entry, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		if err != nil {
			t.Fatal(err)
		}
		return entry
	}
	t.Fatal("the entry does not come back")
	return nil
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 5, "abc  "}, {"abcde", 5, "abcde"}, {"abcdef", 5, "abcd…"}, {"世界", 4, "世界"}, {"世界", 3, "世…"}, {"世界世", 4, "世… "},
		{"", 2, "  "}, {"abc", 1, "…"}, {"abc", 0, ""},
	} {
		if got := fit(c.text, c.width); got != c.want {
			t.Errorf("%q in %d columns is %q, want %q", c.text, c.width, got, c.want)
		}
	}
	if got := fit("a"+strings.Repeat("\u0301", 1000), 10); len(got) > 100 {
		t.Errorf("a heap of marks takes %d bytes", len(got))
	}
}

// checkShown fails when text would do anything on a terminal but show characters.
func checkShown(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%q is not UTF-8", text)
	}
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			t.Errorf("%q holds %U", text, r)
		}
	}
}

func FuzzFormats(f *testing.F) {
	f.Add("a@example.com", "Add", "success", 120)
	f.Add("=cmd|' /C calc'!A0", "\x1b]0;title\x07", "\u202egnp.exe", 80)
	f.Add("世界世界世界", "e\u0301\u0301\u200d", "\u009b31m\x00\r\n", 40)
	f.Add("\xff\xfe", "\u2066\u2069", "\"", 3)
	f.Fuzz(func(t *testing.T, email, description, id string, width int) {
		if width < 1 || width > 1000 {
			return
		}
		raw, err := json.Marshal(map[string]any{"id": id, "actor": map[string]any{"email": email},
			"action": map[string]any{"description": description, "result": email}, "zone": map[string]any{"name": description}})
		if err != nil {
			t.Fatal(err)
		}
		e := &auditlogs.Entry{Raw: raw}
		if err := json.Unmarshal(raw, &e.Entry); err != nil {
			t.Fatal(err)
		}

		for _, style := range []tableStyle{{}, {columns: []string{"actor", "id", "action.description", "zone.name", "actor.email"}}} {
			line, ended := strings.CutSuffix(string(newTable(width, false, &style).Entry(nil, e)), "\n")
			checkShown(t, line)
			if w := runewidth.StringWidth(line); !ended || w > width {
				t.Errorf("%q takes %d columns of %d", line, w, width)
			}
			line, ended = strings.CutSuffix(string(newTable(0, false, &style).Entry(nil, e)), "\n")
			if checkShown(t, line); !ended {
				t.Errorf("%q has no end", line)
			}
		}

		for _, cell := range []func(string) string{nil, clean} {
			text := string(format.NewCSV(cell).Entry(nil, e))
			rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
			if err != nil || len(rows) != 1 || len(rows[0]) != len(format.Columns()) {
				t.Fatalf("%q is read as %q, %v", text, rows, err)
			}
			for _, text := range rows[0] {
				if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
					t.Errorf("cell %q is a formula", text)
				}
			}
			if cell != nil {
				checkShown(t, strings.TrimSuffix(text, "\n"))
			}
		}

		if text := string(format.NDJSON{}.Entry(nil, e)); text != string(raw)+"\n" {
			t.Errorf("%q is printed as %q", raw, text)
		}
	})
}
