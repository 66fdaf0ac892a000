package auditlogstest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogstest"
)

func decoded(t *testing.T, h auditlogstest.History) []auditlogsapi.Entry {
	t.Helper()
	var entries []auditlogsapi.Entry
	for _, raw := range stored(t, h) {
		var e auditlogsapi.Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		entries = append(entries, e)
	}
	return entries
}

// answered returns the result in an entry's response.
func answered(t *testing.T, e *auditlogsapi.Entry) map[string]any {
	t.Helper()
	var response struct{ Result any }
	if err := json.Unmarshal(e.Resource.Response, &response); err != nil {
		t.Fatal(err)
	}
	result, _ := response.Result.(map[string]any)
	return result
}

func TestHistoryIncident(t *testing.T) {
	at := mustTime("2024-10-28T02:13:00Z")
	h := auditlogstest.History{Entries: 4000, Since: mustTime("2024-10-01T00:00:00Z"), Before: mustTime("2024-11-01T00:00:00Z"), Incident: at}
	const address, token = "198.18.7.66", "cdn-sync"
	happened := map[string]int{}
	created, values := map[string]bool{}, map[string]string{}
	tokenID := ""
	entries := decoded(t, h)
	if len(entries) != h.Entries {
		t.Errorf("%d entries, want %d with those of the incident", len(entries), h.Entries)
	}
	for _, e := range entries {
		if e.Action.Description == "Create DNS record" && e.Action.Result == "success" {
			created[e.Resource.ID] = true
		}
		if e.Resource.Type == "zone.setting" && e.Action.Result == "success" {
			result := answered(t, &e)
			before := values[e.Resource.ID]
			values[e.Resource.ID] = fmt.Sprint(result["id"], " ", result["value"])
			if e.Actor.IPAddress == address {
				happened[before+" to "+values[e.Resource.ID]]++
			}
		}
		if e.Actor.IPAddress != address {
			if strings.Contains(e.Actor.TokenName, token) || strings.Contains(e.Raw.UserAgent, "python") || e.Action.Time.Equal(at) {
				t.Errorf("outside the incident: %+v", e)
			}
			continue
		}
		if since := e.Action.Time.Sub(at); since < 0 || since > 30*time.Minute {
			t.Errorf("%s %v after the start of the incident", e.Action.Description, since)
		}
		happened[e.Action.Description+" "+e.Action.Result]++
		switch {
		case e.Action.Description == "Create API token":
			tokenID, _ = answered(t, &e)["id"].(string)
		case tokenID != "" && (e.Actor.TokenID != tokenID || e.Actor.TokenName != token || e.Actor.Email != "heidi@example.com"):
			t.Errorf("not done with the token: %+v", e.Actor)
		case e.Action.Description == "Delete DNS record" && !created[e.Resource.ID]:
			t.Errorf("the record %s was deleted, and never created", e.Resource.ID)
		}
	}
	for what, n := range map[string]int{
		"Log in failure": 38, "Log in success": 1, "Create API token success": 1, "Change zone setting success": 9, "Delete zone failure": 2,
		"Delete DNS record success": 24, "ssl strict to ssl off": 3, "min_tls_version 1.2 to min_tls_version 1.0": 3,
		"security_level medium to security_level essentially_off": 3,
	} {
		if happened[what] != n {
			t.Errorf("%s: %d times, want %d", what, happened[what], n)
		}
		delete(happened, what)
	}
	if len(happened) > 0 {
		t.Errorf("also happened: %v", happened)
	}
	h.Entries = 50
	if entries := decoded(t, h); len(entries) != 50 || strings.Contains(fmt.Sprint(entries), address) {
		t.Errorf("a history that is too short for an incident has one, or %d entries", len(entries))
	}
}

// A resource stays what it is from one entry to the next, and is not there any more after it was
// deleted.
func TestHistoryOfOneResource(t *testing.T) {
	h := auditlogstest.History{Seed: 3, Entries: 8000, Since: mustTime("2024-10-01T00:00:00Z"), Before: mustTime("2024-11-01T00:00:00Z")}
	names, deleted := map[string]string{}, map[string]bool{}
	changes, whole := 0, 0
	for _, e := range decoded(t, h) {
		if e.Resource.Type != "dns.record" || e.Action.Result != "success" {
			continue
		}
		id, result := e.Resource.ID, answered(t, &e)
		if deleted[id] {
			t.Errorf("%s of %s, which was deleted", e.Action.Description, id)
		}
		if result["id"] != id {
			t.Errorf("the response is about %v, and the entry about %s", result["id"], id)
		}
		var request map[string]any
		if err := json.Unmarshal(e.Resource.Request, &request); err != nil {
			t.Fatal(err)
		}
		for name, value := range request {
			if fmt.Sprint(result[name]) != fmt.Sprint(value) {
				t.Errorf("%s: the request set %s to %v, and the response has %v", e.Action.Description, name, value, result[name])
			}
		}
		name, _ := result["name"].(string)
		switch {
		case e.Raw.Method == "DELETE":
			deleted[id] = true
			if names[id] != "" {
				whole++
			}
		case names[id] == "":
			names[id] = name
		case names[id] != name:
			t.Errorf("the name of %s was %s and is %s", id, names[id], name)
		default:
			changes++
		}
	}
	if changes < 100 || whole < 20 {
		t.Errorf("%d changes and %d deletions of a known record", changes, whole)
	}
}
