package format

import (
	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/schema/ecs"
	"cfaudit.example/wrapper/auditlogs/schema/ocsf"
)

// ECS gives each entry a line with an event of the Elastic Common Schema. There is no header.
type ECS ecs.Options

// Header appends nothing.
func (ECS) Header(b []byte) []byte { return b }

// Entry appends the entry's event.
func (f ECS) Entry(b []byte, e *auditlogs.Entry) []byte {
	return append(ecs.Append(b, e, ecs.Options(f)), '\n')
}

// OCSF gives each entry a line with an event of the Open Cybersecurity Schema Framework. There is
// no header.
type OCSF ocsf.Options

// Header appends nothing.
func (OCSF) Header(b []byte) []byte { return b }

// Entry appends the entry's event.
func (f OCSF) Entry(b []byte, e *auditlogs.Entry) []byte {
	return append(ocsf.Append(b, e, ocsf.Options(f)), '\n')
}
