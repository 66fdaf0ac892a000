package durable_test

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// holdLock is the variable that makes this test a process that holds the lock of a file until it is
// killed.
const holdLock = "DURABLE_TEST_HOLD_LOCK"

func TestMain(m *testing.M) {
	path := os.Getenv(holdLock)
	if path == "" {
		os.Exit(m.Run())
	}
	if _, err := durable.Lock(path); err != nil {
		panic(err)
	}
	os.Stdout.WriteString("locked\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestWriteFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "state.json")
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, "outside")
	for _, test := range []struct {
		name   string
		before func()
	}{
		{"creates the file", func() {}},
		{"replaces what is there", func() { write(t, path, "much longer than what comes after it") }},
		{"replaces what a killed program left", func() { write(t, path+".tmp", "half of a st") }},
		{"does not write through a link", func() {
			if err := os.Symlink(outside, path+".tmp"); err != nil {
				t.Skip(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.before()
			if err := durable.WriteFile(path, []byte(test.name), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := read(t, path); got != test.name {
				t.Errorf("the file holds %q", got)
			}
			if names := list(t, folder); !slices.Equal(names, []string{"state.json"}) {
				t.Errorf("the folder holds %q", names)
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("mode %s", info.Mode())
			}
		})
	}
	if got := read(t, outside); got != "outside" {
		t.Errorf("a file elsewhere holds %q", got)
	}
}

func TestWriteFileFails(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing", "state.json")
	if err := durable.WriteFile(missing, nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that does not exist: %v", err)
	}
	// A rename onto a folder that is not empty fails everywhere.
	folder := t.TempDir()
	path := filepath.Join(folder, "state.json")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(path, []byte("data"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if names := list(t, folder); !slices.Equal(names, []string{"state.json"}) {
		t.Errorf("the failure left %q", names)
	}
}

func TestSyncDir(t *testing.T) {
	if err := durable.SyncDir(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := durable.SyncDir(filepath.Join(t.TempDir(), "missing")); err == nil && runtime.GOOS != "windows" {
		t.Error("a folder that does not exist was synced")
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	release, err := durable.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := durable.Lock(path); !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second lock: %v", err)
	}
	other, err := durable.Lock(path + "2")
	if err != nil {
		t.Errorf("the lock of another file: %v", err)
	} else if err := other(); err != nil {
		t.Error(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = durable.Lock(path)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path + ".lock"); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := durable.Lock(filepath.Join(t.TempDir(), "missing", "state.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that does not exist: %v", err)
	}
}

// A lock is that of the file: another name for it is locked as well, also while the file is
// replaced.
func TestLockFollowsLinks(t *testing.T) {
	for _, test := range []struct {
		name  string
		given string // what the first lock names
		links func(folder string) error
	}{
		{"a symbolic link", "state", func(folder string) error { return os.Symlink("state", filepath.Join(folder, "other")) }},
		{"the file, after its symbolic link", "other", func(folder string) error {
			return os.Symlink(filepath.Join(folder, "state"), filepath.Join(folder, "other"))
		}},
		{"a symbolic link to a link", "state", func(folder string) error {
			return errors.Join(os.Symlink("state", filepath.Join(folder, "between")), os.Symlink("between", filepath.Join(folder, "other")))
		}},
		{"a symbolic link to a file that does not exist yet", "state", func(folder string) error {
			return errors.Join(os.Remove(filepath.Join(folder, "state")), os.Symlink("state", filepath.Join(folder, "other")))
		}},
		{"a hard link", "state", func(folder string) error {
			return os.Link(filepath.Join(folder, "state"), filepath.Join(folder, "other"))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("links need rights there")
			}
			folder := t.TempDir()
			write(t, filepath.Join(folder, "state"), "a state")
			if err := test.links(folder); err != nil {
				t.Fatal(err)
			}
			second := map[string]string{"state": "other", "other": "state"}[test.given]
			release, err := durable.Lock(filepath.Join(folder, test.given))
			if err != nil {
				t.Fatal(err)
			}
			if test.given == "state" {
				if err := durable.WriteFile(filepath.Join(folder, "state"), []byte("the next"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := durable.Lock(filepath.Join(folder, second)); !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), second) {
				t.Errorf("the same file under another name: %v", err)
			}
			if err := release(); err != nil {
				t.Fatal(err)
			}
			release, err = durable.Lock(filepath.Join(folder, second))
			if err != nil {
				t.Fatalf("after the release: %v", err)
			}
			if err := release(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is not an ordinary file is refused, and nothing is created beside it.
func TestLockRefuses(t *testing.T) {
	folder := t.TempDir()
	inside := filepath.Join(folder, "folder")
	if err := os.Mkdir(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	paths := []string{inside}
	if runtime.GOOS != "windows" {
		device, loop := filepath.Join(folder, "device"), filepath.Join(folder, "loop")
		if err := errors.Join(os.Symlink(os.DevNull, device), os.Symlink("loop", loop)); err != nil {
			t.Fatal(err)
		}
		if _, err := durable.Lock(loop); err == nil {
			t.Error("a loop of links was locked")
		}
		paths = append(paths, device, os.DevNull)
	}
	before := list(t, folder)
	for _, path := range paths {
		if _, err := durable.Lock(path); !errors.Is(err, durable.ErrNotRegular) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := os.Stat(path + ".lock"); err == nil {
			t.Errorf("%s.lock was created", path)
			_ = os.Remove(path + ".lock")
		}
	}
	if after := list(t, folder); !slices.Equal(before, after) {
		t.Errorf("the folder has %q, and had %q", after, before)
	}
}

func TestLockEndsWithTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.CommandContext(t.Context(), executable)
	holder.Env = append(os.Environ(), holdLock+"="+path)
	if _, err := holder.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the holder says %q, %v", line, err)
	}
	if _, err := durable.Lock(path); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("while another process holds the lock: %v", err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // It was killed.
	release, err := durable.Lock(path)
	if err != nil {
		t.Fatalf("after the holder was killed: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func list(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
