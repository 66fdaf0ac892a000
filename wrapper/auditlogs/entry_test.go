package auditlogs_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

func TestOddEntries(t *testing.T) {
	for _, test := range []struct {
		name, raw string
		fields    []string // that Err names; "" for the entry itself
		check     func(*auditlogs.Entry) bool
	}{
		{"a time in words", `{"id":"a","action":{"time":"yesterday","type":"login"},"actor":{"email":"a@x"}}`, []string{"action.time"},
			func(e *auditlogs.Entry) bool {
				return e.ID == "a" && e.Action.Time.IsZero() && e.Action.Type == "login" && e.Actor.Email == "a@x"
			}},
		{"several fields", `{"id":7,"action":{"result":true,"type":"login"},"actor":[],"raw":{"status_code":"200","method":"GET"}}`,
			[]string{"id", "action.result", "actor", "raw.status_code"},
			func(e *auditlogs.Entry) bool {
				return e.ID == "" && e.Action.Type == "login" && e.Entry.Raw.Method == "GET" && e.Entry.Raw.StatusCode == 0
			}},
		{"a field of a wrong type twice", `{"id":7,"id":8,"zone":{"name":"x"}}`, []string{"id"},
			func(e *auditlogs.Entry) bool { return e.Zone.Name == "x" }},
		{"a number that does not fit", `{"raw":{"status_code":1e99,"uri":"/"}}`, []string{"raw.status_code"},
			func(e *auditlogs.Entry) bool { return e.Entry.Raw.URI == "/" }},
		{"null", `null`, []string{""}, func(e *auditlogs.Entry) bool { return e.ID == "" }},
		{"text", `"entry"`, []string{""}, func(e *auditlogs.Entry) bool { return e.ID == "" }},
		{"null objects", `{"id":"a","account":null,"action":null,"actor":null,"raw":null,"resource":null,"zone":null}`, nil,
			func(e *auditlogs.Entry) bool { return e.ID == "a" && e.Action.Time.IsZero() }},
		{"null fields", `{"id":null,"action":{"time":null},"raw":{"status_code":null}}`, nil,
			func(e *auditlogs.Entry) bool { return e.Action.Time.IsZero() }},
		{"a scope of any kind", `{"resource":{"scope":{"a":1},"request":[1.0,  2],"response":null,"value":7}}`, nil,
			func(e *auditlogs.Entry) bool {
				return string(e.Resource.Scope) == `{"a":1}` && string(e.Resource.Request) == `[1.0,  2]` && string(e.Resource.Response) == `null`
			}},
		{"an offset", `{"action":{"time":"2024-10-30T14:00:00.123456789+02:00"}}`, nil,
			func(e *auditlogs.Entry) bool {
				return e.Action.Time.Location() == time.UTC && e.Action.Time.Equal(time.Date(2024, 10, 30, 12, 0, 0, 123456789, time.UTC))
			}},
		// One invalid byte that somebody typed must not cost the entry; Raw keeps it.
		{"bytes that are no text", "{\"id\":\"a\xff\",\"zone\":{\"name\":\"x\"}}", nil,
			func(e *auditlogs.Entry) bool { return e.ID == "a\uFFFD" && e.Zone.Name == "x" }},
		// The last of a repeated name counts, as with encoding/json, since nobody can say which of
		// them was meant.
		{"a name twice", `{"id":"a","zone":{"name":"x"},"raw":{"uri":"/a","uri":"/b"},"id":"b"}`, nil,
			func(e *auditlogs.Entry) bool { return e.ID == "b" && e.Zone.Name == "x" && e.Entry.Raw.URI == "/b" }},
		{"an object twice", `{"zone":{"name":"x","id":"1"},"zone":{"id":"2"}}`, nil,
			func(e *auditlogs.Entry) bool { return e.Zone.Name == "x" && e.Zone.ID == "2" }},
		{"a number twice", `{"raw":{"status_code":200,"status_code":404}}`, nil,
			func(e *auditlogs.Entry) bool { return e.Entry.Raw.StatusCode == 404 }},
		{"an object and null", `{"zone":{"name":"x"},"zone":null}`, nil, func(e *auditlogs.Entry) bool { return e.Zone.Name == "" }},
		// Text is what it stands for; encoding/json takes no time that is written with escapes.
		{"a time with an escape", `{"action":{"time":"2024-10-30T12:00:00\u005a"}}`, nil,
			func(e *auditlogs.Entry) bool {
				return e.Action.Time.Equal(time.Date(2024, 10, 30, 12, 0, 0, 0, time.UTC))
			}},
		// Names are what the contract says to the letter; encoding/json would fill ID from either.
		{"a name in another case", `{"ID":"a","Zone":{"name":"x"}}`, nil,
			func(e *auditlogs.Entry) bool { return e.ID == "" && e.Zone.Name == "" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newFake(t, 0)
			s.FailNext(auditlogstest.Fault{Status: 200, Body: `{"success":true,"result":[{"id":"before"},` + test.raw + `,{"id":"after"}]}`})
			var entries []*auditlogs.Entry
			for entry, err := range newClient(t, s).Account(account).Entries(t.Context(), day) {
				if err != nil {
					t.Fatal(err)
				}
				entries = append(entries, entry)
			}
			if len(entries) != 3 || entries[0].ID != "before" || entries[2].ID != "after" || entries[0].Err() != nil || entries[2].Err() != nil {
				t.Fatalf("its neighbours suffer: %v", entries)
			}
			odd := entries[1]
			if string(odd.Raw) != test.raw {
				t.Errorf("raw is %s", odd.Raw)
			}
			if fields := faultyFields(odd.Err()); !slices.Equal(fields, test.fields) {
				t.Errorf("%v names %q, want %q", odd.Err(), fields, test.fields)
			}
			if !test.check(odd) {
				t.Errorf("decoded as %+v", odd.Entry)
			}
			// What was stored reads back alike.
			var again auditlogs.Entry
			if err := json.Unmarshal([]byte(test.raw), &again); err == nil && test.raw != "null" && string(again.Raw) != test.raw {
				t.Errorf("reads back as %s", again.Raw)
			}
		})
	}
}

