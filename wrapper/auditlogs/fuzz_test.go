package auditlogs

import (
	"bytes"
	stdjson "encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/gen/auditlogsapi"
)

// Whatever comes, a page is decoded as encoding/json would, or is an error, and no entry spoils another.
func FuzzDecodePage(f *testing.F) {
	for _, seed := range []string{
		`{"success":true,"result":[{"id":"a","action":{"time":"2024-10-30T12:00:00Z"}}],"result_info":{"count":"1","cursor":"x"}}`,
		`{"success":true,"result":[null,7,"x",[],{"id":7},{"action":{"time":"soon","type":"login"}}],"result_info":{"cursors":{"after":"y"}}}`,
		`{"success":true,"result":[{"raw":{"status_code":2e2}},{"raw":{"status_code":200.5}},{"raw":{"status_code":-0}}]}`,
		`{"success":true,"result":[{"resource":{"scope":{"a":[1, 2]},"request":"\ud800","response":1e999}}]}`,
		`{"success":false,"errors":[{"code":1,"message":"no"}]}`,
		`{"success":true}`, `{}`, `null`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, info, err := decodePage(body, defaultLimits)
		if err != nil {
			if entries != nil || info.Cursor != "" {
				t.Errorf("%d entries and the cursor %q come with %v", len(entries), info.Cursor, err)
			}
			return
		}
		if !stdjson.Valid(body) {
			t.Errorf("%q is not JSON", body)
		}
		if rows, ok := rowsOf(body); ok && !slices.EqualFunc(entries, rows, func(e *Entry, row stdjson.RawMessage) bool { return bytes.Equal(e.Raw, row) }) {
			t.Errorf("the entries of %q are %q", body, rows)
		}
		for _, entry := range entries {
			row := entry.Raw
			if !plain(row) {
				continue
			}
			var want auditlogsapi.Entry
			wantErr := stdjson.Unmarshal(row, &want)
			want.Action.Time = want.Action.Time.UTC()
			switch {
			case bytes.Equal(row, []byte("null")): // encoding/json takes it for an entry.
			case (wantErr == nil) != (entry.Err() == nil):
				t.Errorf("%q: %v, and encoding/json says %v", row, entry.Err(), wantErr)
			case wantErr == nil && !reflect.DeepEqual(entry.Entry, want):
				t.Errorf("%q is decoded as\n%+v, and by encoding/json as\n%+v", row, entry.Entry, want)
			}
		}
	})
}

// rowsOf returns the entries of a page as encoding/json finds them, where a page holds nothing that it reads differently.
func rowsOf(body []byte) (rows []stdjson.RawMessage, ok bool) {
	if !plain(body) {
		return nil, false
	}
	var page struct {
		Result []stdjson.RawMessage `json:"result"`
	}
	err := stdjson.Unmarshal(body, &page)
	return page.Result, err == nil
}

// plain reports whether a value holds none of what the decoders treat differently, which the table of odd entries covers:
// invalid UTF-8, names in another case and repeated names.
func plain(value []byte) bool {
	if !utf8.Valid(value) {
		return false
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(value)) // Refuses repeated names.
	for {
		token, err := decoder.ReadToken()
		if err != nil {
			return err.Error() == "EOF"
		}
		if token.Kind() == '"' && strings.ContainsFunc(token.String(), func(r rune) bool { return unicode.ToLower(r) != r || r > unicode.MaxASCII }) {
			return false
		}
	}
}

func FuzzError(f *testing.F) {
	f.Add(403, `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`, "8e9b1c60ef9e1c9a-AMS", "30", `"default";r=0;t=30`)
	f.Add(500, "<html>\x1b[31m", "\x1b]0;title\a", "Wed, 21 Oct 2099 07:28:00 GMT", "r=-1;t=9999999999")
	f.Add(200, `{"errors":[{"message":"\u202e"},null,{}]}`, "", "-1", `;;;==,"`)
	f.Fuzz(func(t *testing.T, status int, body, ray, retryAfter, limit string) {
		response := &http.Response{StatusCode: status, Header: http.Header{"Cf-Ray": {ray}, "Retry-After": {retryAfter}, "Ratelimit": {limit}}}
		l := &listing{operation: auditlogsapi.ListAccountAuditLogsOperation, path: "/accounts/x/logs/audit"}
		e := newError(l, response, []byte(body))
		text := e.Error()
		if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q holds a control character", text)
		}
		if len(text) > 4000 {
			t.Errorf("a message of %d bytes", len(text))
		}
		if e.RetryAfter < 0 {
			t.Errorf("told to wait %s", e.RetryAfter)
		}
		if _, reset, ok := rateLimit(response.Header); ok && (reset < 0 || reset > 100*365*24*time.Hour) {
			t.Errorf("the budget is given back in %s", reset)
		}
	})
}

// Each byte stands for a cursor.
func FuzzCursorWatch(f *testing.F) {
	f.Add([]byte("abcdef"))
	f.Add([]byte("abca"))
	f.Add([]byte("aa"))
	f.Fuzz(func(t *testing.T, cursors []byte) {
		var w cursorWatch
		for i, cursor := range cursors {
			err := w.check(string(cursor))
			if known := slices.Contains(cursors[:i], cursor); known != (err != nil) {
				t.Fatalf("cursor %d of %q: %v", i, cursors, err)
			}
			if err != nil {
				return
			}
		}
	})
}
