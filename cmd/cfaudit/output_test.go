package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/format"
	"cfaudit.example/wrapper/auditlogstest"
)

// A fullDisk accepts a number of bytes and no more.
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

// What did not fit stays as it is, since another program may have appended to the file meanwhile.
func TestFullDiskCutsALine(t *testing.T) {
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
		var entries []*auditlogs.Entry
		for _, raw := range []string{`{"id":"a"}`, `{"id":"b"}`, `{"id":"c"}`} {
			entries = append(entries, &auditlogs.Entry{Raw: []byte(raw)})
		}
		whole := min(room/11, 3)
		if err := o.print(t.Context(), entries); (err == nil) != (whole == 3) || err != nil && !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		want := "{\"id\":\"earlier\"}\n{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n"[:17+min(room, 33)]
		if err != nil || string(got) != want || o.entries != whole || o.cut != (whole < 3 && room%11 > 0) {
			t.Errorf("with room for %d bytes, the file holds %q, and %d entries count (cut: %t), %v", room, got, o.entries, o.cut, err)
		}
	}
}

// A line that lacks its line break gets it, and nothing is ever cut off.
func TestEndLastLine(t *testing.T) {
	long := `{"id":"` + strings.Repeat("x", 200_000)
	for _, test := range []struct {
		name, before, after string
		partial             bool
	}{
		{"empty", "", "", false},
		{"whole lines", "{}\n{}\n", "{}\n{}\n", false},
		{"an entry without its line break", "{}\n{\"id\":1}", "{}\n{\"id\":1}\n", false},
		{"nothing but an entry without its line break", "{\"id\":1}", "{\"id\":1}\n", false},
		{"a part of an entry", "{}\n{}\n{\"id\":", "{}\n{}\n{\"id\":\n", true},
		{"nothing but a part of an entry", "{\"id\":", "{\"id\":\n", true},
		{"a long part", "{}\n" + long, "{}\n" + long + "\n", true},
		{"a long entry", "{}\n" + long + "\"}", "{}\n" + long + "\"}\n", false},
		{"somebody else's", "{}\nnotes", "{}\nnotes\n", true},
		{"nothing but somebody else's", "{ my notes", "{ my notes\n", true},
	} {
		for _, mode := range []struct {
			name  string
			flags int
		}{{"read and write", os.O_RDWR}, {"read and append", os.O_RDWR | os.O_APPEND}, {"append", os.O_WRONLY | os.O_APPEND}, {"write", os.O_WRONLY}} {
			t.Run(test.name+", "+mode.name, func(t *testing.T) {
				if mode.flags&os.O_RDWR == 0 && runtime.GOOS != "linux" {
					t.Skip("there is no way to read the file")
				}
				path := filepath.Join(t.TempDir(), "out")
				if err := os.WriteFile(path, []byte(test.before), 0o600); err != nil {
					t.Fatal(err)
				}
				file, err := os.OpenFile(path, mode.flags, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				partial, err := endLastLine(file)
				if err != nil || partial != test.partial {
					t.Errorf("partial: %t, %v", partial, err)
				}
				if _, err := file.WriteString("next"); err != nil {
					t.Fatal(err)
				}
				if got, _ := os.ReadFile(path); string(got) != test.after+"next" {
					t.Errorf("%d bytes are left, want %d: %.60q", len(got), len(test.after)+4, got)
				}
			})
		}
	}
	if _, err := endLastLine(&strings.Builder{}); err != nil {
		t.Error(err)
	}
}

// Nothing reads the pipe that is standard output: an interrupt or a termination signal ends the
// program all the same, and what was not read is printed again.
func TestEndsWhileNobodyReads(t *testing.T) {
	t.Parallel()
	history := auditlogstest.History{Entries: 400, Since: testNow.AddDate(0, 0, -29), Before: testNow.Add(-2 * time.Minute)}
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(history))
	t.Cleanup(server.Close)
	state := filepath.Join(t.TempDir(), "state")
	for _, test := range []struct {
		name  string
		args  []string
		again func(stderr string) []string
	}{
		{"list", []string{"list", "--since", "30d", "--page-size", "100"}, func(stderr string) []string { return lastLine(t, stderr) }},
		{"follow", []string{"follow", "--state", state, "--since", "30d", "--page-size", "100"}, func(string) []string { return []string{"follow", "--state", state, "--once"} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, interrupt := context.WithCancel(t.Context())
			blocked := make(chan struct{})
			defer close(blocked)
			var first bytes.Buffer
			pages := 0
			stdout := writerFunc(func(p []byte) (int, error) {
				if pages++; pages > 1 {
					interrupt()
					<-blocked
					return 0, io.ErrClosedPipe
				}
				return first.Write(p)
			})
			type result struct {
				code   int
				stderr string
			}
			ended := make(chan result, 1)
			go func() {
				code, _, stderr := try{ctx: ctx, env: against(server), stdout: stdout}.run(t, test.args...)
				ended <- result{code, stderr}
			}()
			select {
			case r := <-ended:
				if r.code != exitInterrupted || !strings.Contains(r.stderr, "interrupted: the output is not read, and the last entries may be printed again") {
					t.Errorf("exit %d: %s", r.code, r.stderr)
				}
				code, rest, stderr := try{env: against(server)}.run(t, test.again(r.stderr)...)
				var all strings.Builder
				for _, raw := range server.Stored(history.Since, history.Before) {
					all.Write(append(raw, '\n'))
				}
				if code != 0 || strings.Count(first.String(), "\n") != 100 || first.String()+rest != all.String() {
					t.Errorf("exit %d: %d and %d of %d lines: %s", code, strings.Count(first.String(), "\n"), strings.Count(rest, "\n"), strings.Count(all.String(), "\n"), stderr)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it does not end")
			}
		})
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
