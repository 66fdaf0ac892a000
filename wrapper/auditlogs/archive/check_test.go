package archive_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
	"cfaudit.example/wrapper/auditlogstest"
)

// newArchive keeps ten days of an account and an organization, with supplements.
func newArchive(t *testing.T, folder string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := newFake(t, auditlogstest.WithHistory(auditlogstest.History{Entries: 2000, Since: first, Before: first.AddDate(0, 0, 10)}))
		client := newClient(t, server)
		for day := range 12 {
			sleepUntil(first.AddDate(0, 0, day).Add(time.Hour))
			for _, log := range []*auditlogs.Log{client.Account(account), client.Organization(organization)} {
				keep(t, archive.Job{Log: log, Folder: folder, Since: first})
			}
			if day > 0 && day < 10 {
				server.Add(made(fmt.Sprint("late-", day), first.AddDate(0, 0, day).Add(-time.Hour)))
			}
		}
	})
}

// TestCheckFindsEveryChange makes a thousand random changes in a copy of an archive: each is found,
// and its path is among the findings.
func TestCheckFindsEveryChange(t *testing.T) {
	original := t.TempDir()
	newArchive(t, original)
	report := check(t, original)
	var anchors []string
	for _, log := range report.Logs {
		anchors = append(anchors, log.Digest)
	}
	check(t, original, anchors...)
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(original)); err != nil {
		t.Fatal(err)
	}
	files := slices.Sorted(maps.Keys(digests(t, folder)))
	random := rand.New(rand.NewPCG(14, 1))
	changed := map[string]int{}
	changes := 1000
	if testing.Short() {
		changes /= 5
	}
	for i := range changes {
		c := &change{t: t, folder: folder, files: files, random: random, newest: newestOf(t, folder, report)}
		kind := kinds[i%len(kinds)]
		what, anchored := kind.make(c)
		changed[kind.name]++
		with := anchors
		if !anchored {
			with = nil
		}
		found, err := archive.Check(context.Background(), folder, with...)
		if !errors.Is(err, archive.ErrDamaged) || len(found.Findings) == 0 {
			t.Fatalf("change %d, %s of %s, was not found: %v", i, kind.name, what, err)
		}
		for name := range c.touched {
			restore(t, original, folder, name)
		}
	}
	check(t, folder, anchors...)
	t.Logf("%d files, and all of these changes were found: %v", len(files), changed)
}

// A change changes files in a copy.
type change struct {
	t       *testing.T
	folder  string
	files   []string
	random  *rand.Rand
	newest  map[string]bool // the manifests that no other names
	touched map[string]bool
}