// faultyFields lists the fields that an entry's error names.
func faultyFields(err error) (fields []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, one := range joined.Unwrap() {
		var field *auditlogs.FieldError
		if errors.As(one, &field) {
			fields = append(fields, field.Field)
		}
	}
	return fields
}

func TestEntryMarshalsAsItCame(t *testing.T) {
	const raw = `{"unknown":1.50,"id":"a"}`
	var e auditlogs.Entry
	if err := json.Unmarshal([]byte(raw), &e); err != nil || e.ID != "a" {
		t.Fatal(e, err)
	}
	if got, err := json.Marshal(&e); err != nil || string(got) != raw {
		t.Errorf("%s, %v", got, err)
	}
	if !e.Position().IsZero() {
		t.Error("an entry of no listing has a position")
	}
	made := auditlogs.Entry{}
	made.ID = "b"
	if got, err := json.Marshal(made); err != nil || string(got) != `{"id":"b"}` {
		t.Errorf("%s, %v", got, err)
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("")
	f.Add("p1.e30")
	f.Add("p1.eyJjIjoiYSIsImkiOiJYLXpyWnZfSWJ6alpVbmhzYldsc2VRIiwicyI6IjIwMjQtMTAtMzAiLCJiIjoiMjAyNC0xMC0zMSIsInEiOiIwMzI3YjQwNWE0ZTkifQ")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := auditlogs.ParsePosition(text)
		if err != nil {
			if !errors.Is(err, auditlogs.ErrInvalidQuery) || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again, err := auditlogs.ParsePosition(p.String())
		if err != nil || again != p {
			t.Errorf("%q is read as %v, and that as %v, %v", text, p, again, err)
		}
	})
}
