package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/detail"
	"cfaudit.example/wrapper/auditlogstest"
)

// withPair returns a server with an entry named id, and an earlier one about the same resource.
func withPair(t *testing.T) *auditlogstest.Server {
	t.Helper()
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	t.Cleanup(server.Close)
	server.Add(
		`{"id":"earlier","action":{"time":"2024-10-20T08:00:00Z","description":"Change setting","result":"success"},"actor":{"email":"alice@example.com"},
		  "resource":{"id":"r","request":{"value":"strict","note":"a"},"response":{"result":{"value":"strict"}}}}`,
		`{"id":"later","account":{"id":"4bb334f7c94c4a29a045f03944f072e5","name":"Example"},"action":{"time":"2024-10-30T12:00:00.5Z","description":"Change setting","type":"update","result":"failure"},
		  "actor":{"email":"heidi@example.com","token_name":"cdn-sync","token_id":"t1","ip_address":"198.18.7.66","context":"api_token"},
		  "raw":{"method":"PATCH","uri":"/zones/z/settings/ssl","status_code":403,"user_agent":"curl/8","cf_ray_id":"abc"},
		  "resource":{"id":"r","product":"zones","type":"zone.setting","scope":"zones","request":{"value":"off","ttl":1.50},"response":{"result":{"value":"off"},"list":[true,null]}},
		  "zone":{"id":"z","name":"example.com"},"unknown":{"to":"the contract"}}`)
	return server
}

const laterPage = `Time        2024-10-30T12:00:00.5Z
Action      Change setting, type update
Result      failure, status code 403
Actor       heidi@example.com
Credential  cdn-sync, token id t1, context api_token
Address     198.18.7.66
User agent  curl/8
Request     PATCH /zones/z/settings/ssl, cf ray id abc
Resource    zone.setting, product zones, id r, scope zones
Zone        example.com, id z
Account     Example, id 4bb334f7c94c4a29a045f03944f072e5
Entry       later

Request
{
  "value": "off",
  "ttl": 1.50
}

Response
{
  "result": {
    "value": "off"
  },
  "list": [
    true,
    null
  ]
}

unknown
{
  "to": "the contract"
}

Changes since 2024-10-20T08:00:00Z, entry earlier
Change setting by alice@example.com
- request.note: "a"
+ request.ttl: 1.50
~ request.value: "strict" → "off"
+ response.list: [true,null]
~ response.result.value: "strict" → "off"
+ unknown: {"to":"the contract"}
`

func TestShow(t *testing.T) {
	server := withPair(t)
	for _, args := range [][]string{
		{"show", "later"},
		{"show", "later", "--action-time", "2024-10-30T12:00:30Z"},
		{"show", "later", "--since", "2024-10-01", "--before", "2024-10-31"},
		{"show", "--format", "text", "later", "--since", "2024-10-01", "--action-time", "2024-10-30T12:00:00Z"},
	} {
		before := len(server.Requests())
		code, out, stderr := try{env: against(server)}.run(t, args...)
		if code != 0 || stderr != "" || out != laterPage {
			t.Errorf("%v: exit %d, %s\n%s", args, code, stderr, out)
		}
		if n := len(server.Requests()) - before; n != 2 {
			t.Errorf("%v: %d requests, want 2", args, n)
		}
	}
}

// With less of the log in view, there is no previous entry, and the page says so.
func TestShowWithoutPrevious(t *testing.T) {
	server := withPair(t)
	server.Add(
		`{"id":"kind1","action":{"time":"2024-10-29T12:00:00Z"},"resource":{"product":"dns","type":"record","request":{"n":1}}}`,
		`{"id":"kind2","action":{"time":"2024-10-30T12:00:00Z"},"resource":{"product":"dns","type":"record","request":{"n":1}}}`,
		`{"id":"bare","action":{"time":"2024-10-30T12:00:00Z"}}`,
	)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"later", "--since", "2024-10-25"}, "There is no earlier entry about the resource from 2024-10-25T00:00:00Z on."},
		{[]string{"earlier"}, "There is no earlier entry about the resource from 2023-"},
		{[]string{"bare"}, "There is no history of the resource, so that the entry cannot be compared with an earlier one: the entry does not say enough about it.\n"},
		{[]string{"kind2"}, "Changes since 2024-10-29T12:00:00Z, entry kind1\nAn action by someone unknown\nThe history is approximate: the entry before can be about another resource of the same kind.\nRequest and response are the same as there.\n"},
	} {
		code, out, stderr := try{env: against(server)}.run(t, append([]string{"show"}, test.args...)...)
		if code != 0 || !strings.Contains(out, "\n\n"+test.want) {
			t.Errorf("%v: exit %d, %s\n%s", test.args, code, stderr, out)
		}
	}
}

