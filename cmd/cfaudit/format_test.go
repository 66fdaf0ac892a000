package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"slices"
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

func TestTable(t *testing.T) {
	f := newTable(120, false)
	for raw, want := range map[string][]string{
		`{"action":{"time":"2024-10-30T12:00:00.9+02:00","description":"Add a thing","type":"create","result":"success"},
		  "actor":{"email":"a@example.com","token_name":"t"},"resource":{"product":"dns","type":"record","id":"0123456789abcdef"},"zone":{"name":"example.com"}}`: {
			"2024-10-30T10:00:00Z", "a@example.com", "Add a thing", "dns record 01234567… / example.com", "success",
		},
		`{"action":{"time":"2024-10-30T12:00:00Z","type":"login"},"actor":{"token_name":"t","id":"i"},"zone":{"id":"short"}}`: {
			"2024-10-30T12:00:00Z", "t", "login", "short", "-",
		},
		`{"action":{"time":"2024-10-30T12:00:00Z"},"actor":{"type":"system"},"resource":{"product":"access","type":"access"}}`: {
			"2024-10-30T12:00:00Z", "system", "-", "access", "-",
		},
		`{"action":{"time":"2024-10-30T12:00:00Z","description":"\u001b[31mred\u0007\u009b\u202Eback\u2066\n\ttab\u007f"}}`: {
			"2024-10-30T12:00:00Z", "-", "�[31mred���back�  tab�", "-", "-",
		},
	} {
		got := string(f.Entry(nil, decode(t, raw)))
		var cells []string
		at := 0
		for _, width := range f.columns {
			_, n := measure(got[at:], width)
			cells = append(cells, strings.TrimSpace(got[at:at+n]))
			at = min(at+n+len(tableGap), len(got))
		}
		if !slices.Equal(cells, want) {
			t.Errorf("got  %q\nwant %q", cells, want)
		}
	}
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

		line, ended := strings.CutSuffix(string(newTable(width, false).Entry(nil, e)), "\n")
		checkShown(t, line)
		if w := runewidth.StringWidth(line); !ended || w > width {
			t.Errorf("%q takes %d columns of %d", line, w, width)
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
