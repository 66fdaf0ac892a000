package auditlogs

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// benchPage is a page of 1000 entries of about the given size each.
func benchPage(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"errors":[],"messages":[],"result":[`)
	for i := range 1000 {
		if i > 0 {
			b.WriteByte(',')
		}
		entry := fmt.Sprintf(`{"account":{"id":"4bb334f7c94c4a29a045f03944f072e5","name":"Example Account"},"action":{"description":"Change DNS record","result":"success","time":"2024-10-30T12:%02d:%02d.123Z","type":"update"},"actor":{"context":"dash","email":"alice@example.com","id":"f6b5de0326bb5182b8a4840ee01ec774","ip_address":"198.41.129.166","token_id":"","token_name":"","type":"user"},"id":"0192dd%026d","raw":{"cf_ray_id":"8e9b1c60ef9e1c9a","method":"PATCH","status_code":200,"uri":"/client/v4/zones/023e105f4ecef8ad9ca31a8372d0c353/dns_records/372e67954025e0ba6aaa6d586b9e0b59","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15"},"resource":{"id":"372e67954025e0ba6aaa6d586b9e0b59","product":"dns","request":{"name":"www"%s},"response":{},"scope":"zones","type":"dns.record"},"zone":{"id":"023e105f4ecef8ad9ca31a8372d0c353","name":"example.com"}}`, i/60%60, i%60, i, "")
		filler := ""
		for n := 0; len(entry)+len(filler) < size; n++ {
			filler += fmt.Sprintf(`,"field_%d":{"value":"some text of usual length","ttl":%d,"proxied":true}`, n, 300+n)
		}
		b.WriteString(strings.Replace(entry, `{"name":"www"`, `{"name":"www"`+filler, 1))
	}
	b.WriteString(`],"result_info":{"count":"1000","cursor":"ASqdKd7dKgxh-aZ8bm0mZos1BtW4BdEqifCzNkEeGRzi"},"success":true}`)
	return []byte(b.String())
}

// BenchmarkDecode measures a page's bytes to typed entries with their raw bytes, beside the
// decoder's own check that the page is JSON at all, which is the floor.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{1000, 2000, 8000} {
		page := benchPage(size)
		b.Run(fmt.Sprintf("entries/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				entries, _, err := decodePage(page, defaultLimits)
				if err != nil {
					b.Fatal(err)
				}
				if len(entries) != 1000 || entries[0].Err() != nil || entries[999].Raw == nil {
					b.Fatal("not all of the page's entries")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/entry")
		})
		b.Run(fmt.Sprintf("floor/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !jsontext.Value(page).IsValid(decodeOptions) {
					b.Fatal("not valid")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/entry")
		})
	}
}

// BenchmarkIterate measures a whole listing, apart from the network: from the request to the loop's
// body.
func BenchmarkIterate(b *testing.B) {
	// The ids of an earlier page come again only when they are forgotten, so that each page is new.
	var pages [3][2][]byte
	for i := range pages {
		page := bytes.ReplaceAll(benchPage(2000), []byte(`"id":"0192dd`), fmt.Appendf(nil, `"id":"%d192dd`, i))
		before, after, _ := bytes.Cut(page, []byte(`"cursor":"`))
		pages[i] = [2][]byte{append(before, `"cursor":"`...), after}
	}
	asked := 0
	answer := benchTransport(func(*http.Request) (*http.Response, error) {
		asked++
		page, cursor := pages[asked%len(pages)], fmt.Append(nil, asked)
		body := io.MultiReader(bytes.NewReader(page[0]), bytes.NewReader(cursor), bytes.NewReader(page[1]))
		length := int64(len(page[0]) + len(cursor) + len(page[1]))
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: length, Body: io.NopCloser(body)}, nil
	})
	client, err := New("token", WithHTTPClient(&http.Client{Transport: answer}), WithRate(0))
	if err != nil {
		b.Fatal(err)
	}
	query := Query{Since: "2024-10-30", Before: "2024-10-31"}
	b.ReportAllocs()
	n := 0
	for _, err := range client.Account("4bb334f7c94c4a29a045f03944f072e5").Entries(b.Context(), query, Prefetch(false)) {
		if err != nil {
			b.Fatal(err)
		}
		if n++; n == b.N {
			break
		}
	}
}

type benchTransport func(*http.Request) (*http.Response, error)

func (t benchTransport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }
