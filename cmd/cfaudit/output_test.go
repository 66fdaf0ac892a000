package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
)

// A fullDisk takes so many bytes and no more.
type fullDisk struct {
	*os.File
	room int
}

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) <= d.room {
		d.room -= len(p)
		return d.File.Write(p)
	}
	n, err := d.File.Write(p[:d.room])
	d.room = 0
	return n, errors.Join(errFull, err)
}

func TestFileEndsWithAWholeLine(t *testing.T) {
	for room := range 40 {
		path := filepath.Join(t.TempDir(), "out.ndjson")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString("{\"id\":\"earlier\"}\n"); err != nil {
			t.Fatal(err)
		}
		o := &output{w: &fullDisk{file, room}, format: format.NDJSON{}}
		for _, raw := range []string{`{"id":"a"}`, `{"id":"b"}`, `{"id":"c"}`} {
			if err := o.add(&auditlogs.Entry{Raw: []byte(raw)}); err != nil {
				t.Fatal(err)
			}
		}
		whole := min(room/11, 3)
		if err := o.flush(); (err == nil) != (whole == 3) || err != nil && !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		want := "{\"id\":\"earlier\"}\n{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n"[:17+11*whole]
		if err != nil || string(got) != want || o.entries != whole || o.cut {
			t.Errorf("with room for %d bytes, the file holds %q, and %d entries count (cut: %t), %v", room, got, o.entries, o.cut, err)
		}
	}
}
