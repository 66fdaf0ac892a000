// Package auditlogsreceiver is the receiver cloudflare_audit for the OpenTelemetry Collector: it
// delivers every entry of the audit logs of accounts and organizations to the collector's
// pipelines, at least once.
//
// A state in a storage extension says how far each log has been delivered. It advances only after
// the pipeline has taken a batch, so that nothing is lost when the collector is killed, when a
// backend is down, or when the service shows entries late. See package follow for how logs are
// read.
//
// The README of this folder shows how to configure it, and what the rest of a pipeline needs.
package auditlogsreceiver

// The generated test of the default configuration wants it to be valid. It is not, since it has no
// account.

//go:generate go tool -modfile=tools/go.mod mdatagen metadata.yaml
//go:generate rm -f generated_config_test.go
