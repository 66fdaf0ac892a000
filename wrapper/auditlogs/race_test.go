//go:build race

package auditlogs_test

// raced says that the race detector is on, under which large tables take minutes.
const raced = true
