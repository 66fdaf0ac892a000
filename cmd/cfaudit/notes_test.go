package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// notes are the lines of standard error that start with "note: ", without that.
func notes(stderr string) (notes []string) {
	for line := range strings.Lines(stderr) {
		line = line[strings.LastIndex(line, "\r")+1:] // After what a terminal shows of the progress.
		if text, ok := strings.CutPrefix(line, "note: "); ok {
			notes = append(notes, strings.TrimSuffix(text, "\n"))
		}
	}
	return notes
}

func TestNotesOnTheWindow(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	server.Add(`{"id":"x","action":{"time":"2024-01-01T00:00:00Z"},"resource":{"id":"r","product":"dns"},"raw":{"uri":"/zones/r/dns_records/r"}}`)
	const (
		started  = "the window starts before this log, whose oldest entries are from about 2026-03-10: older ones are only in version 1 of the audit logs"
		retained = "the window starts more than 18 months ago, and the service keeps no older entries"
		nothing  = "the window has no entries"
		settling = "entries appear up to 10 minutes after their time: from "
	)
	november := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name string
		now  time.Time
		args string
		want []string
	}{
		{"in the log", november, "list --since 2026-03-10 --before 2026-11-25", []string{nothing}},
		{"before the log", november, "list --since 2026-03-09 --before 2026-11-25", []string{started, nothing}},
		{"before the log, within the retention", november, "list --since 540d --before 1d", []string{started, nothing}},
		{"a history's own window", november, "history x --action-time 2024-01-01T00:00:00Z --before 1d", []string{nothing}},
		{"a history's window from before the log", november, "history x --action-time 2024-01-01T00:00:00Z --since 2025-01-01 --before 1d", []string{started, nothing}},
		{"once retention has overtaken the log's start", november.AddDate(2, 0, 0), "list --since 2027-05-20 --before 2027-06-01", []string{retained, nothing}},
		{"within the retention then", november.AddDate(2, 0, 0), "list --since 2027-06-01 --before 2027-06-02", []string{nothing}},
		{"made-up entries", november, "list --demo --since 540d --before 1d", nil},
		{"up to now", november, "list --since 1d", []string{settling + "2026-11-25T11:50:00Z on, some can still be missing", nothing}},
		{"up to a moment that has not settled", november, "list --since 1d --before 9m59s", []string{settling + "2026-11-25T11:50:00Z on, some can still be missing", nothing}},
		{"all of it unsettled", november, "list --since 3m", []string{settling + "2026-11-25T11:57:00Z on, some can still be missing", nothing}},
		{"settled", november, "list --since 1d --before 10m", []string{nothing}},
		{"yesterday", november, "list --since yesterday --before today", []string{nothing}},
		{"a file of nothing", november, "export --since 1d --out FILE", []string{nothing}},
		{"a file from before the log", november, "export --since 540d --out FILE", []string{started, nothing}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := strings.Fields(strings.Replace(test.args, "FILE", filepath.Join(t.TempDir(), "a.ndjson"), 1))
			code, _, stderr := try{env: against(server), now: test.now}.run(t, args...)
			if code != 0 || strings.Join(notes(stderr), "\n") != strings.Join(test.want, "\n") {
				t.Errorf("exit %d: %s", code, stderr)
			}
		})
	}
}

// A listing that finds nothing says so, and what may be the reason.
func TestNothingFound(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	const exactly = "no entry of the window matches; values match exactly and by case, and different filters must all match: leave a filter out to see which values there are"
	for _, test := range []struct {
		filter, value string
		want          string // empty where nothing but exactly is known
	}{
		{"actor-email", "alice@example.com", ""},
		{"actor-email", "alice", "an email address has an @: want the whole of it, such as alice@example.com"},
		{"actor-email", "a@x,b@x", "a comma does not separate values: for several, want --actor-email a@x --actor-email b@x"},
		{"actor-email", "*@example.com", "there are no wildcards: want the whole value"},
		{"actor-token-name", "Backup Job", "a token's name matches by case and as a whole: want it as the entries have it"},
		{"actor-ip-address", "198.51.100.0/24", "that is a range, and there is no filter for one: want a single address, such as 198.51.100.0"},
		{"actor-ip-address", "1.2.3", "that is not a whole address: want one such as 198.51.100.7 or 2001:db8::7"},
		{"actor-ip-address", "2001:db8::7", ""},
		{"raw-method", "delete", "methods are in capitals: want DELETE"},
		{"raw-method", "DELETE", ""},
		{"resource-product", "dns_records", `"cfaudit products" prints the names of products`},
		{"not-actor-email", "alice", ""},
	} {
		for _, terminal := range []int{0, 120} {
			for _, command := range []string{"list", "export"} {
				args := []string{command, "--since", "2d", "--before", "1d", "--" + test.filter, test.value}
				if command == "export" {
					args = append(args, "--out", filepath.Join(t.TempDir(), "a.ndjson"))
				}
				code, _, stderr := try{env: against(server), terminal: terminal, now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}.run(t, args...)
				want := exactly
				if test.want != "" {
					want += "\n--" + test.filter + ` "` + test.value + `": ` + test.want
				}
				got := strings.Join(notes(stderr), "\n")
				// A value that contradicts its field is refused instead, in the same words.
				refused := code == exitUsage && test.filter == "actor-ip-address" && test.want != "" && strings.Contains(stderr, test.want)
				if (code != 0 || got != want) && !refused {
					t.Errorf("%s --%s %s: exit %d: %s", command, test.filter, test.value, code, stderr)
				}
			}
		}
	}
}
