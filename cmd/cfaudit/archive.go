package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
)

// An archiving is one run of "cfaudit archive".
type archiving struct {
	selection
	folder      string
	compression string
	settle      time.Duration
	lookBack    time.Duration
	forever     bool
	interval    time.Duration
	checked     bool
	anchors     []string
}

func newArchive(env *environment) *cobra.Command {
	a := &archiving{settle: auditlogs.SettleTime, lookBack: archive.DefaultLookBack, interval: time.Hour}
	a.several = true
	a.serviceOnly = true
	cmd := &cobra.Command{
		Use:   "archive DIR [--since WHEN] [flags]",
		Short: "Keep a folder of whole days, sealed and checkable, up to date",
		Long: "Writes each day (UTC) to a file of its own once it has settled, and never changes it again: entries that appear later go to " +
			"a supplement. Every file's manifest names the digest of the one before it, and --check finds whatever was changed. Whatever stops " +
			"it, the same command continues where it stopped.",
		Example: "  cfaudit archive audit --since 30d    # each night or each hour, from cron or a timer\n" +
			"  cfaudit archive audit --since 2026-03-10 --account ID --organization ID --forever\n" +
			"  cfaudit archive --check audit\n" +
			"  cfaudit archive demo --since 7d --demo    # made-up entries, no account needed",
		Args:              a.oneFolder,
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	}
	return a.command(env, cmd, archiveFooter, a.run, a.flags())
}

const archiveFooter = boundFooter + `

DIR
It has a folder for each account, named by its ID, and for each organization, "organization-" and its ID. In it are
YYYY/MM/DD.ndjson.zst, DD.manifest.json, and for entries that appeared late DD.late-1.ndjson.zst and
DD.late-1.manifest.json. All of them are written once. .archive.lock keeps a second run away, and .archive.work holds what
a run has read so far: leave out .archive* where DIR is copied.

Late entries
A day is sealed --settle after its end. For --look-back after that, each run requests it again, and writes a supplement if
entries have appeared. The first run after that is the last to do so, and its manifest says "final": true.

Days that are missing
Every run reads the days that are missing, from --since or the first day in DIR on. One that fails does not keep the others
from being read, and is tried again by the next run. A day that the service no longer had, since it keeps 18 months and has
nothing from before 2026-03-10, gets a manifest with "available": "none", and no file.

--check
It compares every file with its manifest and every manifest with the one before it, finds missing days and files that do not
belong, and names each. For each log, it prints the SHA-256 of the newest manifest first. Keep that elsewhere and give it to
a later check as --anchor: without it, nobody can see that the newest days were removed, or all days from one on replaced.

` + writerEnvironment + `

Exit status
0: DIR is up to date, or with --check as it was sealed; or --forever was stopped by SIGTERM or SIGHUP. 1: failed or
incomplete, and the last line on standard error is the command that resumes it; or --check has findings. With --forever,
failures that can pass are printed, and tried again after --interval. 2: wrong usage. 130: interrupted.`

const (
	anchorFlag  = "anchor"
	foreverFlag = "forever"
)

var digestText = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (a *archiving) flags() []*flagValue {
	flags := []*flagValue{
		a.sinceBound("the first day to keep; needed until DIR has a day of the log"),
		{
			name: "compress", placeholder: "FORMAT", group: groupOutput, enum: []string{"zst", "gz"},
			help:      "how files are compressed",
			byDefault: "zst",
			set:       into(&a.compression),
		},
		a.pageSizeFlag(),
		span("settle", groupPace, &a.settle, time.Second, "how long after its end a day is sealed"),
		span("look-back", groupPace, &a.lookBack, time.Second, "for how long after that a day is requested again, for entries that appeared late"),
		toggle(foreverFlag, groupPace, "keep running", &a.forever),
		span("interval", groupPace, &a.interval, time.Second, "with --forever, the time from one run to the next"),
		toggle(checkFlag, groupCheck, "compare everything in DIR with its manifests, instead of adding to it; needs no token", &a.checked),
		{
			name: anchorFlag, placeholder: "SHA256", group: groupCheck, repeated: true,
			help: "with --check, the SHA-256 of a manifest that was the newest once: it must still be there",
			want: "what --check printed first on a line, 64 hexadecimal digits",
			set: func(value string) bool {
				a.anchors = append(a.anchors, value)
				return digestText.MatchString(value)
			},
		},
		a.organizationFlag(),
	}
	return append(flags, a.connection.flags()...)
}

const groupCheck = "Check"

// oneFolder takes DIR.
func (a *archiving) oneFolder(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usage(cmd, "DIR is missing: want the name of a folder, as in cfaudit archive audit --since 30d")
	case 1:
		a.folder = args[0]
		return nil
	}
	return usage(cmd, "unknown argument %q: want one folder, as in cfaudit archive audit --since 30d", args[1])
}

func (a *archiving) run(ctx context.Context) error {
	if a.checked {
		return a.check(ctx)
	}
	switch {
	case a.folder == "":
		return a.usage("DIR is empty: want the name of a folder, as in cfaudit archive audit --since 30d")
	case a.given(anchorFlag):
		return a.usage("--anchor is for --check: want cfaudit archive --check %s --anchor SHA256", pathWord(a.folder))
	case a.given("interval") && !a.forever:
		return a.usage("--interval is for --forever: want both, or neither")
	case a.since.given && a.since.resolve(a.env.now()).After(a.env.now()):
		return a.usage("--since %s is in the future: want a day in the past, such as 30d or %s", excerpt(a.since.text),
			a.env.now().AddDate(0, -1, 0).UTC().Format(time.DateOnly))
	}
	if info, err := os.Stat(a.folder); err == nil && !info.IsDir() {
		return a.usage("%s is not a folder: want one, or a new name, such as audit", excerpt(a.folder))
	}
	a.showProgress()
	return a.use(ctx, func(ctx context.Context) error {
		if a.forever {
			return a.keepForever(ctx)
		}
		failure, _ := a.keepAll(ctx)
		return a.resume(failure, "the archive")
	})
}

