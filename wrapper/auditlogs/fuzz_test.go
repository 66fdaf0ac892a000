package auditlogs

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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

// Whatever comes, a page is decoded as encoding/json would, or is an error, and no entry spoils
// another.
func FuzzDecodePage(f *testing.F) {
	for _, seed := range []string{
		`{"success":true,"result":[{"id":"a","action":{"time":"2024-10-30T12:00:00Z"}}],"result_info":{"count":"1","cursor":"x"}}`,
		`{"success":true,"result":[null,7,"x",[],{"id":7},{"action":{"time":"soon","type":"login"}}],"result_info":{"cursors":{"after":"y"}}}`,
		`{"success":true,"result":[{"raw":{"status_code":2e2}},{"raw":{"status_code":200.5}},{"raw":{"status_code":-0}}]}`,
		`{"success":true,"result":[{"action":{"time":"2024-10-30T1:00:00Z"}},{"action":{"time":"2024-10-30T12:00:00,5Z"}}]}`,
		`{"success":true,"result":[{"action":{"time":"2024-10-30T12:00:00+24:00"}},{"action":{"time":"2024-10-30T12:00:00-07:60"}}]}`,
		`{"success":true,"result":[{"resource":{"scope":{"a":[1, 2]},"request":"\ud800","response":1e999}}]}`,
		`{"success":false,"errors":[{"code":1,"message":"no"}]}`,
		`{"success":true}`, `{}`, `null`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(agree)
}

// FuzzMadePage does the same with pages that are made from what entries are made of, so that most
// of them are nearly right.
func FuzzMadePage(f *testing.F) {
	for seed := range uint64(3000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m := maker{rand.New(rand.NewPCG(seed, 1))}
		agree(t, m.page())
	})
}

// A maker makes JSON, and now and then breaks it.
type maker struct{ *rand.Rand }

func (m maker) one(texts ...string) string { return texts[m.IntN(len(texts))] }

// odd returns one of the malformed texts, but rarely, so that most pages have none or one of them.
func (m maker) odd(usual string, odd ...string) string {
	if m.IntN(100) == 0 {
		return m.one(odd...)
	}
	return usual
}

func (m maker) page() []byte {
	var rows []string
	for range m.IntN(4) {
		rows = append(rows, m.entry())
	}
	result := "[" + m.space() + strings.Join(rows, m.space()+","+m.space()) + m.space() + "]"
	result = m.odd(result, "null", "{}", `"x"`, "[[]]")
	members := []string{`"success":` + m.odd("true", "false", "null", "1"), `"result":` + m.space() + result,
		`"result_info":` + m.one("null", `{"cursor":"next"}`, `{"count":3,"cursor":null,"cursors":{"after":"x"}}`, m.odd("null", "7")), `"errors":` + m.value(1), `"messages":[]`}
	m.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	page := []byte("{" + m.space() + strings.Join(members, m.space()+",") + "}" + m.space())
	if m.IntN(10) == 0 {
		for range 1 + m.IntN(2) {
			page[m.IntN(len(page))] = m.one(`"`, `\\`, "{", "}", "[", "]", ",", ":", "0", "-", "e", ".", " ", "n", "\x00", "\x1f", "\x7f", "u")[0]
		}
	}
	return page
}

// entry makes an entry of the contract's fields, some of them with values of any kind.
func (m maker) entry() string {
	objects := map[string][]string{}
	var names []string
	for _, field := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		object, name, nested := strings.Cut(field.Path, ".")
		if !nested {
			object, name = "", field.Path
		}
		if m.IntN(3) == 0 {
			continue
		}
		value := m.text()
		switch {
		case m.IntN(40) == 0 || field.Type == "":
			value = m.value(2)
		case field.Type == "integer":
			value = m.odd(m.one("200", "0", "404", "null"), "-0", "2e2", "999999999999", "1.0", "007")
		case field.Format == "date-time":
			value = m.odd(m.one(`"2024-10-30T12:00:00Z"`, `"2024-10-30T14:00:00.123456789+02:00"`, "null"), `"2024-02-30T12:00:00Z"`, `"2024-10-30T12:00:00\u005a"`, `""`, `"2024-10-30T1:00:00Z"`,
				`"2024-10-30T12:00:00,5Z"`, `"2024-10-30T12:00:00+24:00"`, `"2024-10-30T12:00:00-07:60"`, `"2024-10-30t12:00:00z"`)
		}
		if objects[object] == nil {
			names = append(names, object)
		}
		objects[object] = append(objects[object], fmt.Sprintf("%q%s:%s%s", name, m.space(), m.space(), value))
	}
	var members []string
	for _, object := range names {
		if object == "" {
			members = append(members, objects[object]...)
			continue
		}
		members = append(members, fmt.Sprintf("%q:{%s%s%s}", object, m.space(), strings.Join(objects[object], m.space()+","), m.space()))
	}
	m.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(append(members, `"unknown":`+m.value(0)), ","+m.space()) + "}"
}

