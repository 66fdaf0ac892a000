package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogs/format"
)

// A following is one run of "cfaudit follow".
type following struct {
	selection
	rendering
	state         string
	once          bool
	interval      time.Duration
	settle        time.Duration
	lookBack      time.Duration
	lookBackEvery time.Duration
	status        string
	healthEvery   time.Duration
	startAge      time.Duration // if --since is an age

	followers []*follow.Follower
	printed   *output
}

func newFollow(env *environment) *cobra.Command {
	f := &following{
		interval: follow.DefaultInterval, settle: follow.DefaultSettle,
		lookBack: follow.DefaultLookBack, lookBackEvery: follow.DefaultLookBackEvery,
		healthEvery: 5 * time.Minute,
	}
	f.several = true
	f.serviceOnly = true
	cmd := &cobra.Command{
		Use:   "follow --state FILE [--since WHEN] [flags]",
		Short: "Print new entries as they appear",
		Long: "Prints every entry soon after it appears, as a line of JSON, and keeps its progress in a state file. Whatever stops it, " +
			"the same command resumes where it stopped: no entry is left out, and the last few may be printed twice, with the same id.",
		Example: "  cfaudit follow --state audit.state >> audit.ndjson\n" +
			"  cfaudit follow --state audit.state --since 30d --not-action-type view | vector --config siem.yaml\n" +
			"  cfaudit follow --state 'audit-{account}.state' --account ID --account ID --status status.json\n" +
			"  cfaudit follow --state audit.state --once    # for a scheduled job\n" +
			"  cfaudit follow --state demo.state --demo    # made-up entries, no account needed",
	}
	return f.command(env, cmd, followFooter, f.run, f.flags())
}

const followFooter = whenFooter + `

FILE
The first run saves its starting point before the first request, and later runs continue from the saved state. The state is
replaced as a whole, and only after the entries that it covers have been written. FILE.lock beside it keeps a second
follower away. {account} in the name is replaced by the account ID, or by "organization-" and the organization ID. A state
that is damaged, or was made with another account or other filters, is refused.

Prompt or in order
The service shows entries late, mostly 3 to 8 minutes after their time, and not in order. Without --settle, each is printed
within one interval after it appears, in the order in which entries appear. With --settle 10m, entries are requested when
they are ten minutes old, and nearly all are printed in the order of their times. Either way, an entry that appears later
than --look-back can be missed; "nearly missed" counts those that appeared shortly before that. The status and the health
lines say how late entries appeared: the median, the 95th percentile and the maximum.

Output
Each line is an entry's own bytes, unless --format says otherwise. A line is complete with its line break: if the program is killed, the reader of a pipe
may see a partial line at the end. Nothing is removed from a file that standard output is appended to: if its last line
lacks the line break, the next run adds it, and prints a note if that line is partial.

` + tableFooter + `

` + writerEnvironment + `

Exit status
0: caught up with --once; stopped by SIGTERM or SIGHUP without --once; or the reader closed the pipe. 1: failed, for the
reason on standard error; temporary failures are retried instead. 2: wrong usage, nothing was requested. 130: interrupted,
or stopped by a signal with --once. Whatever signal stops it, the entries at hand are written and the state is saved first;
entries that are not read within 2 seconds are printed again by the next run. SIGHUP is ignored if it was ignored at the
start, as by nohup. A token that is refused (status 401 or 403) ends it with 1 if no account has been read yet. Later, or in
one of several accounts, it is tried again every 10 minutes.`

const (
	groupPace   = "Pace"
	groupHealth = "Health"
	stateFlag   = "state"
)

