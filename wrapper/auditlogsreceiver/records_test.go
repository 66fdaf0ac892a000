package auditlogsreceiver

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

const whole = `{"account":{"id":"4bb334f7c94c4a29a045f03944f072e5","name":"Acme"},` +
	`"action":{"description":"Adds a record","result":"success","time":"2026-10-30T12:00:00.123456789Z","type":"create"},` +
	`"actor":{"context":"dash","email":"alice@example.com","id":"1234","ip_address":"198.51.100.7","token_id":"t1","token_name":"ci","type":"user"},` +
	`"id":"e1","raw":{"cf_ray_id":"8e8dd2156ef28414","method":"POST","status_code":200,"uri":"/zones/1/dns","user_agent":"curl/8"},` +
	`"resource":{"id":"r1","product":"dns","request":{"ttl":12345678901234567890},"response":{},"scope":"zones","type":"record"},` +
	`"zone":{"id":"z1","name":"example.com"},"new":1}`

func decode(t testing.TB, raw string) *auditlogs.Entry {
	t.Helper()
	e := new(auditlogs.Entry)
	if err := e.UnmarshalJSON([]byte(raw)); err != nil {
		t.Fatal(err)
	}
	return e
}

func recordOf(t testing.TB, m mapper, from source, raw string) (plog.ResourceLogs, plog.LogRecord) {
	t.Helper()
	of := m.records(from, []*auditlogs.Entry{decode(t, raw)}).ResourceLogs().At(0)
	return of, of.ScopeLogs().At(0).LogRecords().At(0)
}

func TestRecord(t *testing.T) {
	of, record := recordOf(t, mapper{schema: "otel", version: "1.2.3"}, source{Log: Log{ID: account}}, whole)
	want := map[string]any{
		"log.record.uid": "e1", "user.id": "1234", "user.email": "alice@example.com", "client.address": "198.51.100.7",
		"http.request.method": "POST", "http.response.status_code": int64(200), "url.original": "/zones/1/dns", "user_agent.original": "curl/8",
		"cloudflare.audit.account.id": account, "cloudflare.audit.account.name": "Acme",
		"cloudflare.audit.action.description": "Adds a record", "cloudflare.audit.action.result": "success", "cloudflare.audit.action.type": "create",
		"cloudflare.audit.actor.context": "dash", "cloudflare.audit.actor.token_id": "t1", "cloudflare.audit.actor.token_name": "ci",
		"cloudflare.audit.actor.type": "user", "cloudflare.audit.raw.cf_ray_id": "8e8dd2156ef28414",
		"cloudflare.audit.resource.id": "r1", "cloudflare.audit.resource.product": "dns", "cloudflare.audit.resource.scope": "zones",
		"cloudflare.audit.resource.type": "record", "cloudflare.audit.zone.id": "z1", "cloudflare.audit.zone.name": "example.com",
	}
	if got := record.Attributes().AsRaw(); !maps.Equal(got, want) {
		t.Errorf("attributes: got %v, want %v", got, want)
	}
	if got, want := of.Resource().Attributes().AsRaw(), (map[string]any{"cloud.provider": "cloudflare", "cloud.account.id": account}); !maps.Equal(got, want) {
		t.Errorf("resource: got %v, want %v", got, want)
	}
	if record.Body().Str() != whole {
		t.Errorf("the body is not the entry: %s", record.Body().AsString())
	}
	at := time.Date(2026, 10, 30, 12, 0, 0, 123456789, time.UTC)
	if !record.Timestamp().AsTime().Equal(at) || time.Since(record.ObservedTimestamp().AsTime()).Abs() > time.Minute {
		t.Errorf("times %s and %s", record.Timestamp(), record.ObservedTimestamp())
	}
	if record.EventName() != "cloudflare.audit" || record.SeverityNumber() != plog.SeverityNumberInfo {
		t.Errorf("event %q, severity %s", record.EventName(), record.SeverityNumber())
	}
	if scope := of.ScopeLogs().At(0).Scope(); !strings.HasSuffix(scope.Name(), "/wrapper/auditlogsreceiver") || scope.Version() != "1.2.3" {
		t.Errorf("scope %q %q", scope.Name(), scope.Version())
	}
}

