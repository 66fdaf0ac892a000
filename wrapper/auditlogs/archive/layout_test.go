package archive

import (
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

func TestLayout(t *testing.T) {
	const id = "4bb334f7c94c4a29a045f03944f072e5"
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	client, err := auditlogs.New("any")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		log  *auditlogs.Log
		late int
		want string
	}{
		{client.Account(id), 0, id + "/2026/11/20.manifest.json"},
		{client.Account(id), 12, id + "/2026/11/20.late-12.manifest.json"},
		{client.Organization(id), 1, "organization-" + id + "/2026/11/20.late-1.manifest.json"},
	} {
		s := slot{folderOf(test.log.String()), day, test.late}
		if s.manifest() != test.want {
			t.Errorf("%s, want %s", s.manifest(), test.want)
		}
		read, ending, ok := parsePath(s.manifest())
		if read != s || ending != manifestEnd || !ok {
			t.Errorf("%s is read as %v, %q, %v", s.manifest(), read, ending, ok)
		}
		if name := logOf(s.folder); name != test.log.String() {
			t.Errorf("the folder of %s is read as %s", test.log, name)
		}
	}
	for _, foreign := range []string{
		"20.ndjson.zst", "x/2026/11/20.ndjson", "x/2026/11/20.csv.zst", "x/2026/02/30.ndjson.gz", "x/2026/11/20.late-0.ndjson.gz",
		"x/2026/11/20.late-01.ndjson.gz", "x/y/2026/11/20.ndjson.gz", "x/2026/11/.20.ndjson.gz", "x/2026/11/20.manifest.json.tmp",
		"x/2026/11/20.late-" + strings.Repeat("9", 30) + ".ndjson.gz",
	} {
		if _, _, ok := parsePath(foreign); ok {
			t.Errorf("%s is taken for a file of an archive", foreign)
		}
	}
}
