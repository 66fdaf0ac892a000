// Package distribution has no code: builder.yaml in this folder says what the collector of make
// collector consists of, and the tests look at the collector that CFAUDIT_COLLECTOR names.
package distribution
