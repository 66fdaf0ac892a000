// Package cfaudit is the root of a client for Cloudflare's audit logs, version 2. It holds no code;
// what to import is cfaudit.example/wrapper/auditlogs, and cfaudit.example/wrapper/auditlogstest in
// tests.
//
// The folders, from the ground up:
//
//   - openapi: the contract, auditlogs.yaml, from which everything below is derived, and the
//     configuration of the generator.
//   - gen: the generated code. Never edited.
//   - wrapper: the hand-written packages to import: the client, and the fake to test against.
//   - wrapper/auditlogsreceiver: a module of its own, the receiver for the OpenTelemetry Collector.
//   - cmd/cfaudit: the command.
//   - contract_test: a module of its own that tests all of the above against the contract.
//
// A change to the API starts in openapi/auditlogs.yaml; go generate ./... carries it everywhere.
package cfaudit

//go:generate go -C openapi tool -modfile=tools/go.mod oapi-codegen -config auditlogsapi.yaml auditlogs.yaml
//go:generate go -C openapi tool -modfile=tools/go.mod oapi-codegen -config auditlogsserver.yaml auditlogs.yaml
