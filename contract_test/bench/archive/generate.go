//go:build unix

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// The archive: thirty days of one account, and one entry in a thousand from an address of its own.
const (
	days    = 30
	rare    = 1000
	address = "100.64.0.77"
)

var first = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

var addressText = regexp.MustCompile(`"ip_address":"[^"]*"`)

// generate writes the days of an archive.
func generate(dir string, entries int) error {
	for day := range days {
		since := first.AddDate(0, 0, day)
		if err := generateDay(dir, since, entries/days, uint64(day)); err != nil {
			return fmt.Errorf("%s: %w", since.Format(time.DateOnly), err)
		}
	}
	return nil
}

func generateDay(dir string, since time.Time, entries int, seed uint64) error {
	before := since.AddDate(0, 0, 1)
	fake := auditlogstest.NewServer(auditlogstest.WithRequestLog(1), auditlogstest.WithHistory(auditlogstest.History{
		Seed: seed, Entries: entries, Since: since, Before: before, EntryBytes: 2000,
	}))
	defer fake.Close()
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(fake.URL), auditlogs.WithHTTPClient(fake.Client()), auditlogs.WithRate(0))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, auditlogstest.AccountID, since.Format("2006/01/02")+".ndjson.zst")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	packed, err := zstd.NewWriter(file, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(packed, 1<<20)
	n := 0
	query := auditlogs.Query{Since: auditlogs.Time(since), Before: auditlogs.Time(before)}
	for entry, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		if err != nil {
			return err
		}
		line := entry.Raw
		if at := addressText.FindIndex(line); n%rare == 0 && at != nil {
			line = append(append(append([]byte(nil), line[:at[0]]...), `"ip_address":"`+address+`"`...), line[at[1]:]...)
		}
		n++
		_, _ = w.Write(line)
		_ = w.WriteByte('\n')
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return describe(path)
}

// describe writes what a manifest says of a file that is compared with it before it is listed.
func describe(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	manifest := fmt.Sprintf(`{"file":%q,"bytes":%d,"file_sha256":"%x"}`, filepath.Base(path), len(data), sha256.Sum256(data))
	return os.WriteFile(strings.TrimSuffix(path, ".ndjson.zst")+".manifest.json", []byte(manifest), 0o600)
}
