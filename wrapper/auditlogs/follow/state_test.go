package follow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// aState is what a follower saved in the middle of a window.
func aState(t testing.TB) []byte {
	t.Helper()
	s := newFake(t)
	for i := range 20 {
		s.Add(made(i, time.Now().Add(time.Duration(i-50)*time.Minute)))
	}
	store, out := &memoryStore{}, &sink{fail: func(batch int) error { return failsAt(batch, 3, errSink) }}
	query := auditlogs.Query{Since: auditlogs.Time(time.Now().Add(-2 * time.Hour)), Limit: new(5), ActorEmail: []string{"bob@example.com", "alice@example.com"}}
	if err := newFollower(t, newClient(t, s), query, store).CatchUp(t.Context(), out.deliver); !errors.Is(err, errSink) {
		t.Fatal(err)
	}
	return store.data
}

// A state that is damaged, or another follower's, is refused with what to do, and nothing is
// requested or saved.
func TestStateRefused(t *testing.T) {
	state := aState(t)
	filters := []string{"alice@example.com", "bob@example.com"} // in whatever order
	for _, test := range []struct {
		name    string
		data    []byte
		account string
		emails  []string
		want    string
	}{
		{"cut short", state[:len(state)/2], account, filters, "it is not JSON"},
		{"garbage", []byte("\x00\x01garbage"), account, filters, "it is not JSON"},
		{"something else", []byte(`{"a":1}`), account, filters, `it is not a file of the kind "cfaudit follow state"`},
		{"doubled", append(bytes.Clone(state), state...), account, filters, "it is not JSON"},
		{"one digit changed", bytes.Replace(state, []byte(`"watermark":"19`), []byte(`"watermark":"18`), 1), account, filters, "its content has changed since it was written"},
		{"one digit changed", bytes.Replace(state, []byte(`"watermark":"20`), []byte(`"watermark":"21`), 1), account, filters, "its content has changed since it was written"},
		{"another version", bytes.Replace(state, []byte(`"version":1`), []byte(`"version":2`), 1), account, filters, "version 2"},
		{"another account", state, strings.Repeat("a", 32), filters, "it belongs to account " + account},
		{"another filter", state, account, filters[:1], "it was made with other filters"},
		{"no filter", state, account, nil, "it was made with other filters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if bytes.Equal(test.data, state) && test.account == account && len(test.emails) == 2 {
				return // The other digit is the one.
			}
			s := newFake(t)
			store := &memoryStore{data: test.data}
			f, err := follow.New(newClient(t, s).Account(test.account), auditlogs.Query{ActorEmail: test.emails}, store)
			if err != nil {
				t.Fatal(err)
			}
			err = f.Run(t.Context(), (&sink{}).deliver)
			if !errors.Is(err, follow.ErrState) || !strings.Contains(err.Error(), test.want) || !f.Health().Ended {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if len(s.Requests()) > 0 || store.saves > 0 {
				t.Errorf("%d requests, %d saves", len(s.Requests()), store.saves)
			}
		})
	}
}

