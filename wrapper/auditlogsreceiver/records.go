package auditlogsreceiver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/schema/ecs"
	"cfaudit.example/wrapper/auditlogs/schema/ocsf"
	"cfaudit.example/wrapper/auditlogsreceiver/internal/metadata"
)

const (
	eventName = "cloudflare.audit"
	// uidAttribute is what the semantic conventions call an id by which repeats are recognized.
	uidAttribute = "log.record.uid"
	// ownAttributes is where fields are for which the semantic conventions have no name.
	ownAttributes = "cloudflare.audit."
)

// conventions are the names that the semantic conventions have for fields of an entry.
var conventions = map[string]string{
	"id":               uidAttribute,
	"actor.id":         "user.id",
	"actor.email":      "user.email",
	"actor.ip_address": "client.address",
	"raw.method":       "http.request.method",
	"raw.status_code":  "http.response.status_code",
	"raw.uri":          "url.original",
	"raw.user_agent":   "user_agent.original",
}

// A shown field is an attribute of a record.
type shown struct {
	object, field []byte // the object is empty for a field of the entry itself
	attribute     string
}

// attributes are in the order of the contract.
var attributes = func() (all []shown) {
	for _, f := range auditlogsapi.ListAccountAuditLogsOperation.Fields {
		switch f.Path {
		case "action.time": // It is the record's time.
			continue
		case "resource.request", "resource.response", "resource.value": // Often large, and in the body.
			continue
		}
		object, field, nested := strings.Cut(f.Path, ".")
		if !nested {
			object, field = "", f.Path
		}
		all = append(all, shown{[]byte(object), []byte(field), cmp.Or(conventions[f.Path], ownAttributes+f.Path)})
	}
	return all
}()

// A mapper makes log records of entries.
type mapper struct {
	schema  string
	version string // of the collector
	line    []byte // used again for each entry
}

// records makes log records of entries of one log. The caller makes records for one batch at a
// time.
func (m *mapper) records(from source, entries []*auditlogs.Entry) plog.Logs {
	logs := plog.NewLogs()
	of := logs.ResourceLogs().AppendEmpty()
	resource := of.Resource().Attributes()
	resource.PutStr("cloud.provider", "cloudflare")
	if from.organization {
		resource.PutStr("cloudflare.organization.id", from.ID)
	} else {
		resource.PutStr("cloud.account.id", from.ID)
	}
	scope := of.ScopeLogs().AppendEmpty()
	scope.Scope().SetName(metadata.ScopeName)
	scope.Scope().SetVersion(m.version)
	records, now := scope.LogRecords(), pcommon.NewTimestampFromTime(time.Now())
	records.EnsureCapacity(len(entries))
	for _, e := range entries {
		m.record(records.AppendEmpty(), e, now)
	}
	return logs
}

func (m *mapper) record(record plog.LogRecord, e *auditlogs.Entry, now pcommon.Timestamp) {
	record.SetEventName(eventName)
	record.SetObservedTimestamp(now)
	if t := e.Action.Time; !t.IsZero() && t.Unix() > 0 {
		record.SetTimestamp(pcommon.NewTimestampFromTime(t))
	}
	record.SetSeverityNumber(plog.SeverityNumberInfo)
	if e.Action.Result == "failure" {
		record.SetSeverityNumber(plog.SeverityNumberWarn)
	}
	switch m.schema {
	case "ecs":
		m.line = ecs.Append(m.line[:0], e, ecs.Options{})
	case "ocsf":
		m.line = ocsf.Append(m.line[:0], e, ocsf.Options{})
	default:
		setBody(record.Body(), e.Raw)
		setAttributes(record.Attributes(), &e.Entry)
		return
	}
	record.Body().SetStr(string(m.line))
	if e.ID != "" {
		record.Attributes().PutStr(uidAttribute, e.ID)
	}
}

// setBody keeps the entry's bytes as they are: as a text, which every exporter takes, and which
// unlike a map keeps long numbers, the order of fields and fields that come twice. A text that is
// not UTF-8 would make a receiver of OTLP refuse the whole batch.
func setBody(body pcommon.Value, raw []byte) {
	if utf8.Valid(raw) {
		body.SetStr(string(raw))
		return
	}
	body.SetEmptyBytes().FromRaw(raw)
}

func setAttributes(to pcommon.Map, e *auditlogsapi.Entry) {
	to.EnsureCapacity(24)
	var object []byte
	of := any(e)
	for _, f := range attributes {
		if !bytes.Equal(f.object, object) {
			object, of = f.object, any(e)
			if len(object) > 0 {
				_, of = auditlogsapi.Member(e, object)
			}
		}
		_, field := auditlogsapi.Member(of, f.field)
		switch v := field.(type) {
		case *string:
			if *v != "" {
				to.PutStr(f.attribute, *v)
			}
		case *int:
			if *v != 0 {
				to.PutInt(f.attribute, int64(*v))
			}
		case *json.RawMessage:
			var text string
			if len(*v) > 1 && (*v)[0] == '"' && json.Unmarshal(*v, &text) == nil && text != "" {
				to.PutStr(f.attribute, text)
			}
		}
	}
}
