package detail_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/detail"
	"cfaudit.example/wrapper/auditlogstest"
)

func decode(t *testing.T, raw string) *auditlogs.Entry {
	t.Helper()
	e := new(auditlogs.Entry)
	if err := json.Unmarshal([]byte(raw), e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestOf(t *testing.T) {
	page := detail.Of(decode(t, `{"id":"1","account":{"id":"a","name":"Example"},"zone":null,
		"action":{"time":"2024-10-30T12:00:00.50Z","description":"Change","type":"update","result":"failure"},
		"actor":{"type":"user","email":"heidi@example.com","token_name":"cdn-sync","token_id":"t","mood":"bad"},
		"raw":{"method":"PATCH","uri":"/zones/1","status_code":403,"user_agent":["odd"]},
		"resource":{"id":"r","product":"zones","type":"zone.setting","scope":"zones","request":"text","response":{"n":1.50}},
		"new":{"field":[1]},"flag":true}`))
	var lines []string
	for _, row := range page.Rows {
		lines = append(lines, row.Label+": "+row.Text(false))
	}
	want := []string{
		"Time: 2024-10-30T12:00:00.50Z",
		"Action: Change, type update",
		"Result: failure, status code 403",
		"Actor: heidi@example.com, type user",
		"Credential: cdn-sync, token id t",
		"Request: PATCH /zones/1",
		"Resource: zone.setting, product zones, id r, scope zones",
		"Account: Example, id a",
		"Entry: 1",
		"actor.mood: bad",
		"flag: true",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	var bodies []string
	for _, body := range page.Bodies {
		bodies = append(bodies, body.Path+" "+string(body.Raw))
	}
	if got, want := strings.Join(bodies, "\n"), "raw.user_agent [\"odd\"]\nresource.request \"text\"\nresource.response {\"n\":1.50}\nnew {\"field\":[1]}"; got != want {
		t.Errorf("bodies %s, want %s", got, want)
	}
	for _, raw := range []string{`{}`, `{"id":null}`, `{"action":"odd"}`, `{"action":{"action":{}}}`} {
		detail.Of(decode(t, raw))
	}
}

// Every value of an entry is on its page.
func TestOfIsWhole(t *testing.T) {
	h := auditlogstest.History{Entries: 400, Since: time.Now().Add(-time.Hour), Before: time.Now()}
	server := auditlogstest.NewServer(auditlogstest.WithHistory(h))
	defer server.Close()
	for _, raw := range server.Stored(h.Since, h.Before) {
		e := decode(t, string(raw))
		page := detail.Of(e)
		var all strings.Builder
		for _, row := range page.Rows {
			fmt.Fprintln(&all, row.Text(true))
		}
		for _, body := range page.Bodies {
			for _, line := range detail.Lines(body.Raw, true) {
				fmt.Fprint(&all, line.Name, line.Value, " ")
			}
		}
		shown := all.String()
		var check func(value any)
		check = func(value any) {
			switch v := value.(type) {
			case map[string]any:
				for _, member := range v {
					check(member)
				}
			case []any:
				for _, element := range v {
					check(element)
				}
			case string:
				quoted, _ := json.Marshal(v)
				if !strings.Contains(shown, v) && !strings.Contains(shown, strings.Trim(string(quoted), `"`)) {
					t.Fatalf("%q is missing in\n%s", v, shown)
				}
			}
		}
		var tree any
		if err := json.Unmarshal(raw, &tree); err != nil {
			t.Fatal(err)
		}
		check(tree)
	}
}

func written(lines []detail.Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.Repeat(" ", l.Depth))
		if l.Name != "" {
			b.WriteString(l.Name + ": ")
		}
		b.WriteString(l.Value)
		if l.Comma {
			b.WriteByte(',')
		}
		if l.Note != "" {
			b.WriteString(" (" + l.Note + ")")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestLines(t *testing.T) {
	long := strings.Repeat("é", 5000)
	for _, test := range []struct{ raw, want string }{
		{`1.50e2`, "1.50e2\n"},
		{`"a\u00e9\n"`, `"aé\n"` + "\n"},
		{`{}`, "{}\n"},
		{`[]`, "[]\n"},
		{`{"a":[],"b":{"c":null},"a":true}`, "{\n \"a\": [],\n \"b\": {\n  \"c\": null\n },\n \"a\": true\n}\n"},
		{`[1,{"a":2}]`, "[\n 1,\n {\n  \"a\": 2\n }\n]\n"},
		{`"` + long + `"`, `"` + long[:200] + `…" (10 kB)` + "\n"},
		{`[` + strings.Repeat("7,", 29) + `7]`, "[\n" + strings.Repeat(" 7,\n", 20) + " … (10 more, 20 bytes)\n]\n"},
		{strings.Repeat("[", 10) + strings.Repeat("]", 10), "[\n [\n  [\n   [\n    [\n     [\n      [\n       [\n        […] (4 bytes)\n       ]\n      ]\n     ]\n    ]\n   ]\n  ]\n ]\n]\n"},
	} {
		if got := written(detail.Lines(json.RawMessage(test.raw), false)); got != test.want {
			t.Errorf("%.80s:\n%s\nwant\n%s", test.raw, got, test.want)
		}
		var compact, back any
		if err := json.Unmarshal([]byte(written(detail.Lines(json.RawMessage(test.raw), true))), &back); err != nil {
			t.Errorf("%.80s, unfolded: %v", test.raw, err)
		}
		if json.Unmarshal([]byte(test.raw), &compact); fmt.Sprint(compact) != fmt.Sprint(back) {
			t.Errorf("%.80s, unfolded, is another value", test.raw)
		}
	}
	wide := `[` + strings.Repeat(`[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19],`, 18) + `0]`
	if n := len(detail.Lines(json.RawMessage(`[`+wide+`,`+wide+`]`), false)); n > detail.MaxLines+2*detail.MaxDepth {
		t.Errorf("%d lines", n)
	}
}

func TestCompare(t *testing.T) {
	about := func(request, response string) *auditlogs.Entry {
		return decode(t, `{"id":"1","resource":{"id":"r","request":`+request+`,"response":`+response+`}}`)
	}
	for _, test := range []struct{ before, after, want string }{
		{`{"a":1}`, `{"a":1}`, ``},
		{`{"a":1,"b":"é"}`, `{ "b" : "\u00e9", "a":1 }`, ``},
		{`{"value":"strict"}`, `{"value":"off"}`, `request.value "strict" → "off"`},
		{`{"a":1}`, `{"a":1.0}`, `request.a 1 → 1.0`},
		{`{"a":10000000000000000001}`, `{"a":10000000000000000002}`, `request.a 10000000000000000001 → 10000000000000000002`},
		{`{"a":null}`, `{}`, `request.a null → `},
		{`{}`, `{"a":null,"b":{"c":[1]}}`, "request.a  → null\nrequest.b  → {\"c\":[1]}"},
		{`{"a":[1,2,{"b":3}]}`, `{"a":[1,{"b":3}]}`, "request.a[1] 2 → {\"b\":3}\nrequest.a[2] {\"b\":3} → "},
		{`{"a":{"b":1}}`, `{"a":[]}`, `request.a {"b":1} → []`},
		{`{"a.b":1,"":2,"<c>":"&"}`, `{}`, "request[\"\"] 2 → \nrequest[\"<c>\"] \"&\" → \nrequest[\"a.b\"] 1 → "},
		{`"text"`, `{}`, `request "text" → {}`},
		{`null`, `{"a":1}`, `request  → {"a":1}`}, // A field that is null counts as one that is not there.
	} {
		var got []string
		for _, c := range detail.Compare(about(test.before, `{"ok":true}`), about(test.after, `{"ok":true}`)) {
			got = append(got, strings.TrimPrefix(c.Path, "resource.")+" "+string(c.Before)+" → "+string(c.After))
		}
		if strings.Join(got, "\n") != test.want {
			t.Errorf("%s to %s: %s, want %s", test.before, test.after, strings.Join(got, "\n"), test.want)
		}
	}
}

func TestPrevious(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithRate(0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	server.Add(
		`{"id":"other","action":{"time":"2024-10-30T11:00:00Z"},"resource":{"id":"s"}}`,
		`{"id":"first","action":{"time":"2024-10-30T10:00:00Z"},"resource":{"id":"r"}}`,
		`{"id":"second","action":{"time":"2024-10-30T12:00:00.5Z"},"resource":{"id":"r"}}`,
		`{"id":"same-time","action":{"time":"2024-10-30T12:00:00.5Z"},"resource":{"id":"r"}}`,
		`{"id":"soon","action":{"time":"2024-10-30T12:00:00.7Z"},"resource":{"id":"r"}}`,
		`{"id":"kind","action":{"time":"2024-10-30T09:00:00Z"},"resource":{"product":"dns","type":"record"}}`,
		`{"id":"of-a-kind","action":{"time":"2024-10-30T12:00:00Z"},"resource":{"product":"dns","type":"record"}}`,
		`{"id":"bare","action":{"time":"2024-10-30T12:00:00Z"}}`,
	)
	entries := map[string]*auditlogs.Entry{}
	log := client.Account(auditlogstest.AccountID)
	for e, err := range log.Entries(t.Context(), auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}) {
		if err != nil {
			t.Fatal(err)
		}
		entries[e.ID] = e
	}
	since := time.Date(2024, 10, 30, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		id, want string
		status   auditlogs.HistoryStatus
	}{
		{"first", "", auditlogs.HistoryExact},
		{"second", "first", auditlogs.HistoryExact},
		{"same-time", "second", auditlogs.HistoryExact},
		{"soon", "same-time", auditlogs.HistoryExact},
		{"of-a-kind", "kind", auditlogs.HistoryApproximate},
		{"bare", "", auditlogs.HistoryUnavailable},
	} {
		asked := len(server.Requests())
		previous, status, err := detail.Previous(t.Context(), log, entries[test.id], since)
		got := ""
		if previous != nil {
			got = previous.ID
		}
		if err != nil || got != test.want || status != test.status {
			t.Errorf("before %q: %q, %s, %v; want %q, %s", test.id, got, status, err, test.want, test.status)
		}
		if n := len(server.Requests()) - asked; n != 1 {
			t.Errorf("before %q: %d requests", test.id, n)
		}
	}
	gone := decode(t, `{"id":"gone","action":{"time":"2024-10-30T12:00:00Z"}}`)
	if _, _, err := detail.Previous(t.Context(), log, gone, since); err == nil {
		t.Error("no error for an entry that is not there")
	}
}

func FuzzDetail(f *testing.F) {
	f.Add(`{"id":"1","resource":{"request":{"a":[1,{"b":"c"}]},"response":null},"x":[[],{}]}`, `{"resource":{"request":{"a":{}}}}`)
	f.Add(`{"action":[],"action":{"type":1},"":{"":""}}`, `{}`)
	f.Add(`{"resource":{"request":{"a":1,"a":2},"value":"\ud800\u0000"}}`, `{"resource":{"request":"\u001b"}}`)
	f.Fuzz(func(t *testing.T, one, other string) {
		if !json.Valid([]byte(one)) || !json.Valid([]byte(other)) {
			return
		}
		a, b := decode(t, one), decode(t, other)
		for _, row := range detail.Of(a).Rows {
			if len(row.Text(false)) > len(row.Text(true))+100 {
				t.Errorf("%q is longer when it is folded", row.Text(true))
			}
		}
		for _, body := range detail.Of(a).Bodies {
			text := written(detail.Lines(body.Raw, true))
			var was, is any
			if json.Unmarshal(body.Raw, &was) != nil {
				continue
			}
			if err := json.Unmarshal([]byte(text), &is); err != nil || fmt.Sprint(was) != fmt.Sprint(is) {
				t.Errorf("%s becomes %s: %v", body.Raw, text, err)
			}
			detail.Lines(body.Raw, false)
		}
		if changes := detail.Compare(a, a); changes != nil {
			t.Errorf("it differs from itself: %+v", changes)
		}
		if forth, back := detail.Compare(a, b), detail.Compare(b, a); len(forth) != len(back) {
			t.Errorf("%d changes one way, %d the other", len(forth), len(back))
		}
	})
}