// Whatever single byte is lost or changed, the state is refused: no follower resumes from somewhere
// else.
func TestStateDamaged(t *testing.T) {
	state := aState(t)
	whole := len(bytes.TrimRight(state, "\n"))
	for i := range whole {
		if read, _ := follow.Decodes(state[:i]); read {
			t.Fatalf("the first %d of %d bytes are taken for the whole", i, whole)
		}
		changed := bytes.Clone(state)
		changed[i] ^= 1
		if read, _ := follow.Decodes(changed); read {
			t.Fatalf("byte %d is changed, and it is not noticed", i)
		}
	}
	if read, same := follow.Decodes(state); !read || !same {
		t.Error("what was saved cannot be read")
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(`{"kind":"cfaudit follow state","version":1,"sha256":"","content":{}}`))
	f.Add(aState(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		if read, same := follow.Decodes(data); read && !same {
			t.Error("what was read is not what is written")
		}
		// Past the sum, which fuzzing does not get right.
		if read, same := follow.DecodesContent(data); read && !same {
			t.Error("what was read is not what is written")
		}
	})
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	file, err := follow.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := file.Load(t.Context()); data != nil || err != nil {
		t.Errorf("before the first save: %q, %v", data, err)
	}
	if _, err := follow.OpenFile(path); !errors.Is(err, follow.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second follower: %v", err)
	}
	if err := file.Save(t.Context(), []byte("a state")); err != nil {
		t.Error(err)
	}
	if data, err := file.Load(t.Context()); string(data) != "a state" || err != nil {
		t.Errorf("got %q, %v", data, err)
	}
	for range 2 {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
	if file, err = follow.OpenFile(path); err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, content := range []string{"", strings.Repeat("x", 5<<20)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Load(t.Context()); !errors.Is(err, follow.ErrState) {
			t.Errorf("a file of %d bytes: %v", len(content), err)
		}
	}
	if _, err := follow.OpenFile(filepath.Join(t.TempDir(), "missing", "state.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that does not exist: %v", err)
	}
}

// Another file of the program is told from those of the state, by whatever name they are called,
// also before they exist.
func TestUsesFile(t *testing.T) {
	for _, exists := range []bool{false, true} {
		t.Run(fmt.Sprintf("the state exists: %t", exists), func(t *testing.T) {
			folder := t.TempDir()
			in := func(name string) string { return filepath.Join(folder, name) }
			if err := os.Mkdir(in("sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			if exists {
				for _, name := range []string{"state", "state.lock"} {
					if err := os.WriteFile(in(name), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := errors.Join(os.Link(in("state"), in("hard")), os.Link(in("state.lock"), in("hardlock"))); err != nil {
					t.Skip(err)
				}
			}
			if err := errors.Join(os.Symlink("state", in("soft")), os.Symlink(in("soft"), in("softer")), os.Symlink(folder, in("here")), os.Symlink("state.tmp", in("softtmp"))); err != nil {
				t.Skip(err)
			}
			t.Chdir(folder)
			for path, want := range map[string]bool{
				in("state"): true, "state": true, "./state": true, "sub/../state": true, in("sub") + "/../state": true, "here/state": true,
				"soft": true, "softer": true, "here/here/softer": true,
				"state.lock": true, "state.tmp": true, "here/state.lock": true, "softtmp": true,
				"hard": exists, "hardlock": exists,
				"status": false, "state.json": false, "sub/state": false, "state.tmp.tmp": false, "missing/state": false,
			} {
				for _, state := range []string{"state", "soft", "here/softer", in("state")} {
					if got := follow.UsesFile(state, path); got != want {
						t.Errorf("state %s, path %s: %t", state, path, got)
					}
				}
			}
			if !follow.UsesFile("missing/state", "./missing/state.tmp") {
				t.Error("in a folder that does not exist")
			}
		})
	}
}

// A state behind a symbolic link is saved there, and the link stays.
func TestFileBehindALink(t *testing.T) {
	folder := t.TempDir()
	link := filepath.Join(folder, "link")
	if err := os.Symlink("state", link); err != nil {
		t.Skip(err)
	}
	file, err := follow.OpenFile(link)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Save(t.Context(), []byte("a state")); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(folder, "state")); string(data) != "a state" || err != nil {
		t.Errorf("the file has %q, %v", data, err)
	}
	if target, err := os.Readlink(link); target != "state" || err != nil {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if file.String() != link {
		t.Errorf("it is called %s", file)
	}
}

// A follower resumes from its file, and says which file is wrong.
func TestFollowsFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		var all []string
		for i := range 3 {
			s.Add(made(i, time.Now().Add(-10*time.Minute)))
			file, err := follow.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out := &sink{}
			if err := newFollower(t, newClient(t, s), auditlogs.Query{}, file).CatchUp(t.Context(), out.deliver); err != nil {
				t.Fatal(err)
			}
			file.Close()
			all = append(all, out.raw...)
			time.Sleep(time.Hour)
		}
		wantAll(t, all, stored(s), false)
	})
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := follow.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	err = newFollower(t, newClient(t, newFake(t)), auditlogs.Query{}, file).CatchUp(context.Background(), nil)
	if !errors.Is(err, follow.ErrState) || !strings.Contains(err.Error(), "state "+path+": state not usable") {
		t.Errorf("got %v", err)
	}
}
