package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// A fastClock runs so fast that a day takes four seconds. The service's answers have its time, by
// which the program decides what has settled.
type fastClock struct {
	mu      sync.Mutex
	started time.Time
	first   time.Time
}

const fastDay = 4 * time.Second

// now also passes for the time of the machine, since the program corrects that.
func (c *fastClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first.Add(time.Since(c.started) * (24 * time.Hour / fastDay))
}

func (c *fastClock) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = c.first.Add(d)
}

// TestArchiveKills kills an archive of an account and an organization, while entries appear up to
// 20 minutes late, and some up to 12 hours. In the end every entry is in a day or a supplement of
// its own day, once and byte for byte; no file has ever changed; and the chain is whole. The judge
// reads the files itself.
func TestArchiveKills(t *testing.T) {
	since := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -2)
	clock := &fastClock{started: time.Now(), first: since}
	late := func() time.Time {
		lateness := rand.N(20 * time.Minute)
		if rand.N(20) == 0 {
			lateness = rand.N(12 * time.Hour)
		}
		if at := clock.now().Add(-lateness); at.After(since) {
			return at.Truncate(100 * time.Millisecond)
		}
		return since
	}
	w := newWorld(t, 5*time.Millisecond, late, auditlogstest.WithLatency(time.Millisecond))
	service := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Date", clock.now().UTC().Format(http.TimeFormat))
		w.server.ServeHTTP(rw, r)
	}))
	defer service.Close()
	folder := filepath.Join(t.TempDir(), "audit")
	k := &killing{
		kills: kills(t), within: 100 * time.Millisecond,
		command: func() *exec.Cmd {
			cmd := command(w.server, append(append([]string{"archive", folder}, both...), "--since", auditlogs.Time(since), "--settle", "2m", "--page-size", "300", "--rate", "0")...)
			cmd.Env = append(cmd.Env, "CLOUDFLARE_BASE_URL="+service.URL+"/client/v4")
			return cmd
		},
		ended: func(t *testing.T, code int, stderr string) {
			t.Helper()
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
		},
	}
	files := watchFiles(t, folder)
	k.run(t)
	for clock.now().Before(since.AddDate(0, 0, 4)) {
		k.kills++
		k.run(t)
	}
	w.rest()
	days := clock.now().Sub(since).Hours() / 24
	clock.skip(72 * time.Hour)
	for range 2 {
		if code, stderr, _ := k.once(t, 0); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
	sealed := files.stop()

	stored := map[string][]json.RawMessage{
		auditlogstest.AccountID:                        w.server.Stored(since, clock.now()),
		"organization-" + auditlogstest.OrganizationID: w.server.StoredOrganization(since, clock.now()),
	}
	entries, lost, twice, supplements := 0, 0, 0, 0
	for name, all := range stored {
		have := map[string]int{}
		for path := range sealed {
			if !strings.HasPrefix(path, name) || !strings.HasSuffix(path, ".zst") {
				continue
			}
			if strings.Contains(path, ".late-") {
				supplements++
			}
			for _, line := range readLines(t, filepath.Join(folder, path)) {
				var entry struct{ Action struct{ Time time.Time } }
				if err := json.Unmarshal([]byte(line), &entry); err != nil {
					t.Fatal(err)
				}
				if day := entry.Action.Time.UTC().Format("2006/01/02"); !strings.HasPrefix(path, name+"/"+day) {
					t.Errorf("an entry of %s is in %s", entry.Action.Time, path)
				}
				have[line]++
			}
		}
		for _, entry := range all {
			switch n := have[string(entry)]; {
			case n == 0:
				lost++
			case n > 1:
				twice++
			}
			delete(have, string(entry))
		}
		if len(have) > 0 {
			t.Errorf("%d lines that nobody wrote", len(have))
		}
		entries += len(all)
		checkChain(t, folder, name, sealed)
	}
	t.Logf("%d kills in %d runs over %.1f days: %d entries, %d files with %d supplements; %d lost, %d twice", k.done, k.runs, days, entries, len(sealed), supplements, lost, twice)
	if lost+twice > 0 || supplements == 0 {
		t.Fail()
	}
	if code, stderr := finish(exec.Command(program, "archive", "--check", folder)); code != 0 {
		t.Errorf("--check: exit %d: %s", code, stderr)
	}
}

// A fileWatch reads the files of an archive again and again, from outside.
type fileWatch struct {
	t      *testing.T
	folder string
	ended  chan struct{}
	done   sync.WaitGroup
	seen   map[string]string // the digest of each file
}

func watchFiles(t *testing.T, folder string) *fileWatch {
	w := &fileWatch{t: t, folder: folder, ended: make(chan struct{}), seen: map[string]string{}}
	w.done.Go(func() {
		for {
			select {
			case <-w.ended:
				return
			case <-time.After(20 * time.Millisecond):
				w.look()
			}
		}
	})
	return w
}

// stop returns the digests of all files at last.
func (w *fileWatch) stop() map[string]string {
	close(w.ended)
	w.done.Wait()
	w.look()
	return w.seen
}

func (w *fileWatch) look() {
	there := map[string]bool{}
	_ = filepath.WalkDir(w.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // It does not exist yet, or was a temporary one.
		}
		name, _ := filepath.Rel(w.folder, path)
		if strings.HasPrefix(name, ".archive") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			w.t.Errorf("%s: %v", name, err)
			return nil
		}
		name = filepath.ToSlash(name)
		there[name] = true
		sum := sum(data)
		if before := w.seen[name]; before != "" && before != sum {
			w.t.Errorf("%s has changed", name)
		}
		w.seen[name] = sum
		return nil
	})
	for name := range w.seen {
		if !there[name] {
			w.t.Errorf("%s is gone", name)
			delete(w.seen, name)
		}
	}
}

func sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func readLines(t *testing.T, path string) (all []string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		all = append(all, strings.TrimSuffix(line, "\n"))
	}
	return all
}

// checkChain follows the manifests of a log from the first to the last.
func checkChain(t *testing.T, folder, name string, sealed map[string]string) {
	t.Helper()
	type manifest struct {
		path, Previous, File string
		Sequence             int
		FileSHA256           string `json:"file_sha256"`
	}
	links := map[int]manifest{}
	files := 0
	for path := range sealed {
		if !strings.HasPrefix(path, name) {
			continue
		}
		if !strings.HasSuffix(path, ".manifest.json") {
			files++
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			t.Fatal(err)
		}
		m := manifest{path: path}
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		links[m.Sequence] = m
	}
	before := ""
	for n := 1; n <= len(links); n++ {
		m, ok := links[n]
		if !ok || m.Previous != before {
			t.Fatalf("%s: link %d does not follow the one before it: %v", name, n, m)
		}
		before = sealed[m.path]
		if m.File == "" {
			continue
		}
		files--
		if sealed[filepath.ToSlash(filepath.Join(filepath.Dir(m.path), m.File))] != m.FileSHA256 {
			t.Errorf("%s has another file", m.path)
		}
	}
	if files != 0 || len(links) < 4 {
		t.Errorf("%s: %d links, and %d files without one", name, len(links), files)
	}
}
