package archive

import (
	"context"
	"errors"
	"iter"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

// An Archive is what was kept of one or several logs in folders and files. It is safe for use by
// several goroutines.
type Archive struct {
	client *auditlogs.Client
}

// Open looks for the files of an archive. It reads none of them.
func Open(paths ...string) (*Archive, error) {
	a := new(Archive)
	a.client = stored.Client(a).(*auditlogs.Client)
	return a, nil
}

// Entries lists the entries of all logs that match the query, in the order of their time; see Log.
func (a *Archive) Entries(ctx context.Context, query auditlogs.Query, options ...auditlogs.ListOption) iter.Seq2[*auditlogs.Entry, error] {
	return a.Log().Entries(ctx, query, options...)
}

// Log returns all logs of the archive together, each entry once for each of them.
func (a *Archive) Log() *auditlogs.Log { return stored.Everything(a.client).(*auditlogs.Log) }

// Client returns a client whose logs are those of the archive. It makes no requests.
func (a *Archive) Client() *auditlogs.Client { return a.client }

// Open starts a listing, for the client.
func (a *Archive) Open(stored.Request) stored.Listing { return unread{} }

type unread struct{}

func (unread) Next(context.Context, string) (*stored.Page, error) {
	return nil, errors.New("reading an archive is not there yet")
}
func (unread) Close() {}
