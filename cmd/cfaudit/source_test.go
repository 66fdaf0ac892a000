package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// newSourcesServer has in each log eight entries about two resources, one that is about none, and
// two of one kind.
func newSourcesServer(t *testing.T) *auditlogstest.Server {
	t.Helper()
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithOrganizations(auditlogstest.OrganizationID))
	t.Cleanup(server.Close)
	for _, log := range []string{"", `,"organization":{"id":"` + auditlogstest.OrganizationID + `"}`} {
		add := func(id string, minutes int, resource string) {
			server.Add(fmt.Sprintf(`{"id":%q%s,"action":{"time":%q},"resource":%s}`, id, log, at(minutes), resource))
		}
		for i := range 8 {
			add(fmt.Sprintf("e%d", i), i, fmt.Sprintf(`{"id":"r%d","product":"dns"}`, i%2))
		}
		add("none", 8, "null")
		add("kind1", 9, `{"product":"dns","type":"record"}`)
		add("kind2", 10, `{"product":"dns","type":"record"}`)
	}
	return server
}

// at is when an entry of newSourcesServer was recorded.
func at(minutes int) string {
	return testNow.Add(time.Duration(minutes-600) * time.Minute).Format(time.RFC3339)
}

// idsIn returns the ids of ndjson.
func idsIn(t *testing.T, text string) string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(text) {
		var entry auditlogs.Entry
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, entry.ID)
	}
	return strings.Join(ids, " ")
}

func TestSources(t *testing.T) {
	server := newSourcesServer(t)
	withAccount := against(server)
	withoutAccount := map[string]string{envToken: "x", envBaseURL: server.URL}
	ofOrganization := []string{"--organization", auditlogstest.OrganizationID}
	for _, test := range []struct {
		args string
		want string
		says string
		asks string // a path that is asked for
	}{
		{"list --since 30d --max 3", "e0 e1 e2", "--max", "/logs/audit"},
		{"list --since 30d --direction desc --resource-type record", "kind2 kind1", "", "/logs/audit"},
		{"list --since 30d --page-size 4", "e0 e1 e2 e3 e4 e5 e6 e7 none kind1 kind2", "", "/logs/audit"},
		{"history e2 --action-time " + at(2), "e0 e2 e4 e6", "", "/logs/audit/e2/history"},
		{"history e2 --action-time " + at(2) + " --page-size 3 --direction desc", "e6 e4 e2 e0", "", "/logs/audit/e2/history"},
		{"history e1 --action-time " + at(1) + " --since " + at(3), "e3 e5 e7", "", "/logs/audit/e1/history"},
		{"history kind1 --action-time " + at(9), "kind1 kind2", "note: the history is approximate", "/logs/audit/kind1/history"},
	} {
		for _, owner := range [][]string{nil, ofOrganization} {
			args := append(strings.Fields(test.args), owner...)
			env, path := withAccount, "/accounts/"+auditlogstest.AccountID
			if owner != nil {
				env, path = withoutAccount, "/organizations/"+auditlogstest.OrganizationID
			}
			code, stdout, stderr := try{env: env}.run(t, args...)
			if got := idsIn(t, stdout); code != 0 || got != test.want || !strings.Contains(stderr, test.says) {
				t.Errorf("%v: exit %d, %s, want %s; %s", args, code, got, test.want, stderr)
			}
			asked := server.Requests()
			if last := asked[len(asked)-1]; !strings.HasSuffix(last.URL.Path, path+test.asks) {
				t.Errorf("%v: asked for %s", args, last.URL.Path)
			}
		}
	}
}

// Filters that an organization's log knows are sent to it, with the values that only it knows.
func TestOrganizationFilters(t *testing.T) {
	server := newSourcesServer(t)
	code, _, stderr := try{env: against(server)}.run(t, "list", "--since", "1d", "--organization", auditlogstest.OrganizationID,
		"--resource-scope", "organizations", "--not-actor-type", "user", "--actor-email", "a", "--actor-email", "b", "--id", "c")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	query := server.Requests()[0].URL.RawQuery
	for _, want := range []string{"resource_scope=organizations", "actor_type.not=user", "actor_email=a&actor_email=b", "&id=c", "limit=1000", "direction=asc"} {
		if !strings.Contains(query, want) {
			t.Errorf("%s lacks %s", query, want)
		}
	}
}

