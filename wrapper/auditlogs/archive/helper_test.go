package archive_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
	"cfaudit.example/wrapper/auditlogstest"
)

const (
	account      = auditlogstest.AccountID
	organization = auditlogstest.OrganizationID
	token        = "Ks3Vn8Qa-test-token_4Rm"
)

// The days of the tests: long after the log started, and within the retention.
var (
	first  = time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)
	second = first.AddDate(0, 0, 1)
	third  = first.AddDate(0, 0, 2)
)

func newFake(t testing.TB, options ...auditlogstest.Option) *auditlogstest.Server {
	t.Helper()
	s := auditlogstest.NewServer(append([]auditlogstest.Option{auditlogstest.WithT(t), auditlogstest.WithoutGzip()}, options...)...)
	t.Cleanup(s.Close)
	return s
}

func newClient(t testing.TB, s *auditlogstest.Server, options ...auditlogs.Option) *auditlogs.Client {
	t.Helper()
	c, err := auditlogs.New(token, append([]auditlogs.Option{
		auditlogs.WithBaseURL(s.URL), auditlogs.WithHTTPClient(s.Client()), auditlogs.WithRetry(2, time.Millisecond, time.Millisecond), auditlogs.WithRate(0),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// made is an entry of the account with an id and a time.
func made(id string, at time.Time) string {
	return fmt.Sprintf(`{"id":%q,"action":{"time":%q,"type":"update"},"actor":{"email":"alice@example.com"}}`, id, at.UTC().Format(time.RFC3339Nano))
}

// sleepUntil moves the clock of a synctest bubble.
func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }

// lines reads the files of an archive, apart from the code that is tested: the lines of each, by
// the path of the file.
func lines(t testing.TB, folder string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, ".ndjson.") || strings.Contains(path, ".archive") {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		var text io.Reader
		if strings.HasSuffix(path, ".gz") {
			text, err = gzip.NewReader(file)
		} else {
			text, err = zstd.NewReader(file)
		}
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(folder, path)
		all[filepath.ToSlash(name)] = nil
		scanner := bufio.NewScanner(text)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			all[filepath.ToSlash(name)] = append(all[filepath.ToSlash(name)], scanner.Text())
		}
		return scanner.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// digests are those of all files of an archive, without those of a run.
func digests(t testing.TB, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(folder, path)
		if strings.HasPrefix(name, ".archive") {
			return nil
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		all[filepath.ToSlash(name)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// manifest reads a manifest as anybody would.
func manifest(t testing.TB, folder, name string) (m archive.Manifest) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func keep(t testing.TB, job archive.Job) {
	t.Helper()
	if err := archive.Keep(context.Background(), job); err != nil {
		t.Fatal(err)
	}
}

func check(t testing.TB, folder string, anchors ...string) *archive.Report {
	t.Helper()
	report, err := archive.Check(context.Background(), folder, anchors...)
	if err != nil {
		t.Fatalf("%v\n%v", err, report)
	}
	return report
}
