package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// cells returns the cells of an entry's line.
func cells(t *testing.T, f *tableFormat, e *auditlogs.Entry) []string {
	t.Helper()
	line := strings.TrimSuffix(string(f.Entry(nil, e)), "\n")
	var cells []string
	at := 0
	for i, width := range f.widths {
		_, n := measure(line[at:], width)
		if i == len(f.widths)-1 {
			n = len(line) - at
		}
		cells = append(cells, strings.TrimSpace(line[at:at+n]))
		at = min(at+n+len(tableGap), len(line))
	}
	return cells
}

func TestTable(t *testing.T) {
	const id = "f174be97-19b1-40d6-954d-70cd5fbd52db"
	f := newTable(200, false, &tableStyle{})
	for raw, want := range map[string][]string{
		`{"id":"` + id + `","action":{"time":"2024-10-30T12:00:00.9+02:00","description":"Add a thing","type":"create","result":"success"},
		  "actor":{"email":"a@example.com","token_name":"t","ip_address":"2001:db8::1"},"raw":{"status_code":200},
		  "resource":{"product":"dns","type":"dns.record","id":"0123456789abcdef"},"zone":{"name":"example.com"}}`: {
			"2024-10-30T10:00:00Z", "a@example.com [t]", "2001:db8::1", "Add a thing", "dns.record", "0123456789a…", "example.com", "success", id,
		},
		`{"id":"1","action":{"time":"2024-10-30T12:00:00Z","type":"login","result":"failure"},"raw":{"status_code":403},"actor":{"token_name":"t","id":"i"},"zone":{"id":"short"}}`: {
			"2024-10-30T12:00:00Z", "[t]", "-", "login", "-", "-", "short", "failure 403", "1",
		},
		`{"action":{"time":"2024-10-30T12:00:00Z","result":""},"raw":{"status_code":500},"actor":{"type":"system"},"resource":{"product":"access","type":"access"}}`: {
			"2024-10-30T12:00:00Z", "system", "-", "-", "access", "-", "-", "500", "-",
		},
		`{"action":{"time":"2024-10-30T12:00:00Z","description":"\u001b[31mred\u0007\u009b\u202Eback\u2066\n\ttab\u007f"},"actor":{"email":"\u001b]0;x","token_name":"\u202e\n"},"id":"\u009bid"}`: {
			"2024-10-30T12:00:00Z", "�]0;x [� ]", "-", "�[31mred���back�  tab�", "-", "-", "-", "-", "�id",
		},
	} {
		if got := cells(t, f, decode(t, raw)); !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestTableType(t *testing.T) {
	for _, c := range []struct{ product, kind, want string }{
		{"dns", "dns.record", "dns.record"},
		{"zones", "zone.setting", "zone.setting"},
		{"load_balancers", "load_balancer.pool", "load_balancer.pool"},
		{"audit_logs", "audit_log", "audit_log"},
		{"firewall", "waf.rule", "firewall waf.rule"},
		{"tokens", "user.token", "user.token"},
		{"access", "access", "access"},
		{"API Gateway", "gateway", "API Gateway"},
		{"workers", "", "workers"},
		{"", "session", "session"},
		{"", "", ""},
	} {
		var e auditlogs.Entry
		e.Resource.Product, e.Resource.Type = c.product, c.kind
		if got := tableType(&e); got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.product, c.kind, got, c.want)
		}
	}
}

func TestTableActor(t *testing.T) {
	var e auditlogs.Entry
	e.Actor.Email, e.Actor.TokenName = "heidi@example.com", "terraform production"
	for width, want := range map[int]string{
		60: "heidi@example.com [terraform production]",
		40: "heidi@example.com [terraform production]",
		39: "heidi@example.com [terraform producti…]",
		26: "heidi@examp… [terraform …]",
		10: "hei… [te…]",
	} {
		if got := tableActor(&e, width); got != want {
			t.Errorf("%d: %q, want %q", width, got, want)
		}
	}
}

// The columns that a terminal has room for. No line is wider than it.
func TestTableWidths(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithHistory(demoHistory(testNow, 400, 0)))
	defer server.Close()
	whole := regexp.MustCompile(`(^| )[0-9a-f]{32}$`)
	for _, test := range []struct {
		width  int
		titles string
	}{
		{20, "TIME"},
		{46, "TIME ACTOR ACTION"},
		{60, "TIME ACTOR ACTION RESULT"},
		{80, "TIME ACTOR ADDRESS ACTION RESULT"},
		{100, "TIME ACTOR ADDRESS ACTION ZONE RESULT"},
		{120, "TIME ACTOR ADDRESS ACTION TYPE ZONE RESULT"},
		{150, "TIME ACTOR ADDRESS ACTION TYPE ZONE RESULT"},
		{151, "TIME ACTOR ADDRESS ACTION TYPE ZONE RESULT ID"},
		{167, "TIME ACTOR ADDRESS ACTION TYPE ZONE RESULT ID"},
		{168, "TIME ACTOR ADDRESS ACTION TYPE RESOURCE ZONE RESULT ID"},
		{200, "TIME ACTOR ADDRESS ACTION TYPE RESOURCE ZONE RESULT ID"},
		{0, "TIME ACTOR ADDRESS ACTION TYPE RESOURCE ZONE RESULT ID"},
	} {
		env := against(server)
		env["NO_COLOR"] = "1"
		code, out, stderr := try{env: env, terminal: test.width}.run(t, "list", "--since", "7d", "--format", "table")
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if titles := strings.Join(strings.Fields(lines[0]), " "); code != 0 || titles != test.titles {
			t.Errorf("%d: %q, want %q; exit %d, %s", test.width, titles, test.titles, code, stderr)
		}
		ids := 0
		for _, line := range lines[1:] {
			if w := runewidth.StringWidth(line); w > max(test.width, 20) && test.width > 0 {
				t.Errorf("%d: %q takes %d columns", test.width, line, w)
			}
			if whole.MatchString(line) {
				ids++
			}
		}
		if hasID := strings.HasSuffix(test.titles, " ID"); hasID != (ids > len(lines)/2) {
			t.Errorf("%d: %d of %d lines end with an id", test.width, ids, len(lines))
		}
	}
}

