package format

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
)

// plainCSV makes a row with encoding/json, encoding/csv and regexp: slow, and plainly what [CSV]
// says.
func plainCSV(raw []byte) string {
	var row []string
	for _, column := range Columns() {
		value := json.RawMessage(raw)
		for name := range strings.SplitSeq(column, ".") {
			var object map[string]json.RawMessage
			_ = json.Unmarshal(value, &object)
			value = object[name]
		}
		row = append(row, plainGuard(plainCell(value)))
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	_ = w.Write(row)
	w.Flush()
	return text.String()
}

func plainCell(value json.RawMessage) string {
	var text string
	var compact bytes.Buffer
	switch {
	case len(value) == 0 || string(value) == "null":
		return ""
	case value[0] == '"' && json.Unmarshal(value, &text) == nil:
		return text
	case json.Compact(&compact, value) == nil:
		return compact.String()
	}
	return string(value)
}

var plainWithin = regexp.MustCompile(`([;\t\r\n][;\t\r\n "]*)([=+\-@])`)

func plainGuard(cell string) string {
	cell = plainWithin.ReplaceAllString(cell, "$1'$2")
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// FuzzCSV makes rows of all kinds of entries, and compares them with those that are made the plain
// way.
func FuzzCSV(f *testing.F) {
	for _, raw := range []string{
		`{"id":"a","action":{"time":"2024-10-30T12:00:00.10Z"},"raw":{"status_code":2.00e2},"resource":{"request": {"a": [1, "b \" c"]}}}`,
		`{"id":"a","id":7,"zone":{"id":"x"},"zone":{"name":"y"},"actor":{"id":"z"},"actor":null,"action":{"type":"x"},"action":[]}`,
		`{"\u0069d":"a\u2028\ud800\n\\","action":{"result":"` + "\xff\xff" + `"},"actor":{"id":true,"email":{},"type":[ ]}}`,
		`{"id":"a"} {}`, `{"id":"a"`, `{"id":"a",}`, `[{"id":"a"}]`, `null`, ``, ` {"id" : "a" } `, `{"id":"\x"}`, `{"id":1.}`,
		`{"id":" a","actor":{"id":"\\.","email":"\u00a0a","type":"\u2003"},"zone":{"id":"\t","name":"\r"}}`,
		`{"id":"=a;=b;\t\" +c\n@d, -e","actor":{"email":";a=b;'=c;;-"},"resource":{"request":{"q":";=1"},"response":"{\"a\":1}"}}`,
		`{"id":"` + strings.Repeat("[", 100) + `","resource":{"request":` + strings.Repeat(`[{"a": `, 5000) + strings.Repeat("}]", 5000) + `}}`,
	} {
		f.Add([]byte(raw))
	}
	files, err := filepath.Glob("../../../contract_test/testdata/odd/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no odd answers", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		var page struct{ Result []json.RawMessage }
		_ = json.Unmarshal(text, &page) // Some have no entries.
		for _, raw := range page.Result {
			f.Add([]byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, want := string(NewCSV(nil).Entry(nil, &auditlogs.Entry{Raw: raw})), plainCSV(raw); got != want {
			t.Errorf("%.200q becomes\n%q, want\n%q", raw, got, want)
		}
	})
}

// BenchmarkFormats measures what an entry of 2 KB costs from its bytes to its text. Csv may cost
// three times as much as ndjson.
func BenchmarkFormats(b *testing.B) {
	raw := `{"account":{"id":"4bb334f7c94c4a29a045f03944f072e5","name":"Example Account"},"action":{"description":"Change DNS record","result":"success","time":"2024-10-30T12:00:00.123Z","type":"update"},"actor":{"context":"dash","email":"alice@example.com","id":"f6b5de0326bb5182b8a4840ee01ec774","ip_address":"198.41.129.166","token_id":"","token_name":"","type":"user"},"id":"0192dd","raw":{"cf_ray_id":"8e9b1c60ef9e1c9a","method":"PATCH","status_code":200,"uri":"/client/v4/zones/023e105f4ecef8ad9ca31a8372d0c353/dns_records/372e67954025e0ba6aaa6d586b9e0b59","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15"},"resource":{"id":"372e67954025e0ba6aaa6d586b9e0b59","product":"dns","request":{"name":"www"`
	for n := 0; len(raw) < 1900; n++ {
		raw += fmt.Sprintf(`,"field_%d":{"value":"some text of usual length","ttl":%d,"proxied":true}`, n, 300+n)
	}
	raw += `},"response":{},"scope":"zones","type":"dns.record"},"zone":{"id":"023e105f4ecef8ad9ca31a8372d0c353","name":"example.com"}}`
	for _, name := range []string{NameNDJSON, NameCSV} {
		b.Run(name, func(b *testing.B) {
			f, err := New(name, Options{})
			if err != nil {
				b.Fatal(err)
			}
			e := &auditlogs.Entry{Raw: []byte(raw)}
			var text []byte
			b.ReportAllocs()
			for b.Loop() {
				text = f.Entry(text[:0], e)
			}
		})
	}
}
