package mapping

import (
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/schema"
)

// A Schema makes events of entries.
type Schema struct {
	Layout   *Layout
	Finish   func(*Mapping) // fills what the fields of the contract do not
	Original int            // the slot of the entry's bytes
}

// Append appends an entry as an event.
func (s Schema) Append(b []byte, e *auditlogs.Entry, omitOriginal bool) []byte {
	m := s.event(e, omitOriginal)
	defer m.Release()
	return m.AppendJSON(b)
}

// Visit shows a visitor an entry as an event.
func (s Schema) Visit(e *auditlogs.Entry, omitOriginal bool, v schema.Visitor) {
	m := s.event(e, omitOriginal)
	defer m.Release()
	m.visit(visitorSink{v})
}

func (s Schema) event(e *auditlogs.Entry, omitOriginal bool) *Mapping {
	m := s.Layout.Map(e)
	s.Finish(m)
	if !omitOriginal {
		m.Set(s.Original, schema.Text(m.text))
	}
	return m
}