func TestTableColumns(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	agent := strings.Repeat("agent ", 100)
	server.Add(`{"id":"1","action":{"time":"2024-10-30T12:00:00.5Z"},"raw":{"user_agent":"` + agent + `","status_code":403},"resource":{"scope":{"a":1},"request":{"value":[1, "x"]}},"odd":1}`)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--columns", "id,raw.status_code"}, "ID raw.status_code\n1 403\n"},
		{[]string{"--columns", "raw.status_code", "--columns", "action.time,id"}, "raw.status_code action.time ID\n403 2024-10-30T12:00:00Z 1\n"},
		{[]string{"--columns", "resource.scope,resource.request,organization.id"}, `resource.scope resource.request organization.id` + "\n" + `{"a":1} {"value":[1, "x"]} -` + "\n"},
		{[]string{"--columns", "raw.user_agent,result"}, "raw.user_agent RESULT\n" + agent + "403\n"},
		{[]string{"--columns", "time", "--time-zone", "Asia/Tokyo"}, "TIME (Asia/Tokyo)\n2024-10-30T21:00:00+09:00\n"},
		{[]string{"--columns", "action.time", "--time-zone", "Asia/Tokyo"}, "action.time\n2024-10-30T21:00:00+09:00\n"},
	} {
		code, out, stderr := try{env: against(server)}.run(t, append([]string{"list", "--since", "1d"}, test.args...)...)
		if got := regexp.MustCompile(` +`).ReplaceAllString(out, " "); code != 0 || got != test.want {
			t.Errorf("%v: exit %d, %q, want %q; %s", test.args, code, got, test.want, stderr)
		}
		code, out, _ = try{env: against(server), terminal: 20}.run(t, append([]string{"list", "--since", "1d"}, test.args...)...)
		for _, line := range strings.Split(strings.NewReplacer(styleBold, "", styleRed, "", styleReset, "").Replace(out), "\n") {
			if runewidth.StringWidth(line) > 20 {
				t.Errorf("%v: %q is wider than the terminal", test.args, line)
			}
		}
		if code != 0 {
			t.Errorf("%v: exit %d", test.args, code)
		}
	}
}

func TestTableColumnMistakes(t *testing.T) {
	for value, want := range map[string]string{
		"actor.emial": `there is no field "actor.emial": did you mean actor.email?`,
		"email":       `there is no field "email": did you mean actor.email?`,
		"id,ip":       `there is no field "ip": did you mean actor.ip_address?`,
		"name":        `there is no field "name": want one of account.name, actor.token_name, zone.name`,
		"xyz":         `there is no field "xyz": want names of time, actor, address, action, type, resource, zone, result, id, or paths of fields such as actor.email`,
		"id,":         `there is no field "": want names of time`,
		"":            "want names of columns or paths of fields, separated by commas, such as time,actor,raw.uri,id",
	} {
		code, _, stderr := try{}.run(t, "list", "--demo", "--since", "1h", "--columns="+value)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit %d, %s", value, code, stderr)
		}
	}
}

func TestCompleteColumns(t *testing.T) {
	_, out, _ := try{}.run(t, "__complete", "list", "--columns", "id,actor.em")
	if !strings.HasPrefix(out, "id,actor.email\n:") && !strings.Contains(out, "\nid,actor.email\n") {
		t.Errorf("%s", out)
	}
	if strings.Contains(out, "id,id") {
		t.Errorf("a column that is there already is offered: %s", out)
	}
}

func TestFollowPrintsATable(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	server.Add(`{"id":"1","action":{"time":"` + auditlogs.Time(time.Now().Add(-time.Hour)) + `","description":"Log in"},"actor":{"email":"a@example.com"}}`)
	for _, args := range [][]string{{"--format", "table"}, {"--columns", "actor,id"}} {
		state := filepath.Join(t.TempDir(), "state")
		code, out, stderr := try{env: against(server), now: time.Now()}.run(t, append([]string{"follow", "--once", "--since", "1d", "--state", state}, args...)...)
		if lines := strings.Split(out, "\n"); code != 0 || len(lines) != 3 || !strings.Contains(lines[0], "ACTOR") || !strings.Contains(lines[1], "a@example.com") {
			t.Errorf("%v: exit %d, %q, %s", args, code, out, stderr)
		}
	}
	if code, _, stderr := (try{}).run(t, "follow", "--state", "x", "--format", "ocsf", "--local"); code != exitUsage || !strings.Contains(stderr, "--local is for --format table") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
