package main

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogstest"
)

func TestHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"plain\ttext\n":            "plain\ttext\n",
		"Zoë, 日本, 👩‍💻, \u00a0":     "Zoë, 日本, 👩‍💻, \u00a0",
		"\u009b31m":                `\u009b31m`,
		"\u009d0;title\u009c":      `\u009d0;title\u009c`,
		"\x9b31m":                  `\ufffd31m`,
		"\xe2\x80":                 `\ufffd\ufffd`,
		"\x1b[2J\x1b]0;x\x07":      `\u001b[2J\u001b]0;x\u0007`,
		"a\rb\x00\x7f\x08":         `a\u000db\u0000\u007f\u0008`,
		"\u202egpj.exe":            `\u202egpj.exe`,
		"\u202a\u2066\u2069":       `\u202a\u2066\u2069`,
		"\u200e\u200f\u061c":       `\u200e\u200f\u061c`,
		"\ufffd":                   "\ufffd",
		"\x1b[1mTIME\x1b[0m\x1b[m": "\x1b[1mTIME\x1b[0m" + `\u001b[m`,
	} {
		if got := string(harmless([]byte(text))); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// On a terminal, what other people typed does nothing, and a line of JSON means the same. A pipe or
// a file gets the bytes.
func TestTerminalIsSafe(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	raw := "{\"id\":\"1\",\"action\":{\"time\":\"2024-10-30T12:00:00Z\",\"description\":\"\u009b2J\u009d0;x\u009c\u202egpj\u2066\u200f\u061c\x7f \\\\\u202a\"}}"
	server.Add(raw)
	for _, args := range [][]string{
		{"list", "--since", "1d", "--format", "ndjson"},
		{"list", "--since", "1d", "--format", "csv"},
		{"list", "--since", "1d", "--format", "table"},
		{"follow", "--since", "1d", "--once", "--state", filepath.Join(t.TempDir(), "state")},
		{"list", "--since", "1d", "--form\u009bat"},
		{"list\u202e"},
	} {
		_, out, errs := try{env: against(server), terminal: 80}.run(t, args...)
		for _, style := range []string{styleBold, styleRed, styleReset} {
			out = strings.ReplaceAll(out, style, "")
		}
		for _, text := range []string{out, errs} {
			if strings.ContainsFunc(strings.ReplaceAll(text, "\r", ""), commands) {
				t.Errorf("%q prints %q", args, text)
			}
		}
		if args[0] == "follow" || args[len(args)-1] == "ndjson" {
			var was, is any
			if err := json.Unmarshal([]byte(raw), &was); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(out), &is); err != nil {
				t.Fatalf("%v prints %q: %v", args, out, err)
			}
			if !reflect.DeepEqual(was, is) {
				t.Errorf("%v prints %q", args, out)
			}
			if args[0] == "follow" {
				args[len(args)-1] += "2"
			}
			if _, out, _ := (try{env: against(server)}).run(t, args...); out != raw+"\n" {
				t.Errorf("to a file, %v prints %q", args, out)
			}
		}
	}
}
