//go:build !race

package auditlogs_test

const raced = false
