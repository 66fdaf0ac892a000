package contract

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfaudit.example/wrapper/auditlogs"
)

// checkError looks for a target, where one is wanted, and for the status in the client's own type
// of error.
func checkError(t *testing.T, err, target error, status int) *auditlogs.Error {
	t.Helper()
	var incomplete *auditlogs.IncompleteError
	if !errors.As(err, &incomplete) {
		t.Errorf("error %v is not an IncompleteError", err)
	}
	if target != nil && !errors.Is(err, target) {
		t.Errorf("error %v is not %q", err, target)
	}
	var answered *auditlogs.Error
	if !errors.As(err, &answered) {
		if status != http.StatusOK {
			t.Errorf("error %v does not carry the status", err)
		}
		return nil
	}
	if answered.StatusCode != status {
		t.Errorf("error %v carries status %d, want %d", err, answered.StatusCode, status)
	}
	return answered
}

// TestOddAnswers reads answers that deviate from Cloudflare's reference in ways that were seen, and
// some that no service may send. The bodies are kept in testdata/odd.
func TestOddAnswers(t *testing.T) {
	type test struct {
		file    string
		status  int    // 200 where 0
		kind    string // JSON where empty
		history bool   // it answers a request for a history
		refused bool   // the contract does not allow it
		entries int
		oddOnes int // entries whose Err is not nil
		err     error
		fails   bool // without a target
		check   func(t *testing.T, entries []*auditlogs.Entry, answered *auditlogs.Error)
	}
	tests := []test{
		{file: "count_string.json", entries: 1},
		{file: "count_number.json", entries: 1},
		{file: "count_null.json", entries: 1},
		{file: "errors_beside_success.json", entries: 1},
		{file: "login_api_empty_result.json", entries: 1, check: func(t *testing.T, entries []*auditlogs.Entry, _ *auditlogs.Error) {
			e := entries[0]
			if e.Action.Type != "login" || e.Actor.Context != "api" || e.Action.Result != "" {
				t.Errorf("read as type %q, context %q, result %q", e.Action.Type, e.Actor.Context, e.Action.Result)
			}
		}},
		{file: "scope_string.json", entries: 1, check: func(t *testing.T, entries []*auditlogs.Entry, _ *auditlogs.Error) {
			if got := string(entries[0].Resource.Scope); got != `"accounts"` {
				t.Errorf("scope is %s", got)
			}
		}},
		{file: "scope_object.json", entries: 1, check: func(t *testing.T, entries []*auditlogs.Entry, _ *auditlogs.Error) {
			if got := string(entries[0].Resource.Scope); got != `{"id": 17, "name":"x"}` {
				t.Errorf("scope is %s, which are not its bytes", got)
			}
		}},
		{file: "scope_other.json", entries: 3},
		{file: "resource_value.json", entries: 1, check: func(t *testing.T, entries []*auditlogs.Entry, _ *auditlogs.Error) {
			if got := string(entries[0].Resource.Value); got != `{"list":[1.50, {"b":1, "a":2}, null]}` {
				t.Errorf("value is %s, which are not its bytes", got)
			}
		}},
		{file: "resource_value_other.json", entries: 1, refused: true, check: func(t *testing.T, entries []*auditlogs.Entry, _ *auditlogs.Error) {
			if got := string(entries[0].Resource.Value); got != `[1.50, null]` {
				t.Errorf("value is %s, which are not its bytes", got)
			}
		}},
		{file: "payloads.json", entries: 6},
		{file: "null_objects.json", entries: 1, check: noFields},
		{file: "absent_objects.json", entries: 1, check: noFields},
		{file: "empty_objects.json", entries: 1, check: noFields},
		{file: "result_null.json"},
		{file: "result_absent.json"},
		{file: "result_info_null.json", entries: 1},
		{file: "result_info_absent.json", entries: 1},
		{file: "cursor_empty.json", entries: 1},
		{file: "cursors_null.json", entries: 1},
		{file: "cursors_after_empty.json", entries: 1},
		{file: "unknown_fields.json", entries: 1},
		{file: "time_shapes.json", entries: 4, check: func(t *testing.T, entries []*auditlogs.Entry, _ *auditlogs.Error) {
			for _, e := range entries {
				if e.Action.Time.IsZero() || e.Action.Time.Location().String() != "UTC" {
					t.Errorf("time of %s is %v", e.Raw, e.Action.Time)
				}
			}
		}},

		{file: "error_400.json", status: 400, err: auditlogs.ErrInvalidQuery, check: hasCode(400)},
		{file: "error_without_code.json", status: 400, err: auditlogs.ErrInvalidQuery, check: hasCode(0)},
		{file: "error_10000.json", status: 403, err: auditlogs.ErrForbidden, check: hasCode(10000)},
		{file: "error_7003.json", status: 404, err: auditlogs.ErrNotFound, check: hasCode(7003)},
		{file: "error_result_absent.json", status: 401, err: auditlogs.ErrUnauthorized, check: hasCode(10001)},
		{file: "error_429.json", status: 429, err: auditlogs.ErrRateLimited, check: hasCode(971)},
		{file: "error_500.json", status: 500, fails: true, check: hasCode(1101)},
		{file: "edge.html", status: 502, kind: "text/html; charset=UTF-8", fails: true, check: noDetails},

		{file: "history_new_status.json", history: true, entries: 1},
		{file: "history_result_null.json", history: true},
		{file: "error_no_entry.json", status: 404, history: true, err: auditlogs.ErrNotFound, check: saysUnavailable},
		{file: "error_7003.json", status: 404, history: true, err: auditlogs.ErrNotFound, check: hasCode(7003)},
		{file: "edge.html", status: 502, kind: "text/html; charset=UTF-8", history: true, fails: true, check: noDetails},
		{file: "history_without_status.json", history: true, refused: true, entries: 1},
		{file: "history_without_info.json", history: true, refused: true, entries: 1},
		{file: "history_count_string.json", history: true, refused: true, entries: 1},
		{file: "success_absent.json", history: true, refused: true, err: auditlogs.ErrMalformedResponse},

		{file: "edge.html", kind: "text/html; charset=UTF-8", refused: true, err: auditlogs.ErrMalformedResponse},
		{file: "error_10000.json", refused: true, err: auditlogs.ErrMalformedResponse, check: hasCode(10000)},
		{file: "success_absent.json", refused: true, err: auditlogs.ErrMalformedResponse},
		{file: "cut.json", refused: true, err: auditlogs.ErrMalformedResponse},
		{file: "trailing.json", refused: true, err: auditlogs.ErrMalformedResponse},
		{file: "result_object.json", refused: true, err: auditlogs.ErrMalformedResponse},
		{file: "wrong_types.json", refused: true, entries: 3, oddOnes: 2, check: goodFields},
	}
	used := map[string]bool{}
	for _, test := range tests {
		used[test.file] = true
		if test.status == 0 {
			test.status = http.StatusOK
		}
		if test.kind == "" {
			test.kind = jsonType
		}
		name, read := test.file, func(client *auditlogs.Client) ([]*auditlogs.Entry, error) { return list(client, window()) }
		if test.history {
			name, read = "history "+name, listHistory
		}
		if test.refused {
			name += " refused"
		}
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t)
			header := http.Header{"Content-Type": {test.kind}}
			recorder := &recorder{t: t, contract: c, next: answering(test.status, header, testdata(t, "odd", test.file)), lenient: true}
			entries, err := read(newClient(t, auditlogs.DefaultBaseURL, recorder))
			sent := recorder.last()
			if len(sent) != 1 {
				t.Fatalf("%d requests, want 1", len(sent))
			}
			e := sent[0]
			if against := c.CheckResponse(e.request, e.status, e.header, e.body); (against != nil) != test.refused {
				t.Errorf("the contract says: %v", against)
			}
			if len(entries) != test.entries {
				t.Errorf("%d entries, want %d", len(entries), test.entries)
			}
			odd := 0
			for _, entry := range entries {
				if entry.Err() != nil {
					odd++
				}
			}
			if odd != test.oddOnes {
				t.Errorf("%d entries are odd, want %d", odd, test.oddOnes)
			}
			var answered *auditlogs.Error
			switch wanted := test.fails || test.err != nil; {
			case wanted:
				answered = checkError(t, err, test.err, test.status)
			case err != nil:
				t.Fatal(err)
			}
			if test.check != nil && !t.Failed() {
				test.check(t, entries, answered)
			}
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "odd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !used[file.Name()] {
			t.Errorf("testdata/odd/%s is not used", file.Name())
		}
	}
}

