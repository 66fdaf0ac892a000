// Package contract validates what goes over the wire against openapi/auditlogs.yaml.
//
// The work is done by kin-openapi. It accepts several things that this API does not, or that a
// client must not rely on: unknown and repeated query parameters, broken percent-encoding, bytes
// after the JSON, undeclared statuses. This package closes those holes, and never shows a value of
// an answer in an error, so that it can also be pointed at a real account.
//
// The package is for tests only. It is part of a module of its own, so that what it needs stays out
// of the module graph of everyone who imports the library.
package contract