func TestShowAsData(t *testing.T) {
	server := withPair(t)
	code, out, stderr := try{env: against(server)}.run(t, "show", "later", "--format", "json")
	var data struct {
		Entry    json.RawMessage
		History  string
		Previous struct{ ID, Time string }
		Changes  []detail.Change
	}
	if err := json.Unmarshal([]byte(out), &data); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, stderr)
	}
	stored := server.Stored(testNow.AddDate(0, 0, -1), testNow)
	if len(stored) != 1 || string(data.Entry) != string(stored[0]) {
		t.Errorf("the entry is %s", data.Entry)
	}
	if data.History != "exact" || data.Previous.ID != "earlier" || data.Previous.Time != "2024-10-20T08:00:00Z" || len(data.Changes) != 6 ||
		data.Changes[1].Path != "resource.request.ttl" || data.Changes[1].Before != nil || string(data.Changes[1].After) != "1.50" {
		t.Errorf("%+v", data)
	}
	if !strings.Contains(out, `{"path":"resource.request.ttl","after":1.50}`) {
		t.Errorf("%s", out)
	}
	_, out, _ = try{env: against(server)}.run(t, "show", "earlier", "--format", "json")
	if !strings.HasSuffix(out, `,"history":"exact","previous":null,"changes":[]}`+"\n") {
		t.Errorf("%s", out)
	}
}

func TestShowWidths(t *testing.T) {
	server := withPair(t)
	env := against(server)
	env["NO_COLOR"] = "1"
	for _, width := range []int{1, 20, 60, 80, 99, 100, 120, 200} {
		code, out, stderr := try{env: env, terminal: width}.run(t, "show", "later")
		if code != 0 || strings.Contains(out, "\x1b") {
			t.Errorf("%d: exit %d, %s%q", width, code, stderr, out)
		}
		for _, line := range strings.Split(out, "\n") {
			if w := runewidth.StringWidth(strings.TrimRight(line, " ")); w > width {
				t.Errorf("%d: %q takes %d columns", width, line, w)
			}
		}
		beside := regexp.MustCompile(`(?m)^Request +Response$`).MatchString(out)
		if beside != (width >= 100) {
			t.Errorf("%d: side by side is %v\n%s", width, beside, out)
		}
		if beside && !regexp.MustCompile(`(?m)^  "value": "off", +"result": \{$`).MatchString(out) {
			t.Errorf("%d:\n%s", width, out)
		}
		if width == 80 && out != laterPage {
			t.Errorf("80:\n%s", out)
		}
		// Nothing is lost, whatever the width.
		for _, text := range []string{"heidi@example.com", "4bb334f7c94c4a29a045f03944f072e5", "/zones/z/settings/ssl"} {
			if squeezed := regexp.MustCompile(`\s+`).ReplaceAllString(out, ""); !strings.Contains(squeezed, text) {
				t.Errorf("%d: %s is missing", width, text)
			}
		}
	}
}

func TestShowColours(t *testing.T) {
	server := withPair(t)
	_, out, _ := try{env: against(server), terminal: 80}.run(t, "show", "later")
	for _, want := range []string{
		styleBold + "Change setting, type update" + styleReset, styleRed + "failure, status code 403" + styleReset,
		styleCyan + `"value"` + styleReset + ": " + styleGreen + `"off"` + styleReset, styleYellow + "1.50" + styleReset,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %q", want, out)
		}
	}
	plain := out
	for _, style := range styles {
		plain = strings.ReplaceAll(plain, style, "")
	}
	if plain != laterPage {
		t.Errorf("without its colours:\n%s", plain)
	}
	env := against(server)
	env["TERM"] = "dumb"
	if _, out, _ := (try{env: env, terminal: 80}).run(t, "show", "later"); out != laterPage {
		t.Errorf("on a dumb terminal: %q", out)
	}
}