// keepAll keeps each log. Lasting reports that none of them could be read, and none can later
// without somebody's help.
func (a *archiving) keepAll(ctx context.Context) (failure *exit, lasting bool) {
	helpless := 0
	failure = a.eachLog(func(name logName) *exit {
		err := a.keep(ctx, name.of(a.client))
		if err == nil {
			return nil
		}
		if !auditlogs.Retryable(err) || needsMending(err) {
			helpless++
		}
		return a.failed(ctx, err)
	})
	return failure, helpless == len(a.logs)
}

// keep brings the archive of a log up to date, and says what that has added.
func (a *archiving) keep(ctx context.Context, log *auditlogs.Log) error {
	job := archive.Job{Log: log, Folder: a.folder, Settle: a.settle, LookBack: a.lookBack, Compression: a.compression}
	if a.since.given {
		job.Since = a.since.resolve(a.env.now())
	}
	if a.query.Limit != nil {
		job.PageSize = *a.query.Limit
	}
	var days, gone, supplements int
	var entries, late int64
	job.Sealed = func(m *archive.Manifest) {
		switch {
		case m.Late == 0:
			days++
			entries += m.Entries
			if m.Available == archive.AvailableNone {
				gone++
			}
		case m.Entries > 0:
			supplements++
			late += m.Entries
		}
	}
	job.Progress = a.progress.exported
	err := archive.Keep(ctx, job)
	a.progress.clear()
	var added []string
	if days > 0 {
		added = append(added, fmt.Sprintf("%s with %s", count(days, "day", "days"), entryCount(entries)))
	}
	if gone > 0 {
		added[0] += fmt.Sprintf(", %d of them from before what the service still has", gone)
	}
	if supplements > 0 {
		added = append(added, fmt.Sprintf("%s with %s", count(supplements, "supplement", "supplements"), count(late, "late entry", "late entries")))
	}
	switch {
	case added != nil:
		a.env.say(fmt.Sprintf("%s: sealed %s", log, strings.Join(added, ", and ")))
	case err == nil:
		a.env.say(fmt.Sprintf("%s: nothing new to seal", log))
	}
	return err
}

// keepForever runs again and again. A failure that somebody must mend ends it only in the first
// run, and only if no log could be read.
func (a *archiving) keepForever(ctx context.Context) error {
	for run := 1; ; run++ {
		failure, lasting := a.keepAll(ctx)
		switch {
		case ctx.Err() != nil:
		case failure != nil && run == 1 && lasting:
			return a.resume(failure, "the archive")
		case failure != nil:
			a.env.say(fmt.Sprintf("cfaudit: %s; trying again in %s", failure.text, short(a.interval)))
		}
		select {
		case <-ctx.Done():
			if told := terminated(ctx); told != nil {
				a.env.note("stopped by a signal (%s)", told)
				return nil
			}
			return a.resume(interrupted(), "the archive")
		case <-time.After(a.interval):
		}
	}
}

// failed tells wrong usage from failures.
func (a *archiving) failed(ctx context.Context, err error) *exit {
	var answered *auditlogs.Error
	text := clean(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "archive: "), "\n", "; "))
	switch {
	case ctx.Err() != nil:
		return interrupted()
	case errors.Is(err, auditlogs.ErrInvalidQuery) && !errors.As(err, &answered):
		return a.usage("%s", strings.TrimPrefix(text, "invalid query: "))
	}
	return &exit{code: exitIncomplete, text: text, mend: needsMending(err)}
}

// check prints what is in the archive of each log, and each finding.
func (a *archiving) check(ctx context.Context) error {
	if others := a.otherFlags(checkFlag, anchorFlag); others != nil {
		return a.usage("--check and %s exclude each other: want cfaudit archive --check %s", strings.Join(others, ", "), pathWord(a.folder))
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	report, err := archive.Check(ctx, a.folder, a.anchors...)
	switch {
	case ctx.Err() != nil:
		return interrupted()
	case errors.Is(err, fs.ErrNotExist):
		return &exit{code: exitIncomplete, text: fmt.Sprintf("%s does not exist: want the folder that cfaudit archive wrote", clean(a.folder))}
	case report == nil:
		return &exit{code: exitIncomplete, text: clean(err.Error())}
	}
	for _, log := range report.Logs {
		fmt.Fprintf(a.out(), "%s  %s, link %d, %s, %s from %s to %s, %s\n", log.Digest, log.Log, log.Newest, count(log.Days, "day", "days"),
			count(log.Supplements, "supplement", "supplements"), log.First, log.Last, entryCount(log.Entries))
	}
	for _, finding := range report.Findings {
		a.env.say(clean(finding.String()))
	}
	if err != nil {
		return &exit{code: exitIncomplete, text: fmt.Sprintf("%s is not as it was sealed: %s", a.folder, count(len(report.Findings), "finding", "findings"))}
	}
	a.env.say(a.folder + " is as it was sealed")
	return nil
}