func goodFields(t *testing.T, entries []*auditlogs.Entry, _ *auditlogs.Error) {
	if e := entries[0]; e.ID != "first" || e.Actor.Email != "alice@example.com" || e.Raw == nil {
		t.Errorf("the good fields of an odd entry are lost: %+v", e.Entry)
	}
}

func noFields(t *testing.T, entries []*auditlogs.Entry, _ *auditlogs.Error) {
	e := entries[0]
	if e.ID != "only" || e.Account.ID != "" || e.Actor.Email != "" || !e.Action.Time.IsZero() ||
		e.Resource.Request != nil || e.Zone.Name != "" {
		t.Errorf("read as %+v", e.Entry)
	}
}

func saysUnavailable(t *testing.T, _ []*auditlogs.Entry, answered *auditlogs.Error) {
	if answered.History != auditlogs.HistoryUnavailable || len(answered.Details) != 1 {
		t.Errorf("read as %+v", answered)
	}
}

func noDetails(t *testing.T, _ []*auditlogs.Entry, answered *auditlogs.Error) {
	if len(answered.Details) > 0 || strings.Contains(answered.Error(), "<") {
		t.Errorf("the page is taken for an error of the service: %v", answered)
	}
}

func hasCode(code int) func(*testing.T, []*auditlogs.Entry, *auditlogs.Error) {
	return func(t *testing.T, _ []*auditlogs.Entry, answered *auditlogs.Error) {
		if answered == nil || len(answered.Details) != 1 || answered.Details[0].Code != code ||
			answered.Details[0].Message == "" {
			t.Errorf("the error's details are not kept: %+v", answered)
		}
	}
}
