package export

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// A window has settled when the first run starts so long after its end that its entries have
// appeared. Later runs change nothing: what an earlier one has read is not asked for again.
func TestSettled(t *testing.T) {
	for _, test := range []struct {
		name    string
		end     time.Duration // before the first run
		settled bool
	}{
		{"an hour ago", time.Hour, true},
		{"just settled", auditlogs.SettleTime, true},
		{"a moment too young", auditlogs.SettleTime - time.Millisecond, false},
		{"now", 0, false},
		{"in the future", -time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := auditlogstest.NewServer(auditlogstest.WithT(t))
				defer server.Close()
				client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()), auditlogs.WithRetry(1, 0, 0))
				if err != nil {
					t.Fatal(err)
				}
				end := time.Now().Add(-test.end)
				job := Job{
					Log:   client.Account(auditlogstest.AccountID),
					Query: auditlogs.Query{Since: auditlogs.Time(end.Add(-time.Hour)), Before: auditlogs.Time(end)},
					Path:  filepath.Join(t.TempDir(), "a.ndjson"),
				}
				server.FailNext(auditlogstest.Fault{Status: 500})
				if _, err := Run(t.Context(), job); err == nil {
					t.Fatal("no failure")
				}
				time.Sleep(24 * time.Hour)
				result, err := Run(t.Context(), job)
				if err != nil {
					t.Fatal(err)
				}
				checked, err := Check(t.Context(), job.Path)
				if err != nil || result.Settled != test.settled || checked.Settled != test.settled || checked.Settle != "10m0s" {
					t.Errorf("settled: %v, and %v by the manifest (%s); %v", result.Settled, checked.Settled, checked.Settle, err)
				}
			})
		})
	}
}

// The end of a name is a format, a compression or a part of the name, and else refused.
func TestNames(t *testing.T) {
	for _, test := range []struct{ path, asked, format, compression, wrong string }{
		{"a", "", "ndjson", "", ""},
		{"a.ndjson", "", "ndjson", "", ""},
		{"a.JSONL.GZ", "", "ndjson", "gzip", ""},
		{"a.csv.zst", "", "csv", "zstd", ""},
		{"a.gz", "", "ndjson", "gzip", ""},
		{"a.ecs.ndjson", "", "ecs", "", ""},
		{"a.OCSF.jsonl.gz", "", "ocsf", "gzip", ""},
		{"a.log", "ecs", "ecs", "", ""},
		{"a.ndjson", "ecs", "", "", "says ndjson, and the format is ecs"},
		{"audit-2026.11.25", "", "ndjson", "", ""},
		{"audit.2026-11-25", "", "ndjson", "", ""},
		{"audit.4bb334f7c94c4a29a045f03944f072e5", "", "ndjson", "", ""},
		{"folder.d/a", "", "ndjson", "", ""},
		{".audit", "", "ndjson", "", ""},
		{"a.log", "ndjson", "ndjson", "", ""},
		{"a.txt.gz", "csv", "csv", "gzip", ""},
		{"a.parquet", "", "", "", "such as a.ndjson,"},
		{"a.json", "", "", "", "such as a.ndjson,"},
		{"A.TXT", "", "", "", "such as A.ndjson,"},
		{"a.json.gz", "", "", "", "such as a.ndjson,"},
		{"a.ndjson.bz2", "", "", "", "such as a.ndjson.gz"},
		{"a.zip", "ndjson", "", "", "such as a.gz"},
		{"a.csv.xz", "csv", "", "", "such as a.csv.gz"},
	} {
		names, err := readName(filepath.FromSlash(test.path), test.asked)
		switch {
		case test.wrong != "":
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%s %s: %v", test.path, test.asked, err)
			}
		case err != nil, names != naming{test.format, test.compression}:
			t.Errorf("%s %s: %v, %v", test.path, test.asked, names, err)
		}
	}
	_, err := Run(t.Context(), Job{Log: new(auditlogs.Client).Account("x"), Path: "a.parquet"})
	if !errors.Is(err, auditlogs.ErrInvalidQuery) {
		t.Error(err)
	}
}
