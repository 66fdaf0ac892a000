package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManPages writes the manual pages, and looks for what the help of each command shows.
func TestManPages(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "man1")
	if code, _, errs := (try{}).run(t, "man", directory); code != exitComplete || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for page, want := range map[string][]string{
		"cfaudit":            {`.TH "CFAUDIT" 1`, `.B cfaudit\-list(1)`, `.B cfaudit\-completion(1)`},
		"cfaudit-list":       {`.B \-\-actor\-email, \-\-not\-actor\-email VALUE`, `.SH "EXAMPLES"`},
		"cfaudit-show":       {`.B \-\-full`, `.SH "EXAMPLES"`},
		"cfaudit-history":    {`.B \-\-action\-time TIME`},
		"cfaudit-summary":    {`.B \-\-by FIELD[,FIELD]`},
		"cfaudit-new":        {`.B \-\-baseline AGE`},
		"cfaudit-export":     {`.B \-\-out FILE`},
		"cfaudit-archive":    {`.B \-\-check`},
		"cfaudit-follow":     {`.B \-\-state FILE`},
		"cfaudit-products":   {`.B \-\-account`},
		"cfaudit-serve":      {`.SH "DESCRIPTION"`},
		"cfaudit-version":    {`.SH "DESCRIPTION"`},
		"cfaudit-completion": {`.B \-\-no\-descriptions`, `source <(cfaudit completion bash)\(aq >> \(ti/.bashrc`},
	} {
		text, err := os.ReadFile(filepath.Join(directory, page+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, s := range want {
			if !strings.Contains(string(text), s) {
				t.Errorf("%s.1 does not have %q", page, s)
			}
		}
	}
	for _, args := range [][]string{{"man"}, {"man", "a", "b"}} {
		if code, _, _ := (try{}).run(t, args...); code != exitUsage {
			t.Errorf("%q: exit %d, want %d", args, code, exitUsage)
		}
	}
}

func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"a -b":        `a \-b`,
		`C:\dir`:      `C:\edir`,
		".ini":        `\&.ini`,
		"a\n.b":       "a\n" + `\&.b`,
		"it's ^ or ~": `it\(aqs \(ha or \(ti`,
		"'quoted'":    `\(aqquoted\(aq`, // A line that starts with ' would be a request.
	} {
		if got := roff(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