func (f *following) flags() []*flagValue {
	since := f.sinceBound("where to start if there is no state yet")
	since.byDefault = "one look-back before now"
	state := fileFlag(stateFlag, groupWindow,
		"the file that keeps the progress; required. With several accounts, "+accountMark+" in it gives each a file of its own",
		"the name of a file, such as audit.state", &f.state)
	// A file that is appended to has no place for a header.
	names := append([]string{nameTable}, slices.DeleteFunc(format.Names(), func(name string) bool { return name == format.NameCSV })...)
	rendered := f.rendering.flags(format.NameNDJSON+", and table with --columns, --local or --time-zone", names...)
	return slices.Concat([]*flagValue{state, since}, rendered, []*flagValue{
		toggle("once", groupPace, "end when all entries up to now, less the settle time, have been printed", &f.once),
		span("interval", groupPace, &f.interval, time.Second, "how often to request new entries"),
		span("settle", groupPace, &f.settle, 0, "how old entries must be before they are requested: 0s prints each as soon as it appears, 10m nearly all in order"),
		span("look-back", groupPace, &f.lookBack, 0, "how late an entry may appear and still be printed"),
		span("look-back-every", groupPace, &f.lookBackEvery, time.Second, "the longest time between look-backs for late entries; a sweep that fits on one page always looks back"),
		fileFlag("status", groupHealth,
			"keep a JSON file with the health of each account, for probes; it is rewritten every 10 seconds",
			"the name of a file, such as status.json", &f.status),
		span("health", groupHealth, &f.healthEvery, 0, "how often to print the health of each account to standard error; 0s for never"),
		f.pageSizeFlag(),
		f.organizationFlag(),
	}, f.selection.flags())
}

// span is a flag for a length of time.
func span(name, group string, target *time.Duration, least time.Duration, help string) *flagValue {
	return &flagValue{
		name: name, placeholder: "DURATION", group: group, help: help,
		byDefault: short(*target),
		want:      fmt.Sprintf("a length of time from %s, such as 90s, 10m or 1d", short(least)),
		set: func(value string) bool {
			length, ok := parseAge(value)
			if !ok {
				var err error
				length, err = time.ParseDuration(value)
				ok = err == nil
			}
			*target = length
			return ok && length >= least
		},
	}
}

// short formats a length of time without units that are 0.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// errClosedPipe ends the command quietly: the reader has closed the pipe.
var errClosedPipe = errors.New("the reader has closed the pipe")

func (f *following) run(ctx context.Context) error {
	if f.state == "" {
		return f.usage("--state is missing: want the name of a file, such as audit.state")
	}
	if err := f.check(&f.invocation); err != nil {
		return err
	}
	if f.since.given {
		now := f.env.now()
		since := f.since.resolve(now)
		if since.After(now) {
			return f.usage("--since %s is in the future: want a start in the past, such as 1h or %s",
				excerpt(f.since.text), auditlogs.Time(now.Add(-time.Hour).Truncate(time.Second)))
		}
		if f.since.isAge {
			f.startAge = time.Since(since) // It stays an age, which the library corrects if the clock is wrong.
		} else {
			f.query.Since = auditlogs.Time(since)
		}
	}
	if err := f.env.checkOutput(); err != nil {
		return err
	}
	health := &healthReport{env: f.env, file: f.status}
	f.observer = health
	f.clock = "what is asked for is corrected by that"
	return f.use(ctx, func(ctx context.Context) error { return f.followAll(ctx, health) })
}

func (f *following) followAll(ctx context.Context, health *healthReport) error {
	if err := cmp.Or(f.fileEach(stateFlag, f.state, ".state"), f.checkFilters(), f.apart()); err != nil {
		return err
	}
	for _, log := range f.logs {
		state, err := follow.OpenFile(log.in(f.state))
		if err != nil {
			return &exit{code: exitIncomplete, text: plain(err.Error())}
		}
		defer func() { _ = state.Close() }()
		follower, err := follow.New(log.of(f.client), f.query, state,
			follow.WithInterval(f.interval), follow.WithSettle(f.settle), follow.WithLookBack(f.lookBack, f.lookBackEvery),
			follow.WithStartAge(f.startAge),
			follow.WithObserver(health.observer(len(f.logs) > 1)))
		if err != nil {
			return f.usage("%s", plain(err.Error()))
		}
		f.followers = append(f.followers, follower)
	}
	if err := f.env.startOnNewLine(); err != nil {
		return err
	}
	f.printed = &output{w: f.env.stdout, format: f.format(f.env, format.NameNDJSON)}
	f.printed.continues = f.encoding != nameTable

	if needs, has := follow.Demand(f.followers...); has > 0 && needs > has && !f.once {
		f.env.note("%s every %s need %s a minute, and the budget has %.3g: the interval is stretched to %s",
			count(len(f.followers), "log", "logs"), short(f.interval), count(int(math.Ceil(needs)), "request", "requests"), has,
			short(time.Duration(float64(f.interval)*needs/has).Round(time.Second)))
	}
	run, end := context.WithCancelCause(ctx)
	defer end(nil)
	reported := health.start(run, f.followers, f.healthEvery)
	deliver := func(ctx context.Context, batch follow.Batch) error {
		err := f.print(ctx, batch)
		if err == nil {
			return nil
		}
		if closedPipe(err) {
			err = errClosedPipe
		} else if !errors.Is(err, errUnread) {
			err = errors.New(f.printed.failure(err))
		}
		end(err) // The other accounts have nowhere to print to either.
		return err
	}
	work := follow.Run
	if f.once {
		work = follow.CatchUp
	}
	err := work(run, deliver, f.followers...)
	end(nil)
	<-reported
	return f.ended(ctx, run, err)
}

