// Package copies holds tests that build: copies of the repository with a change, and what the
// READMEs show. make copies runs them, and so does make check.
package copies
