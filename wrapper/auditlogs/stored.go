package auditlogs

import (
	"bytes"
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/internal/lexer"
	"cfaudit.example/wrapper/auditlogs/internal/stored"
)

// A client can read stored entries in place of the service: see package archive.
func init() {
	stored.Client = func(from stored.Source) any {
		client, err := New("stored") // No request is made, so that no token is sent.
		if err != nil {
			panic(err) // There are no options.
		}
		client.config.source = from
		return client
	}
	stored.Everything = func(client any) any { return &Log{client: client.(*Client), kind: everything} }
	stored.Decode = decodeLine
}

// everything is the kind of all logs of an archive together. No request can be made of it.
var everything = &kind{
	name:    "archive",
	list:    ofEverything(auditlogsapi.ListAccountAuditLogsOperation),
	history: ofEverything(auditlogsapi.GetAccountAuditLogHistoryOperation),
}

// ofEverything returns an operation without its first parameter, which names the log.
func ofEverything(operation auditlogsapi.Operation) *auditlogsapi.Operation {
	operation.Parameters = operation.Parameters[1:]
	return &operation
}

// answerStored returns a page of stored entries.
func (r *reader) answerStored(ctx context.Context) (*answer, error) {
	l := r.listing
	if r.stored == nil {
		since, before := l.from, l.to
		if l.descends {
			since, before = before, since
		}
		r.stored = r.source.Open(stored.Request{
			Log: l.log, Entry: l.entry, Since: since, Before: before, Descends: l.descends,
			Values: func(name string) []string { return l.query[name] },
		})
	}
	page, err := r.stored.Next(ctx, r.cursor)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ended(ctx)
	case err != nil:
		return nil, err
	}
	a := &answer{cursor: page.Cursor, logs: page.Logs}
	a.Page = Page{Entries: make([]*Entry, 0, len(page.Entries)), History: HistoryStatus(page.History), Attempts: 1}
	for _, entry := range page.Entries {
		a.Entries = append(a.Entries, entry.(*Entry))
	}
	return a, nil
}

// close ends what a listing of stored entries started.
func (r *reader) close() {
	if r.stored != nil {
		r.stored.Close()
	}
}

// decodeLine decodes an entry that is stored as a line. It returns false if that is not a JSON
// object.
func decodeLine(line []byte) (entry any, ok bool) {
	s := scanner{Lexer: lexer.Lexer{Data: line}, depth: defaultLimits.Depth}
	e := new(Entry)
	s.Space()
	if s.entry(e) {
		if s.Space(); s.At == len(line) {
			return e, true
		}
	}
	line = bytes.Trim(line, " \t\r\n")
	if len(line) == 0 || line[0] != '{' || !jsontext.Value(line).IsValid(decodeOptions) {
		return nil, false
	}
	return decodeEntry(bytes.Clone(line)), true
}
