package archive_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var october3 = time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC)

// strange are entries whose text does not show what they say, or says it in an unusual way.
var strange = []string{
	`{"id":"s1","action":{"time":"2026-10-20T10:00:00Z","type":"cre\u0061te"},"actor":{"email":"\u0061lice@example.com"}}`,
	`{"id":"s2","action":{"time":"2026-10-20T10:00:01Z"},"\u0061ctor":{"em\u0061il":"alice@example.com"}}`,
	`{"id":"s3", "action" : { "time" : "2026-10-20T10:00:02Z" , "type" :	"create" } , "raw":{"status_code" : 404 }}`,
	`{"id":"s4","action":{"time":"2026-10-20T10:00:03Z"},"raw":{"status_code":2.00e2}}`,
	`{"id":"s5","action":{"time":"2026-10-20T10:00:04Z"},"raw":{"status_code":"200"}}`,
	`{"id":"s6","action":{"time":"2026-10-20T10:00:05Z"},"raw":{"status_code":200,"uri":"\/zones\/1","user_agent":"a\"b\\c\td"}}`,
	`{"id":"s7","action":{"time":"2026-10-20T10:00:06Z"},"raw":{"user_agent":"caf\u00e9"},"resource":{"scope":"zon\u0065s"}}`,
	`{"id":"s8","action":{"time":"2026-10-20T10:00:07Z"},"raw":{"user_agent":"café"},"resource":{"scope":{"zones":"zones"}}}`,
	"{\"id\":\"s9\",\"action\":{\"time\":\"2026-10-20T10:00:08Z\"},\"raw\":{\"user_agent\":\"caf\xe9\"}}",
	`{"id":"s10","action":{"time":"2026-10-20T10:00:09Z"},"raw":{"user_agent":"\ud83d\ude00 \ud800"}}`,
	`{"id":"s11","action":{"time":"2026-10-20T10:00:10Z"},"actor":{"email":"bob@example.com","email":"alice@example.com"}}`,
	`{"id":"s12","action":{"time":"2026-10-20T10:00:11Z"},"actor":{"email":"alice@example.com","email":"bob@example.com"}}`,
	`{"id":"s13","action":{"time":"2026-10-20T10:00:12Z"},"actor":{"email":null},"resource":{"request":{"email":"alice@example.com"}}}`,
	`{"id":"s14","action":{"time":"2026-10-20T10:00:13Z"},"actor":{"email":{"email":"alice@example.com"}}}`,
	`{"id":"s15","action":{"time":"2026-10-20T10:00:14Z"},"actor":{"EMAIL":"alice@example.com"}}`,
	`{"id":"s16","action":{"time":"2026-10-20T12:00:15+02:00"},"actor":{"email":"ALICE@example.com"}}`,
	`{"id":"s17","action":{"time":"2026-10-20T10:00:16.5Z"},"raw":{"status_code":-0}}`,
	`{"id":"s18","action":{"time":"2026-10-20T10:00:17Z"},"raw":{"status_code":20000000000000000000000}}`,
	`{"id":"\u0073\u0031\u0039","action":{"time":"2026-10-20T10:00:18Z"},"zone":{"id":"","name":""}}`,
	`{"action":{"time":"2026-10-20T10:00:19Z"},"raw":{"uri":"the \"method\":\"GET\""}}`,
}

// oddEntries are the strange ones, and those of the answers that were kept since they deviate from
// the reference, if they have a time: the fake and a file have others at other places.
func oddEntries(t testing.TB) (all []any) {
	t.Helper()
	for _, line := range strange {
		all = append(all, line)
	}
	names, err := filepath.Glob("../../../contract_test/testdata/odd/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal("no odd answers", err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Result []json.RawMessage `json:"result"`
		}
		if json.Unmarshal(body, &page) != nil {
			continue // Such as one that is cut.
		}
		for i, row := range page.Result {
			// A time within the window, one after the other.
			var fields map[string]any
			if json.Unmarshal(row, &fields) != nil {
				continue
			}
			action, ok := fields["action"].(map[string]any)
			if !ok {
				continue
			}
			action["time"] = october3.AddDate(0, 0, 20).Add(time.Duration(len(all)) * time.Second).Format(time.RFC3339)
			fields["id"] = filepath.Base(name) + string(rune('a'+i))
			line, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, line)
		}
	}
	return all
}