func TestShowTimeZone(t *testing.T) {
	server := withPair(t)
	_, out, _ := try{env: against(server)}.run(t, "show", "later", "--time-zone", "Europe/Berlin")
	for _, want := range []string{
		"Time        2024-10-30T13:00:00+01:00 (Europe/Berlin), 2024-10-30T12:00:00.5Z\n",
		"Changes since 2024-10-20T10:00:00+02:00, entry earlier\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code, _, stderr := (try{env: against(server)}).run(t, "show", "later", "--format", "json", "--local"); code != exitUsage ||
		!strings.Contains(stderr, "--local is for --format text: json keeps times as they came") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// Large values are folded with their size, and --full shows them whole.
func TestShowFolds(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	long := strings.Repeat("x", 300_000)
	var members []string
	for i := range 100 {
		members = append(members, fmt.Sprintf(`"m%03d":%d`, i, i))
	}
	server.Add(
		`{"id":"a","action":{"time":"2024-10-20T08:00:00Z"},"resource":{"id":"r","request":{}}}`,
		`{"id":"b","action":{"time":"2024-10-30T08:00:00Z"},"raw":{"user_agent":"`+long+`"},"resource":{"id":"r","request":{"long":"`+long+`","deep":`+
			strings.Repeat("[", 20)+strings.Repeat("]", 20)+`,`+strings.Join(members, ",")+`}}}`)
	for _, width := range []int{0, 80} {
		_, out, _ := try{env: against(server), terminal: width}.run(t, "show", "b")
		for _, style := range styles {
			out = strings.ReplaceAll(out, style, "")
		}
		for _, want := range []string{"x… (300 kB)", `x…" (300 kB)`, "[…] (26 bytes)", "… (82 more, 820 bytes)", "… 52 more"} {
			if !strings.Contains(out, want) && width == 0 {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		if len(out) > 12_000 {
			t.Errorf("%d bytes", len(out))
		}
		if _, out, _ := (try{env: against(server), terminal: width}).run(t, "show", "b", "--full"); strings.Count(out, "x") < 3*300_000 || strings.Contains(out, "…") {
			t.Errorf("not everything is shown: %d bytes", len(out))
		}
	}
}

// What other people typed shows as characters, wherever it is in the entry.
func TestShowIsHarmless(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	evil := "\\u001b]0;x\\u0007\\u009b2J\u202egpj\u2066\u200f\\r\\n\\u0000"
	entry := func(id, time string) string {
		text := `{"id":"` + id + `","action":{"time":"` + time + `"`
		for _, name := range []string{"description", "result", "type"} {
			text += `,"` + name + `":"` + evil + `"`
		}
		text += `},"` + evil + `":"` + evil + `","object` + evil + `":{"a":"` + evil + `"},"actor":{"email":"` + evil + `","token_name":"` + evil + `"},"raw":{"user_agent":"` + evil + `"}`
		return text + `,"resource":{"id":"r","request":{"` + evil + `":"` + evil + id + `"},"response":["` + evil + `"],"value":{"` + evil + id + `":{}}}}`
	}
	server.Add(entry("a", "2024-10-20T08:00:00Z"), entry("b", "2024-10-30T08:00:00Z"))
	for _, width := range []int{0, 10, 80, 150} {
		for _, format := range []string{"text", "json"} {
			for _, full := range []string{"--full=true", "--full=false"} {
				code, out, stderr := try{env: against(server), terminal: width}.run(t, "show", "b", "--format", format, full)
				for _, style := range styles {
					out = strings.ReplaceAll(out, style, "")
				}
				if code != 0 || !strings.Contains(out, "gpj") && width > 10 {
					t.Fatalf("exit %d, %s%s", code, stderr, out)
				}
				if (format == "text" || width > 0) && strings.ContainsFunc(out, commands) {
					t.Errorf("%s at %d prints %q", format, width, out)
				}
				if format == "json" && !json.Valid([]byte(out)) {
					t.Errorf("not JSON: %s", out)
				}
			}
		}
	}
}

func TestShowNotFound(t *testing.T) {
	server := withPair(t)
	for _, test := range []struct {
		args []string
		want string
		last []string
	}{
		{
			[]string{"gone", "--time-zone", "Asia/Tokyo", "--full"}, "there is no entry with the id \"gone\" from 2023-05-09T15:04:05.678901234Z up to 2024-10-30T15:04:05.678901234Z, or it has not appeared yet",
			[]string{"list", "--direction", "desc", "--max", "20", "--columns", "time,actor,action,id", "--since", "540d", "--time-zone", "Asia/Tokyo"},
		},
		{
			[]string{"later", "--since", "2h"}, "there is no entry with the id \"later\" from 2024-10-30T13:04:05.678901234Z up to 2024-10-30T15:04:05.678901234Z",
			[]string{"list", "--direction", "desc", "--max", "20", "--columns", "time,actor,action,id", "--since", "2h"},
		},
		{
			[]string{"later", "--action-time", "2024-10-30T11:00:00Z"}, "no entry with the id \"later\" was recorded within a minute of 2024-10-30T11:00:00Z; to look for it in the whole log:",
			[]string{"show", "later"},
		},
	} {
		code, out, stderr := try{env: against(server)}.run(t, append([]string{"show"}, test.args...)...)
		if code != exitIncomplete || out != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit %d, %s%s", test.args, code, out, stderr)
		}
		last := lastLine(t, stderr)
		if !slices.Equal(last, test.last) {
			t.Errorf("%v: the last line is %q, want %q", test.args, last, test.last)
		}
		if code, _, stderr := (try{env: against(server)}).run(t, last...); code != 0 {
			t.Errorf("the last line does not work: exit %d, %s", code, stderr)
		}
	}
}

func TestShowMistakes(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{}, "the entry is missing: want its id, such as"},
		{[]string{"a", "b"}, `unknown argument "b": "cfaudit show" takes one entry`},
		{[]string{""}, `the entry is "": want`},
		{[]string{"a", "--action-time", "yesterday"}, `--action-time "yesterday": want the entry's own action.time`},
		{[]string{"a", "--action-time", "2024-10-30T11:00:00Z", "--before", "1h"}, "--action-time and --before exclude each other"},
		{[]string{"a", "--format", "ndjson"}, `--format "ndjson": want one of text, json`},
		{[]string{"a", "--since", "1h", "--before", "2h"}, "is not before --before"},
	} {
		code, out, stderr := try{}.run(t, append([]string{"show", "--demo"}, test.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit %d, %s%s", test.args, code, out, stderr)
		}
	}
}

func TestShowFails(t *testing.T) {
	server := withPair(t)
	args := []string{"show", "later", "--retries", "0", "--since", "30d"}
	for _, test := range []struct {
		status, good int // of the request that fails, and of those before it
		last         string
	}{
		{500, 0, strings.Join(args, " ")},
		{500, 1, strings.Join(args, " ")},
		{403, 1, strings.Join(args, " ")},
		{400, 1, ""},
	} {
		server.FailNext(append(make([]auditlogstest.Fault, test.good), auditlogstest.Fault{Status: test.status})...)
		code, out, stderr := try{env: against(server)}.run(t, args...)
		last := fmt.Sprintf("cfaudit %s\n", test.last)
		if test.last == "" {
			last = "see \"cfaudit show --help\"\n"
		}
		if code != exitIncomplete || out != "" || !strings.HasSuffix(stderr, "\n"+last) {
			t.Errorf("status %d after %d good requests: exit %d, %s%s", test.status, test.good, code, out, stderr)
		}
	}
	// The service finds no entry of that id for a history.
	server.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: 404})
	code, out, stderr := try{env: against(server)}.run(t, args...)
	if code != 0 || !strings.Contains(out, "compared with an earlier one: the service does not find the entry when it is asked for one.\n") {
		t.Errorf("exit %d, %s%s", code, out, stderr)
	}
}

