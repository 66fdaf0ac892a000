package schema_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
)

// BenchmarkMapping measures what an event costs beside the entry that it is made of: times-decoding
// is the ratio to a listing that decodes entries and does nothing with them, without a network.
// Both are the best of many passes, since other programs disturb the mean.
func BenchmarkMapping(b *testing.B) {
	for _, size := range []int{1000, 2000, 8000} {
		entries, decoding := benchEntries(b, size)
		for _, s := range schemas {
			for _, raw := range []bool{true, false} {
				name := fmt.Sprintf("%s/%d", s.name, size)
				if !raw {
					name += "/without-" + s.raw
				}
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					var text []byte
					var best time.Duration
					for b.Loop() {
						start := time.Now()
						for _, e := range entries {
							text = s.append(text[:0], e, raw)
						}
						if took := time.Since(start); best == 0 || took < best {
							best = took
						}
					}
					each := best / time.Duration(len(entries))
					b.ReportMetric(float64(each), "ns/entry")
					b.ReportMetric(float64(each)/float64(decoding), "times-decoding")
				})
			}
		}
	}
}

// benchEntries lists entries of about the given size, and measures what that takes for each, at
// best.
func benchEntries(b *testing.B, size int) (entries []*auditlogs.Entry, each time.Duration) {
	page := benchPage(size)
	answer := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(page)), Body: io.NopCloser(bytes.NewReader(page))}, nil
	})
	client, err := auditlogs.New("token", auditlogs.WithHTTPClient(&http.Client{Transport: answer}), auditlogs.WithRate(0))
	if err != nil {
		b.Fatal(err)
	}
	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}
	for range 50 {
		start := time.Now()
		for p, err := range client.Account("4bb334f7c94c4a29a045f03944f072e5").Pages(b.Context(), query) {
			if err != nil {
				b.Fatal(err)
			}
			entries = p.Entries
		}
		if took := time.Since(start) / time.Duration(len(entries)); each == 0 || took < each {
			each = took
		}
	}
	return entries, each
}

// benchPage is a page of 1000 entries.
func benchPage(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"errors":[],"messages":[],"result":[`)
	for i := range 1000 {
		if i > 0 {
			b.WriteByte(',')
		}
		entry := fmt.Sprintf(`{"account":{"id":"4bb334f7c94c4a29a045f03944f072e5","name":"Example Account"},"action":{"description":"Change DNS record","result":"success","time":"2024-10-30T12:%02d:%02d.123Z","type":"update"},`+
			`"actor":{"context":"dash","email":"alice@example.com","id":"f6b5de0326bb5182b8a4840ee01ec774","ip_address":"198.41.129.166","token_id":"","token_name":"","type":"user"},"id":"0192dd%026d",`+
			`"raw":{"cf_ray_id":"8e9b1c60ef9e1c9a","method":"PATCH","status_code":200,"uri":"/zones/023e105f4ecef8ad9ca31a8372d0c353/dns_records/372e67954025e0ba6aaa6d586b9e0b59","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15"},`+
			`"resource":{"id":"372e67954025e0ba6aaa6d586b9e0b59","product":"dns","request":{"name":"www"},"response":{},"scope":"zones","type":"dns.record"},"zone":{"id":"023e105f4ecef8ad9ca31a8372d0c353","name":"example.com"}}`, i/60, i%60, i)
		filler := ""
		for n := 0; len(entry)+len(filler) < size; n++ {
			filler += fmt.Sprintf(`,"field_%d":{"value":"some text of usual length","ttl":%d,"proxied":true}`, n, 300+n)
		}
		b.WriteString(strings.Replace(entry, `{"name":"www"`, `{"name":"www"`+filler, 1))
	}
	b.WriteString(`],"result_info":{"count":"1000","cursor":null},"success":true}`)
	return []byte(b.String())
}

type roundTrip func(*http.Request) (*http.Response, error)

func (t roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }
