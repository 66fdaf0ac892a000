package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/detail"
)

// The formats of one entry.
const (
	nameText = "text"
	nameJSON = "json"
)

// A showing is one run of "cfaudit show".
type showing struct {
	selection
	zone       timeZone
	id         string
	actionTime string // of the entry; empty if it is not known
	encoding   string
	full       bool
}

func newShow(env *environment) *cobra.Command {
	s := new(showing)
	cmd := &cobra.Command{
		Use:   "show ENTRY [flags]",
		Short: "Show one entry: who did what, with which request and response, and what it changed",
		Long: "Shows one entry for eyes: who did what, with which credential, from where, to which resource and with which result, the " +
			"request and the response, and how these differ from those of the previous entry about the same resource. ENTRY is the entry's id.",
		Example: "  cfaudit show f174be97-19b1-40d6-954d-70cd5fbd52db\n" +
			"  cfaudit show f174be97-19b1-40d6-954d-70cd5fbd52db --local --full\n" +
			"  cfaudit show f174be97-19b1-40d6-954d-70cd5fbd52db --format json | jq '.changes'",
		Args: takesEntry(&s.id),
	}
	flags := []*flagValue{
		s.historySince("how far back to look for the entry, and for the previous one about the same resource"),
		s.beforeBound(),
		newActionTimeFlag(&s.actionTime, "when the entry was recorded: looks for it within a minute of that, instead of in the window"),
		formatFlag(&s.encoding, "how the entry is printed", nameText, nameText, nameJSON),
		toggle("full", groupOutput, "show large values whole", &s.full),
	}
	flags = append(append(flags, s.zone.flags()...), s.organizationFlag())
	return s.command(env, cmd, showFooter, s.run, append(flags, s.connection.flags()...))
}

var showFooter = boundFooter + fmt.Sprintf(`

What it takes
A request that looks for the entry by its id, and one for the history of its resource.

Large values
Unless --full is given, texts are cut after %d bytes, objects and lists after %d members, below %d others in each other and
after %d lines, and the changes after %d: what is left out is named with its size.

The previous entry
It is the last entry before this one that the service finds about the same resource. If the entry does not hold the
resource's own address, the service looks for the kind of resource, and the page says that the previous entry can be about
another one. Requests and responses are compared by path: "-" was removed, "+" was added, "~" was changed. Elements of lists
are compared with those at the same index, and numbers by their digits.

Formats
text is for people: colours on a terminal, request and response side by side where it has %d columns, and characters that
cannot be printed appear as �. json has the entry's own bytes as entry, then history, the status of the resource's history
(exact, approximate or unavailable), previous, the id and the time of the previous entry, and changes, a list of path,
before and after.

`+readerEnvironment+`

Exit status
0: the entry was shown. 1: there is no such entry, or a request failed, and the last line on standard error is a command that
helps. 2: wrong usage, nothing was requested. 130: interrupted.`, detail.MaxText, detail.MaxMembers, detail.MaxDepth, detail.MaxLines, maxChanges, sideBySide)

func (s *showing) run(ctx context.Context) error {
	for _, name := range []string{localFlag, timeZoneFlag} {
		if s.encoding == nameJSON && s.given(name) {
			return s.usage("--%s is for --format %s: %s keeps times as they came", name, nameText, nameJSON)
		}
	}
	if s.archives != nil && !s.given(sinceFlag) {
		s.since, _ = parseBound(archiveStart)
	}
	if err := s.window(); err != nil {
		return err
	}
	s.query.ID = []string{s.id}
	if s.actionTime != "" {
		if s.given(beforeFlag) {
			return s.usage("--%s and --%s exclude each other: want one of them", actionTimeFlag, beforeFlag)
		}
		at, err := auditlogs.ParseTime(s.actionTime)
		if err != nil {
			return s.usage("--%s %s: want %s", actionTimeFlag, excerpt(s.actionTime), actionTimeWanted())
		}
		s.query.Since, s.query.Before = auditlogs.Time(at.Add(-time.Minute)), auditlogs.Time(at.Add(time.Minute))
		if !s.given(sinceFlag) {
			s.start = at.AddDate(0, 0, -historyDays)
		}
	}
	if err := s.env.checkOutput(); err != nil {
		return err
	}
	return s.use(ctx, func(ctx context.Context) error { return s.show(ctx, s.log(), s.start) })
}

// archiveStart is where to look for an entry in an archive, which has older ones than the service.
const archiveStart = "2000-01-01"

// A shown entry is what is printed, in either format.
type shown struct {
	Entry    *auditlogs.Entry
	History  auditlogs.HistoryStatus
	Previous *auditlogs.Entry
	Changes  []detail.Change
	why      string    // there is no history, where that is so
	since    time.Time // where the search for the previous entry started
}

func (s *showing) show(ctx context.Context, log *auditlogs.Log, since time.Time) error {
	found := shown{History: auditlogs.HistoryUnavailable, why: "the entry does not say enough about it", since: since}
	for entry, err := range log.Entries(ctx, s.query) {
		if err != nil {
			return s.failed(ctx, err)
		}
		found.Entry = entry
		break
	}
	if found.Entry == nil {
		return s.missing()
	}
	if !found.Entry.Action.Time.IsZero() {
		previous, status, err := detail.Previous(ctx, log, found.Entry, since)
		var incomplete *auditlogs.IncompleteError
		switch {
		case errors.Is(err, auditlogs.ErrNotFound):
			found.why = "the service does not find the entry when it is asked for one"
		case errors.Is(err, auditlogs.ErrInvalidQuery) && !errors.As(err, &incomplete):
			found.why = "the service takes no such id for one"
		case err != nil:
			return s.failed(ctx, err)
		default:
			found.Previous, found.History = previous, status
		}
	}
	if found.Previous != nil {
		found.Changes = detail.Compare(found.Previous, found.Entry)
	}
	var text []byte
	if s.encoding == nameJSON {
		text = found.json()
	} else {
		p := pageWriter{width: s.env.terminal(s.env.stdout), colours: s.env.colours(), zone: &s.zone, full: s.full}
		text = p.page(&found)
	}
	if _, err := write(ctx, s.env.stdout, text); err != nil && !closedPipe(err) {
		e := &exit{code: exitIncomplete, text: writeFailed(err)}
		return e.goOn("run the same again", s.again())
	}
	return nil
}

// json returns what was found as data. The entry's own bytes are in it as they came.
func (f *shown) json() []byte {
	type entry struct {
		ID   string    `json:"id"`
		Time time.Time `json:"time"`
	}
	rest := struct {
		History  auditlogs.HistoryStatus `json:"history"`
		Previous *entry                  `json:"previous"`
		Changes  []detail.Change         `json:"changes"`
	}{f.History, nil, f.Changes}
	if f.Previous != nil {
		rest.Previous = &entry{f.Previous.ID, f.Previous.Action.Time}
	}
	if rest.Changes == nil {
		rest.Changes = []detail.Change{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(rest); err != nil {
		panic(err) // It holds texts, a time, and JSON that was decoded before.
	}
	return fmt.Appendf(nil, `{"entry":%s,%s`, f.Entry.Raw, b.Bytes()[1:])
}

// missing reports that there is no such entry.
func (s *showing) missing() *exit {
	e := &exit{code: exitIncomplete}
	if s.actionTime != "" {
		e.text = fmt.Sprintf("no entry with the id %s was recorded within a minute of %s; to look for it in the whole log:", excerpt(s.id), s.actionTime)
		e.last = s.again(actionTimeFlag)
		return e
	}
	late, start := "", archiveStart
	if s.archives == nil {
		late = fmt.Sprintf(", or it has not appeared yet (entries appear up to %s after their time)", settleTime)
		start = historyAge
	}
	e.text = fmt.Sprintf("there is no entry with the id %s from %s up to %s%s; to see the latest ids:", excerpt(s.id), s.query.Since, s.query.Before, late)
	flags := []string{"--direction", "desc", "--max", "20", "--" + columnsFlag, "time,actor,action,id"}
	if !s.given(sinceFlag) {
		flags = append(flags, "--"+sinceFlag, start)
	}
	e.last = commandLine("list", append(flags, s.givenFlags("format", "full")...)...)
	return e
}

// failed reports a request that failed.
func (s *showing) failed(ctx context.Context, err error) error {
	var incomplete *auditlogs.IncompleteError
	if errors.As(err, &incomplete) {
		err = incomplete.Err
	} else if errors.Is(err, auditlogs.ErrInvalidQuery) {
		return s.usage("%s", err) // Refused before any request.
	}
	e := failed(ctx, err)
	if ctx.Err() == nil && errors.Is(err, auditlogs.ErrInvalidQuery) {
		e.text += "; if the window is too long for the service, give a later --since"
		e.last = seeHelp(s.cmd)
		return e
	}
	return e.goOn("run the same again", s.again())
}