// kinds are the changes. Each returns what it changed, and whether only an anchor can show it.
var kinds = []struct {
	name string
	make func(c *change) (what string, anchored bool)
}{
	{"a bit", func(c *change) (string, bool) {
		name := c.any("")
		data := c.read(name)
		if len(data) == 0 {
			c.t.Fatal(name)
		}
		data[c.random.IntN(len(data))] ^= 1 << c.random.IntN(8)
		c.write(name, data)
		return name, false
	}},
	{"a byte more or less", func(c *change) (string, bool) {
		name := c.any("")
		data, at := c.read(name), 0
		at = c.random.IntN(len(data))
		if c.random.IntN(2) == 0 {
			data = slices.Delete(data, at, at+1)
		} else {
			data = slices.Insert(data, at, byte(c.random.Uint32()))
		}
		c.write(name, data)
		return name, false
	}},
	{"a line removed, added or moved", func(c *change) (string, bool) {
		name := c.any(".ndjson.zst")
		c.write(name, c.lines(c.read(name)))
		return name, false
	}},
	{"a file removed", func(c *change) (string, bool) {
		name := c.any("")
		c.remove(name)
		return name, false
	}},
	{"a link removed", func(c *change) (string, bool) {
		name := c.any(".manifest.json")
		c.remove(name)
		if data := c.data(name); data != "" {
			c.remove(data)
		}
		return name, c.newest[name]
	}},
	{"a file added", func(c *change) (string, bool) {
		name := path.Dir(c.any("")) + "/" + []string{"31.ndjson.zst", "notes.txt", "10.late-7.ndjson.gz", "10.ndjson"}[c.random.IntN(4)]
		c.write(name, []byte("{}\n"))
		return name, false
	}},
	{"two files swapped", func(c *change) (string, bool) {
		end := []string{".manifest.json", ".ndjson.zst"}[c.random.IntN(2)]
		a, b := c.any(end), c.any(end)
		one, other := c.read(a), c.read(b)
		if bytes.Equal(one, other) { // two empty days
			return "", c.flip(a)
		}
		c.write(a, other)
		c.write(b, one)
		return a + " and " + b, false
	}},
	{"two links swapped", func(c *change) (string, bool) {
		a, b := c.any(".manifest.json"), c.any(".manifest.json")
		if a == b || c.data(a) == "" || c.data(b) == "" {
			return a, c.flip(a)
		}
		for _, pair := range [][2]string{{a, b}, {c.data(a), c.data(b)}} {
			one, other := c.read(pair[0]), c.read(pair[1])
			c.write(pair[0], other)
			c.write(pair[1], one)
		}
		return a + " and " + b, false
	}},
	{"a manifest edited", func(c *change) (string, bool) {
		name := c.any(".manifest.json")
		c.write(name, bytes.Replace(c.read(name), []byte(`"requests": `), []byte(`"requests": 1`), 1))
		return name, false
	}},
	// As somebody does who knows how manifests are made.
	{"a manifest edited with its checksum", func(c *change) (string, bool) {
		name := c.any(".manifest.json")
		c.write(name, sealed(bytes.Replace(c.read(name), []byte(`"requests": `), []byte(`"requests": 1`), 1)))
		return name, c.newest[name]
	}},
	{"a file edited with its manifest", func(c *change) (string, bool) {
		name := c.any(".manifest.json")
		file := c.data(name)
		if file == "" {
			return name, c.flip(name)
		}
		before := c.read(file)
		after := c.lines(before)
		c.write(file, after)
		text := strings.NewReplacer(hexSum(before), hexSum(after), hexSum(unpacked(c.t, before)), hexSum(unpacked(c.t, after)),
			fmt.Sprintf(`"bytes": %d,`, len(before)), fmt.Sprintf(`"bytes": %d,`, len(after))).Replace(string(c.read(name)))
		c.write(name, sealed([]byte(text)))
		return name, c.newest[name]
	}},
}

// any picks a file whose name has that ending.
func (c *change) any(end string) string {
	for {
		if name := c.files[c.random.IntN(len(c.files))]; strings.HasSuffix(name, end) {
			return name
		}
	}
}

// data is the file of a link; empty if it has none.
func (c *change) data(manifest string) string {
	name := strings.TrimSuffix(manifest, ".manifest.json") + ".ndjson.zst"
	if slices.Contains(c.files, name) {
		return name
	}
	return ""
}

// flip changes a bit where nothing else can be changed.
func (c *change) flip(name string) (anchored bool) {
	data := c.read(name)
	data[0] ^= 1
	c.write(name, data)
	return false
}