// Each field of the contract is an attribute, or left to the body on purpose.
func TestRecordHasEveryField(t *testing.T) {
	shown := map[string]bool{}
	for _, f := range attributes {
		shown[strings.TrimPrefix(string(f.object)+"."+string(f.field), ".")] = true
	}
	for _, f := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		left := []string{"action.time", "resource.request", "resource.response", "resource.value"}
		if shown[f.Path] == slices.Contains(left, f.Path) {
			t.Errorf("%s is shown: %t", f.Path, shown[f.Path])
		}
	}
}

func TestOddRecords(t *testing.T) {
	account := source{Log: Log{ID: account}}
	for _, test := range []struct {
		name  string
		raw   string
		check func(plog.LogRecord) bool
	}{
		{"a failure", `{"action":{"result":"failure"}}`, func(r plog.LogRecord) bool { return r.SeverityNumber() == plog.SeverityNumberWarn }},
		{"no time", `{"id":"1"}`, func(r plog.LogRecord) bool { return r.Timestamp() == 0 && r.ObservedTimestamp() != 0 }},
		{"no id", `{}`, func(r plog.LogRecord) bool { return r.Attributes().Len() == 0 && r.Body().Str() == "{}" }},
		{"a field of another type", `{"actor":{"email":7},"id":"1"}`, func(r plog.LogRecord) bool { return r.Attributes().Len() == 1 }},
		{"a scope that is an object", `{"resource":{"scope":{"a":1}}}`, func(r plog.LogRecord) bool { return r.Attributes().Len() == 0 }},
		{"no object", `7`, func(r plog.LogRecord) bool { return r.Body().Str() == "7" }},
		{"not UTF-8", "{\"id\":\"\xff\"}", func(r plog.LogRecord) bool {
			return r.Body().Type() == pcommon.ValueTypeBytes && string(r.Body().Bytes().AsRaw()) == "{\"id\":\"\xff\"}"
		}},
		{"a time before 1970", `{"action":{"time":"1960-01-01T00:00:00Z"}}`, func(r plog.LogRecord) bool { return r.Timestamp() == 0 }},
	} {
		if _, record := recordOf(t, mapper{schema: "otel"}, account, test.raw); !test.check(record) {
			t.Errorf("%s: got %v, body %s, times %d and %d", test.name, record.Attributes().AsRaw(), record.Body().AsString(), record.Timestamp(), record.ObservedTimestamp())
		}
	}
}

func TestRecordOfAnOrganization(t *testing.T) {
	of, _ := recordOf(t, mapper{schema: "otel"}, source{Log: Log{ID: account}, organization: true}, `{"id":"1"}`)
	if got, want := of.Resource().Attributes().AsRaw(), (map[string]any{"cloud.provider": "cloudflare", "cloudflare.organization.id": account}); !maps.Equal(got, want) {
		t.Errorf("resource: got %v, want %v", got, want)
	}
}

// The other schemas have their event in the body, with the entry's bytes in it, and the id beside
// it.
func TestSchemas(t *testing.T) {
	for schema, original := range map[string][]string{"ecs": {"event", "original"}, "ocsf": {"raw_data"}} {
		_, record := recordOf(t, mapper{schema: schema}, source{Log: Log{ID: account}}, whole)
		var event any
		if err := json.Unmarshal([]byte(record.Body().Str()), &event); err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		for _, name := range original {
			event = event.(map[string]any)[name]
		}
		if event != whole {
			t.Errorf("%s: the entry in the event is %v", schema, event)
		}
		if got, want := record.Attributes().AsRaw(), (map[string]any{"log.record.uid": "e1"}); !maps.Equal(got, want) {
			t.Errorf("%s: attributes %v, want %v", schema, got, want)
		}
		if record.Timestamp() == 0 || record.EventName() != eventName {
			t.Errorf("%s: time %d, event %q", schema, record.Timestamp(), record.EventName())
		}
	}
}
