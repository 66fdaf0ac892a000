package main

import (
	"strings"
	"testing"
	"time"
)

func TestTimeZone(t *testing.T) {
	summer, winter := time.Date(2024, 7, 1, 12, 0, 0, 0, time.UTC), time.Date(2024, 12, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		zone           string
		heading        string
		summer, winter string
	}{
		{"", "TIME", "2024-07-01T12:00:00Z", "2024-12-01T12:00:00Z"},
		{"UTC", "TIME", "2024-07-01T12:00:00Z", "2024-12-01T12:00:00Z"},
		{"Europe/Berlin", "TIME (Europe/Berlin)", "2024-07-01T14:00:00+02:00", "2024-12-01T13:00:00+01:00"},
		{"America/St_Johns", "TIME (America/St_Johns)", "2024-07-01T09:30:00-02:30", "2024-12-01T08:30:00-03:30"},
	} {
		var z timeZone
		if test.zone != "" {
			if err := z.flags()[1].Set(test.zone); err != nil {
				t.Fatal(err)
			}
		}
		if z.heading("TIME") != test.heading || z.text(summer) != test.summer || z.text(winter) != test.winter || z.text(time.Time{}) != "" {
			t.Errorf("%s: %s %s %s", test.zone, z.heading("TIME"), z.text(summer), z.text(winter))
		}
	}
}

func TestTimeZoneMistakes(t *testing.T) {
	for args, want := range map[string]string{
		"--time-zone Berlin":                      `--time-zone "Berlin": want the name of a time zone, such as Europe/Berlin or America/New_York`,
		"--time-zone ../../etc/passwd":            "want the name of a time zone",
		"--time-zone=":                            "want the name of a time zone",
		"--local --time-zone Europe/Berlin":       "--time-zone \"Europe/Berlin\": it and --local exclude each other: want one of them",
		"--time-zone Europe/Berlin --local":       "--local: it and --time-zone exclude each other: want one of them",
		"--local=maybe":                           "want true or false",
		"--format ndjson --local":                 "--local is for --format table: ndjson keeps all fields, and times as they came",
		"--format csv --time-zone Europe/Berlin":  "--time-zone is for --format table: csv keeps all fields, and times as they came",
		"--format ndjson --columns id":            "--columns is for --format table",
		"--format table --columns action.time,ip": `did you mean actor.ip_address?`,
	} {
		code, out, stderr := try{}.run(t, append([]string{"list", "--demo", "--since", "1h"}, strings.Fields(args)...)...)
		if code != exitUsage || out != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s", args, code, stderr)
		}
	}
}