// apart refuses a status that would overwrite a state or one of the files beside it.
func (f *following) apart() error {
	if f.status == "" {
		return nil
	}
	for _, log := range f.logs {
		state := log.in(f.state)
		if follow.UsesFile(state, f.status) || follow.UsesFile(state, f.status+".tmp") {
			return f.usage("--status %s and --state %s use the same file: want another name for the status, such as status.json",
				excerpt(f.status), excerpt(state))
		}
	}
	return nil
}

// print writes the entries of a batch, and syncs them to disk if standard output is a file.
func (f *following) print(ctx context.Context, batch follow.Batch) error {
	if err := f.printed.print(ctx, batch.Entries); err != nil {
		return err
	}
	return toDisk(f.env.stdout)
}

// ended turns what ended the followers into an exit code.
func (f *following) ended(ctx, run context.Context, err error) error {
	cause := context.Cause(run)
	told := terminated(ctx)
	switch {
	case errors.Is(cause, errClosedPipe), err == nil:
		return nil
	case told != nil && !f.once && onlyEnded(err):
		f.tellEnd(told, err)
		return nil
	case told != nil && !f.once:
		// An account has failed, now or before.
	case errors.Is(err, errUnread):
		return f.resumable(&exit{code: exitInterrupted, text: "interrupted: " + errUnread.Error()})
	case ctx.Err() != nil:
		return f.resumable(interrupted())
	case !errors.Is(cause, context.Canceled):
		return f.resumable(&exit{code: exitIncomplete, text: cause.Error()})
	}
	e := &exit{code: exitIncomplete, text: plain(err.Error())}
	if len(f.followers) > 1 {
		// Each was reported when it happened.
		failed := 0
		for _, follower := range f.followers {
			if h := follower.Health(); h.LastFailure.After(h.LastSuccess) {
				failed++
			}
		}
		e.text = fmt.Sprintf("%d of %d logs failed", failed, len(f.followers))
	}
	if errors.Is(err, follow.ErrState) {
		return e
	}
	return f.resumable(e)
}

// onlyEnded reports whether all followers ended only because they were stopped.
func onlyEnded(err error) bool {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	return !slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, context.Canceled) && !errors.Is(err, errUnread) })
}

// tellEnd prints how far the followers have read.
func (f *following) tellEnd(told os.Signal, err error) {
	reached := func(f *follow.Follower) time.Time { return f.Health().Watermark }
	last := slices.MinFunc(f.followers, func(a, b *follow.Follower) int { return reached(a).Compare(reached(b)) })
	text := "the state is saved"
	if errors.Is(err, errUnread) {
		text = errUnread.Error()
	}
	f.env.note("stopped by a signal (%s), read up to %s; %s", told, reached(last).Format(time.RFC3339), text)
}

// resumable completes a message with the command that resumes following.
func (f *following) resumable(e *exit) *exit {
	e.text += "; to resume:"
	e.last = f.again()
	return e
}

// plain is an error's text without the package name, which means nothing to a user of the command.
func plain(text string) string {
	_, rest, ok := strings.Cut(text, "follow: ")
	if !ok {
		rest = text
	}
	return clean(rest)
}