func TestSourcesResume(t *testing.T) {
	server := newSourcesServer(t)
	for _, command := range []string{
		"history e2 --action-time " + at(2) + " --page-size 2",
		"history e2 --action-time " + at(2) + " --page-size 2 --organization " + auditlogstest.OrganizationID,
		"list --since 1d --page-size 2 --id e0 --id e2 --id e4 --id e6 --organization " + auditlogstest.OrganizationID,
	} {
		server.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: http.StatusForbidden})
		code, stdout, stderr := try{env: against(server)}.run(t, strings.Fields(command)...)
		if code != exitIncomplete || !strings.Contains(stderr, "the listing is incomplete; once that is fixed, resume:\ncfaudit "+strings.Fields(command)[0]) {
			t.Fatalf("%s: exit %d: %s", command, code, stderr)
		}
		code, rest, stderr := try{env: against(server)}.run(t, lastLine(t, stderr)...)
		if got := idsIn(t, stdout+rest); code != 0 || got != "e0 e2 e4 e6" {
			t.Errorf("%s: exit %d, %s; %s", command, code, got, stderr)
		}
	}
}

func TestHistoryThatThereIsNot(t *testing.T) {
	server := newSourcesServer(t)
	env := against(server)
	code, stdout, stderr := try{env: env}.run(t, "history", "none", "--action-time", at(8), "--organization", auditlogstest.OrganizationID, "--max", "5")
	if code != exitIncomplete || stdout != "" || !strings.Contains(stderr, "cfaudit: the entry does not say enough about its resource") {
		t.Errorf("exit %d, %q: %s", code, stdout, stderr)
	}
	// The line that it ends with lists what there is instead.
	code, stdout, stderr = try{env: env}.run(t, lastLine(t, stderr)...)
	if got := idsIn(t, stdout); code != 0 || got != "e0 e1 e2 e3 e4 e5 e6 e7 none kind1 kind2" {
		t.Errorf("exit %d, %s: %s", code, got, stderr)
	}
	code, stdout, stderr = try{env: env}.run(t, "history", "e9", "--action-time", at(9))
	if code != exitIncomplete || stdout != "" || !strings.Contains(stderr, "status 404") || !strings.Contains(stderr, "the service knows no such entry") {
		t.Errorf("exit %d, %q: %s", code, stdout, stderr)
	}
	// An unknown status is reported, and harms nothing.
	server.FailNext(auditlogstest.Fault{Body: `{"success":true,"result":[{"id":"x"}],"result_info":{"count":1,"history_status":"hearsay\u001b"}}`})
	code, stdout, stderr = try{env: env}.run(t, "history", "e0", "--action-time", at(0))
	if code != 0 || idsIn(t, stdout) != "x" || !strings.Contains(stderr, "note: the service calls the history \"hearsay") || strings.Contains(stderr, "\x1b") {
		t.Errorf("exit %d, %q: %s", code, stdout, stderr)
	}
}

func TestProducts(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithProductCategories(
		auditlogs.ProductCategory{Value: "zt", Label: "Zero & Trust", Products: []auditlogs.Product{{Value: "access", Label: "Access"}, {Value: "gw", Label: "Gate\x1bway"}}},
		auditlogs.ProductCategory{Value: "empty", Label: "Empty"},
	))
	defer server.Close()
	env := against(server)
	code, stdout, stderr := try{env: env}.run(t, "products")
	want := `{"label":"Zero & Trust","products":[{"label":"Access","value":"access"},{"label":"Gate\u001bway","value":"gw"}],"value":"zt"}` + "\n" +
		`{"label":"Empty","value":"empty"}` + "\n"
	if code != 0 || stdout != want || stderr != "" {
		t.Errorf("exit %d, %s; %s", code, stdout, stderr)
	}
	table := "CATEGORY  PRODUCT  NAMES\n" + "zt        access   Zero & Trust / Access\n" + "zt        gw       Zero & Trust / Gate�way\n" + "empty     -        Empty\n"
	for _, args := range [][]string{{"products", "--format", "table"}, {"products"}} {
		terminal := 0
		if len(args) == 1 {
			terminal = 80
		}
		if code, stdout, _ := (try{env: env, terminal: terminal}).run(t, args...); code != 0 || stdout != table {
			t.Errorf("%v: exit %d\n%s", args, code, stdout)
		}
	}
	if code, stdout, _ := (try{}).run(t, "products", "--demo"); code != 0 || !strings.Contains(stdout, `"value":"zerotrust"`) {
		t.Errorf("exit %d: %s", code, stdout)
	}
	server.FailNext(auditlogstest.Fault{Status: http.StatusForbidden})
	if code, stdout, stderr := (try{env: env}).run(t, "products"); code != exitIncomplete || stdout != "" || !strings.Contains(stderr, "cfaudit: GET /accounts/") {
		t.Errorf("exit %d, %q: %s", code, stdout, stderr)
	}
	if code, _, stderr := (try{env: env, stdout: failingWriter{}}).run(t, "products"); code != exitIncomplete || !strings.Contains(stderr, "standard output") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// A failingWriter takes nothing.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, fmt.Errorf("no room") }