// An entry of an organization has neither account nor zone.
func TestShowOrganization(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	entry := `{"id":"%s","organization":{"id":"` + auditlogstest.OrganizationID + `"},"action":{"time":"%s","description":"Add member"},"resource":{"id":"r","request":{"n":%d}}}`
	server.Add(fmt.Sprintf(entry, "a", "2024-10-20T08:00:00Z", 1), fmt.Sprintf(entry, "b", "2024-10-30T08:00:00Z", 2))
	code, out, stderr := try{env: against(server)}.run(t, "show", "b", "--organization", auditlogstest.OrganizationID)
	if code != 0 || !strings.Contains(out, "\nOrganization  "+auditlogstest.OrganizationID+"\n") || !strings.Contains(out, "~ request.n: 1 → 2\n") {
		t.Errorf("exit %d, %s\n%s", code, stderr, out)
	}
}

// TestOddEntries prints each of the odd entries that were collected for the contract tests, as it
// is and with hostile texts, on a terminal and to a file, as a table with all fields and one by
// one.
func TestOddEntries(t *testing.T) {
	files, err := filepath.Glob("../../contract_test/testdata/odd/*.json")
	if err != nil {
		t.Fatal(err)
	}
	entries := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var page struct{ Result []json.RawMessage }
		if json.Unmarshal(text, &page) != nil {
			continue // It is an answer that is no page.
		}
		for _, raw := range page.Result {
			hostile := regexp.MustCompile(`: ?"`).ReplaceAllString(string(raw), `$0\u001b]0;x\u0007`+"\u202e\u009b2J")
			page.Result = append(page.Result, json.RawMessage(hostile))
		}
		for _, raw := range page.Result {
			entries++
			e := new(auditlogs.Entry)
			if err := json.Unmarshal(raw, e); err != nil {
				continue // It is no entry.
			}
			for _, width := range []int{0, 40, 80, 200} {
				for _, style := range []tableStyle{{}, {columns: columnNames()}} {
					line, ended := strings.CutSuffix(string(newTable(width, true, &style).Entry(nil, e)), "\n")
					for _, style := range styles {
						line = strings.ReplaceAll(line, style, "")
					}
					if checkShown(t, line); !ended || width > 0 && runewidth.StringWidth(line) > width {
						t.Errorf("%s: %q", file, line)
					}
				}
				for _, full := range []bool{false, true} {
					w := pageWriter{width: width, zone: new(timeZone), full: full}
					for line := range strings.Lines(string(w.page(&shown{Entry: e, History: auditlogs.HistoryExact, Previous: e}))) {
						checkShown(t, strings.TrimSuffix(line, "\n"))
					}
				}
			}
		}
	}
	if entries < 40 {
		t.Errorf("there are only %d entries", entries)
	}
}
