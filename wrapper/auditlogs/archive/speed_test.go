package archive

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestCheckIsFast compares a check with sha256sum over the same files, which it may take twice the
// time of. It writes 1 GB, and so runs on demand only: make bench-archive-check.
func TestCheckIsFast(t *testing.T) {
	if os.Getenv("CFAUDIT_ARCHIVE_SPEED") == "" {
		t.Skip("CFAUDIT_ARCHIVE_SPEED is not set")
	}
	folder := t.TempDir()
	const days, size = 30, 1 << 25
	random := rand.NewChaCha8([32]byte{14})
	data := make([]byte, size)
	before := link{Manifest: &Manifest{}}
	for day := range days {
		s := slot{folder: "4bb334f7c94c4a29a045f03944f072e5", day: time.Date(2026, 11, 1+day, 0, 0, 0, 0, time.UTC)}
		_, _ = random.Read(data) // It never fails.
		m := &Manifest{
			Version: manifestVersion, Log: logOf(s.folder), Sequence: before.Sequence + 1, Previous: before.digest, Day: s.day.Format(time.DateOnly),
			File: filepath.Base(s.stem()) + zstdEnd, Bytes: size, FileSHA256: digest(data),
		}
		text, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		before = link{s, m, digest(text)}
		place := filepath.Join(folder, filepath.FromSlash(s.stem()))
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{place + zstdEnd: data, place + manifestEnd: text} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	theirs, ours := time.Hour, time.Hour
	for range 4 {
		start := time.Now()
		if out, err := exec.Command("sh", "-c", "find "+folder+" -type f -exec sha256sum {} +").CombinedOutput(); err != nil {
			t.Skipf("there is no sha256sum: %v: %s", err, out)
		}
		theirs = min(theirs, time.Since(start))
		start = time.Now()
		if _, err := Check(t.Context(), folder); err != nil {
			t.Fatal(err)
		}
		ours = min(ours, time.Since(start))
	}
	ratio := ours.Seconds() / theirs.Seconds()
	t.Logf("%d MB: archive.Check %.2f s, sha256sum %.2f s, %.2f times its time", days*size>>20, ours.Seconds(), theirs.Seconds(), ratio)
	if ratio > 2 {
		t.Error("want 2 at most")
	}
}
