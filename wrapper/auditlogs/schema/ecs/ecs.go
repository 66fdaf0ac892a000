// Package ecs writes entries as events of the Elastic Common Schema, version 9.4.0.
//
// Every entry becomes a valid event, and every value of the entry is in it: in a field of the
// schema or, under the name that it has in the entry, in cloudflare.audit. The README of the folder
// above says how, and shows the table of fields.
package ecs

import (
	"bytes"
	"time"
	"unicode/utf8"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/schema"
	"cfaudit.example/wrapper/auditlogs/schema/internal/mapping"
)

// Version is the version of the schema.
const Version = "9.4.0"

// Options say what an event contains. The zero Options are for an event with everything.
type Options struct {
	// OmitOriginal leaves out event.original, the entry's bytes.
	OmitOriginal bool
}

// Append appends an entry as an event, which is a JSON object on one line without a line break.
func Append(b []byte, e *auditlogs.Entry, o Options) []byte {
	return events.Append(b, e, o.OmitOriginal)
}

// Visit shows a visitor an entry as an event: what [Append] writes, in its order.
func Visit(e *auditlogs.Entry, o Options, v schema.Visitor) { events.Visit(e, o.OmitOriginal, v) }

var events = mapping.Schema{Layout: layout, Finish: finish, Original: layout.Slot("event.original")}

var layout = mapping.New(mapping.Config{
	Own:     "cloudflare.audit",
	Targets: func(f *auditlogsapi.Field) []string { return f.ECS },
	Paths: []string{
		"@timestamp", "message", "ecs.version",
		"event.kind", "event.module", "event.dataset", "event.id", "event.action", "event.category", "event.type", "event.outcome", "event.original",
		"user.id", "user.email", "source.address", "source.ip", "user_agent.original",
		"http.request.id", "http.request.method", "http.response.status_code", "url.original",
		"cloud.provider", "cloud.account.id", "cloud.account.name", "cloud.service.name", "organization.id",
		"related.user", "related.ip", "related.hosts", "error.message", mapping.Own,
	},
	Constants: map[string]string{
		"ecs.version": Version, "event.kind": "event", "event.module": "cloudflare", "event.dataset": "cloudflare.audit", "event.outcome": "unknown",
		"cloud.provider": "cloudflare",
	},
	Derived: []string{"event.category", "event.type"},
	Conversions: map[string]mapping.Conversion{
		"@timestamp":                timestamp,
		"event.action":              lower,
		"event.outcome":             outcome,
		"source.ip":                 mapping.Address,
		"http.response.status_code": mapping.Integer,
		"related.user":              list,
		"related.hosts":             list,
		"related.ip":                addresses,
	},
})

var (
	at, id, message        = layout.Slot("@timestamp"), layout.Slot("event.id"), layout.Slot("error.message")
	categorySlot, typeSlot = layout.Slot("event.category"), layout.Slot("event.type")
	actionType, product    = layout.Field("action.type"), layout.Field("resource.product")
)

func finish(m *mapping.Mapping) {
	verb, _ := mapping.Plain(m.Field(actionType))
	of, _ := mapping.Plain(m.Field(product))
	name, kinds := classify(lowered(verb), of)
	m.AddText(categorySlot, name)
	for _, kind := range kinds {
		if kind != "" {
			m.AddText(typeSlot, kind)
		}
	}
	if !m.Has(id) {
		m.SetDigest(id)
	}
	problem := m.Problems()
	if !m.Has(at) {
		m.SetText(at, time.Unix(0, 0).UTC().Format(time.RFC3339))
		if problem != "" {
			problem += "; "
		}
		problem += "the entry has no time that can be read, for which @timestamp is the start of 1970"
	}
	if problem != "" {
		m.SetText(message, problem)
	}
}

// timestamp takes a time as it is written, since a rewritten one would lose its offset.
func timestamp(m *mapping.Mapping, slot int, value []byte) bool {
	t, ok := m.Time(value)
	if !ok {
		return false
	}
	// Elasticsearch reads no more than nanoseconds.
	if len(value) <= len(`"2006-01-02T15:04:05.999999999+00:00"`) {
		return mapping.Text(m, slot, value)
	}
	m.SetText(slot, t.UTC().Format(time.RFC3339Nano))
	return false
}

// lower takes a text in lower case.
func lower(m *mapping.Mapping, slot int, value []byte) bool {
	if bytes.IndexByte(value, '\\') >= 0 {
		return mapping.Text(m, slot, value)
	}
	small := lowered(value)
	return mapping.Text(m, slot, small) && bytes.Equal(small, value)
}

// lowered returns a text in lower case, the same bytes where it is.
func lowered(text []byte) []byte {
	for _, c := range text {
		if c < 'a' && c >= 'A' || c >= utf8.RuneSelf {
			return bytes.ToLower(text)
		}
	}
	return text
}

// outcome takes what the schema has a word for.
func outcome(m *mapping.Mapping, slot int, value []byte) bool {
	switch string(value) {
	case `"success"`, `"failure"`:
		return mapping.Text(m, slot, value)
	}
	return false
}

// list adds a text to a list.
func list(m *mapping.Mapping, slot int, value []byte) bool {
	if mapping.IsText(value) {
		m.Add(slot, schema.Literal(schema.KindText, value))
	}
	return false // Which field a value came from, a list does not tell.
}

func addresses(m *mapping.Mapping, slot int, value []byte) bool {
	return m.IsAddress(value) && list(m, slot, value)
}