func (m maker) space() string {
	return m.one("", "", "", "", "", "", " ", "\n", "\r\n", "\t  ")
}

func (m maker) text() string {
	text := strings.Repeat(m.one("a", "é", "zone", " ", "/"), m.IntN(12))
	return `"` + text + m.odd(m.one("", "", "", "", `\"`, `\\`, `\/`, `\n`, `\u00e9`, `\ud83d\ude80`, "🚀"), `\ud800`, `\x`, `\u00g0`, "\x01", "\xff") + m.one("", "", "12345678") + `"`
}

func (m maker) value(depth int) string {
	switch n := m.IntN(8); {
	case n == 0 && depth < 6:
		return "[" + m.space() + m.value(depth+1) + "," + m.value(depth+1) + m.space() + "]"
	case n == 1 && depth < 6:
		return "{" + m.text() + m.space() + ":" + m.value(depth+1) + "}"
	case n < 4:
		return m.text()
	}
	return m.odd(m.one("null", "true", "false", "{}", "[]", "[ ]", "{ }", "0", "-1", "1.50", "1e9", "1E-3", "0.5", "1e999", "123456789012345678901234567890"),
		"-", "01", "1.", ".5", "+1", "1e", "nul", "tru")
}

// agree compares a page's entries with what the decoder alone makes of it, which must be the same
// to the last field, and with what encoding/json makes of it.
func agree(t *testing.T, body []byte) {
	if page, scanned, ordinary := scanPage(body, defaultLimits); ordinary {
		wantPage, want, err := decodeRows(body, defaultLimits)
		if err != nil || !reflect.DeepEqual(page, wantPage) || len(scanned) != len(want) {
			t.Errorf("%q is %d entries and %+v to the scanner, and %d and %+v to the decoder, %v", body, len(scanned), page, len(want), wantPage, err)
		} else {
			for i, entry := range scanned {
				if !reflect.DeepEqual(entry.Entry, want[i].Entry) || !bytes.Equal(entry.Raw, want[i].Raw) || fmt.Sprint(entry.err) != fmt.Sprint(want[i].err) {
					t.Errorf("%q is\n%+v, %v to the scanner, and to the decoder\n%+v, %v", entry.Raw, entry.Entry, entry.err, want[i].Entry, want[i].err)
				}
			}
		}
	}
	entries, info, err := decodePage(body, defaultLimits)
	if err != nil {
		if entries != nil || info.Cursor != "" {
			t.Errorf("%d entries and the cursor %q come with %v", len(entries), info.Cursor, err)
		}
		var page auditlogsapi.EntryPage
		if plain(body) && stdjson.Unmarshal(body, &page) == nil && page.Success && !errors.Is(err, ErrLimitExceeded) {
			t.Errorf("%q is refused, and encoding/json takes it: %v", body, err)
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
		case errors.As(wantErr, new(*time.ParseError)) && bytes.ContainsRune(row, '\\'): // It takes times before they are unescaped.
		case wantErr == nil && looseTime(entry.Err()): // It takes more times than RFC 3339 has.
		case (wantErr == nil) != (entry.Err() == nil):
			t.Errorf("%q: %v, and encoding/json says %v", row, entry.Err(), wantErr)
		case wantErr == nil && !reflect.DeepEqual(entry.Entry, want):
			t.Errorf("%q is decoded as\n%+v, and by encoding/json as\n%+v", row, entry.Entry, want)
		}
	}
}

// looseTime reports whether all that is wrong with an entry is the only time that the contract
// gives it.
func looseTime(err error) bool {
	var field *FieldError
	return errors.As(err, &field) && field.Field == "action.time" && err.Error() == field.Error()
}

// rowsOf returns the entries of a page as encoding/json finds them, where a page contains nothing
// that it reads differently.
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

// plain reports whether a value contains none of what the decoders treat differently, which the
// table of malformed entries covers: invalid UTF-8, names in another case and repeated names.
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
		kind, length := decoder.StackIndex(decoder.StackDepth())
		if isName := kind == '{' && length%2 == 1; isName && strings.ContainsFunc(token.String(), func(r rune) bool { return unicode.ToLower(r) != r || r > unicode.MaxASCII }) {
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
		l := &listing{operation: &auditlogsapi.ListAccountAuditLogsOperation, path: "/accounts/x/logs/audit"}
		e := newError(l, response, []byte(body))
		text := e.Error()
		if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q contains a control character", text)
		}
		if len(text) > 4000 {
			t.Errorf("a message of %d bytes", len(text))
		}
		if e.RetryAfter < 0 {
			t.Errorf("told to wait %s", e.RetryAfter)
		}
		for name, n := range scarcest(response.Header, "Ratelimit", "r", "t") {
			if n < 0 || n > math.MaxInt32 {
				t.Errorf("%s is %d", name, n)
			}
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