// lines adds, removes or moves a line of a file.
func (c *change) lines(packed []byte) []byte {
	all := bytes.SplitAfter(unpacked(c.t, packed), []byte("\n"))
	all = all[:len(all)-1]
	switch at := c.random.IntN(3); {
	case len(all) > 1 && at == 0:
		all = append(all[1:], all[0])
	case len(all) > 0 && at == 1:
		all = all[1:]
	default:
		all = append(all, []byte(made("forged", first)+"\n"))
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return encoder.EncodeAll(bytes.Join(all, nil), nil)
}

func unpacked(t *testing.T, packed []byte) []byte {
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	text, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sealed gives a manifest its right checksum.
func sealed(manifest []byte) []byte {
	head, _, _ := bytes.Cut(manifest, []byte(`"checksum": "`))
	head = append(head, `"checksum": "`...)
	return append(append(head, hexSum(head)...), "\"\n}\n"...)
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (c *change) touch(name string) string {
	if c.touched == nil {
		c.touched = map[string]bool{}
	}
	c.touched[name] = true
	return filepath.Join(c.folder, filepath.FromSlash(name))
}

func (c *change) read(name string) []byte {
	data, err := os.ReadFile(c.touch(name))
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

func (c *change) write(name string, data []byte) {
	if err := errors.Join(os.MkdirAll(filepath.Dir(c.touch(name)), 0o700), os.WriteFile(c.touch(name), data, 0o600)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *change) remove(name string) {
	if err := os.Remove(c.touch(name)); err != nil {
		c.t.Fatal(err)
	}
}

// restore undoes the change of a file.
func restore(t *testing.T, original, folder, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(original, name))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name), data, 0o600)
	} else {
		err = os.Remove(filepath.Join(folder, name))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newestOf are the paths of the manifests that the report calls the newest.
func newestOf(t *testing.T, folder string, report *archive.Report) map[string]bool {
	newest := map[string]bool{}
	for name, sum := range digests(t, folder) {
		for _, log := range report.Logs {
			newest[name] = newest[name] || sum == log.Digest
		}
	}
	return newest
}

func TestFindingsNameTheFile(t *testing.T) {
	original := t.TempDir()
	newArchive(t, original)
	anchor := check(t, original).Logs[0].Digest
	month := account + "/2026/11/"
	for name, test := range map[string]struct {
		do   func(c *change)
		want []string
	}{
		"a missing day": {func(c *change) {
			for _, name := range []string{"12.manifest.json", "12.ndjson.zst", "12.late-1.manifest.json", "12.late-1.ndjson.zst"} {
				c.remove(month + name)
			}
		}, []string{"12.manifest.json: it is missing: restore it", "13.manifest.json: it is link 7, and links 5 to 6 are missing: restore them"}},
		"missing days": {func(c *change) {
			for _, name := range c.files {
				if strings.HasPrefix(name, month+"14") || strings.HasPrefix(name, month+"15") {
					c.remove(name)
				}
			}
		}, []string{"14.manifest.json: it is missing, and so are all through 15.manifest.json: restore it"}},
		"a missing file":       {func(c *change) { c.remove(month + "12.ndjson.zst") }, []string{"12.ndjson.zst: it is missing: restore it"}},
		"a missing supplement": {func(c *change) { c.remove(month + "12.late-1.manifest.json") }, []string{"12.late-1.ndjson.zst: it has no manifest: restore 12.late-1.manifest.json"}},
		"a shorter file":       {func(c *change) { c.write(month+"12.ndjson.zst", c.read(month + "12.ndjson.zst")[:100]) }, []string{"12.ndjson.zst: damaged: it has 100 bytes with the SHA-256 "}},
		"a foreign file":       {func(c *change) { c.write("readme.txt", nil) }, []string{"readme.txt: it does not belong to the archive: move it away"}},
		"another compression":  {func(c *change) { c.write(month+"12.ndjson.gz", nil) }, []string{"12.ndjson.gz: its manifest does not name it: move it away"}},
		"a folder of another log": {func(c *change) {
			c.write(strings.Repeat("0", 32)+"/2026/11/12.manifest.json", c.read(month+"12.manifest.json"))
		}, []string{"12.manifest.json: damaged: it is the manifest of the log account " + account}},
		"a later version": {func(c *change) {
			c.write(month+"12.manifest.json", sealed(bytes.Replace(c.read(month+"12.manifest.json"), []byte(`"version": 1`), []byte(`"version": 9`), 1)))
		}, []string{"its format is version 9, and this program reads version 1"}},
		"an edited link": {func(c *change) {
			c.write(month+"12.manifest.json", sealed(bytes.Replace(c.read(month+"12.manifest.json"), []byte(`"pages": `), []byte(`"pages": 1`), 1)))
		}, []string{": it follows a manifest with the SHA-256 ", " one of the two was replaced"}},
		"the newest links": {func(c *change) {
			c.remove(month + "20.manifest.json")
			c.remove(month + "20.ndjson.zst")
		}, []string{"no manifest has the SHA-256 " + anchor + ", which was kept as an anchor"}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.CopyFS(folder, os.DirFS(original)); err != nil {
				t.Fatal(err)
			}
			test.do(&change{t: t, folder: folder, files: slices.Sorted(maps.Keys(digests(t, folder)))})
			report, err := archive.Check(t.Context(), folder, anchor)
			text := fmt.Sprint(report.Findings)
			for _, want := range test.want {
				if !errors.Is(err, archive.ErrDamaged) || !strings.Contains(text, want) {
					t.Errorf("%v, want %q in %s", err, want, strings.ReplaceAll(text, "} {", "\n"))
				}
			}
		})
	}
	if link := filepath.Join(t.TempDir(), "link"); os.Symlink(original, link) == nil { // Not everybody may do so on Windows.
		check(t, link)
	}
	if _, err := archive.Check(t.Context(), t.TempDir()); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := archive.Check(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := archive.Check(ctx, original); !errors.Is(err, context.Canceled) {
		t.Errorf("a check that was stopped: %v", err)
	}
}
