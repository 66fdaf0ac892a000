package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogs/format"
)

// An exporting is one run of "cfaudit export".
type exporting struct {
	selection
	file     string
	encoding string
	checked  string
}

func newExport(env *environment) *cobra.Command {
	x := new(exporting)
	x.several = true
	x.before, _ = parseBound(settledAge)
	cmd := &cobra.Command{
		Use:   "export --since WHEN [--before WHEN] --out FILE [flags]",
		Short: "Write the entries of a window to a file",
		Long: "Writes every entry of a window of time to a file, once, oldest first. Whatever stops it, the same command resumes " +
			"where it stopped, and does nothing once the file is complete.",
		Example: "  cfaudit export --since 2026-10-01 --before 2026-11-01 --out october.ndjson.gz\n" +
			"  cfaudit export --since 30d --not-action-type view --out changes.csv\n" +
			"  cfaudit export --since 30d --account ID --account ID --out 'audit-{account}.ndjson.zst'\n" +
			"  cfaudit export --archive audit/ --since 2026-10-01 --before 2026-11-01 --out october.csv\n" +
			"  cfaudit export --check october.ndjson.gz",
	}
	return x.command(env, cmd, exportFooter, x.run, x.flags())
}

var exportFooter = whenFooter + `

FILE
The end of its name selects the format: .ndjson or .csv, followed by .gz or .zst to compress. {account} in it is replaced by
the account ID, or by "organization-" and the organization ID. Beside the file are FILE.lock, FILE.checkpoint.json until
the file is complete, and FILE.manifest.json after that.

Late entries
Entries appear up to ` + settleTime + ` after their time. Without --before, the window ends where they have settled. A window that
ends later is exported too, and then both the last line and the manifest ("settled": false) say that entries can be missing.

Resuming
The first run turns ages into fixed times, and later runs use these. They need the same account, --since, --before,
filters and --format. A later run first verifies what is in the file, which takes a while for a large one, and fails if
it was changed. A file that this command did not write is never overwritten.

Formats
ndjson has each entry's own bytes as a line. csv has a column for each known field, in an order to which new ones are only
added at the end; what a spreadsheet would take for a formula, = + - or @ at the start of a cell or after a semicolon,
a tab or a line break in it, gets an apostrophe before it.

` + writerEnvironment + `

Exit status
0: the file is complete, or with --check as it was exported. 1: failed or incomplete, and the last line on standard error
is the command that resumes it; or the file is not as it was exported. 2: wrong usage, nothing was requested. 130:
interrupted, with the same last line.`

const (
	outFlag   = "out"
	checkFlag = "check"
)

// settledAge is the age at which entries have settled.
var settledAge = short(auditlogs.SettleTime)

func (x *exporting) flags() []*flagValue {
	before := x.beforeBound()
	before.help += "; entries that are younger than the default can still appear"
	before.byDefault = settledAge
	flags := []*flagValue{
		x.sinceBound("the older end of the window; required"),
		before,
		fileFlag(outFlag, groupOutput,
			"the file to write; required. With several accounts, "+accountMark+" in it gives each a file of its own",
			"the name of a file, such as audit.ndjson.gz", &x.file),
		formatFlag(&x.encoding, "how entries are written", "what the file's name says, else ndjson", format.Names()...),
		fileFlag(checkFlag, groupOutput,
			"instead of exporting, compare a finished file with its manifest; needs no token",
			"the name of an exported file", &x.checked),
		x.pageSizeFlag(),
		x.parallelFlag(),
		x.organizationFlag(),
	}
	return append(flags, x.selection.flags()...)
}

func (x *exporting) run(ctx context.Context) error {
	if x.checked != "" {
		return x.check(ctx)
	}
	if err := x.window(); err != nil {
		if x.since.given && !x.given(beforeFlag) {
			return x.usage("--since %s leaves nothing to export: without --before, the window ends %s ago, where entries have settled; want an older --since, such as 1h",
				excerpt(x.since.text), settleTime)
		}
		return err
	}
	if x.file == "" {
		return x.usage("--out is missing: want the name of a file, such as audit.ndjson.gz")
	}
	x.showProgress()
	return x.use(ctx, func(ctx context.Context) error {
		if err := cmp.Or(x.fileEach(outFlag, x.file, ".ndjson.gz"), x.checkFilters(), x.checkFolders()); err != nil {
			return err
		}
		if x.parallel {
			x.env.boundMemory()
		}
		return x.resume(x.eachLog(func(name logName) *exit { return x.export(ctx, name) }), "the export")
	})
}

// checkFolders refuses a file in a folder that does not exist, before the first request.
func (x *exporting) checkFolders() error {
	for _, log := range x.logs {
		folder := filepath.Dir(log.in(x.file))
		if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
			continue // Other problems show when the file is opened.
		}
		e := x.usage("--%s %s: there is no folder %s, to make it and export:", outFlag, excerpt(x.file), excerpt(folder))
		e.last = "mkdir -p " + pathWord(folder) + " && " + x.again()
		return e
	}
	return nil
}

func (x *exporting) export(ctx context.Context, name logName) *exit {
	noted := false
	job := export.Job{
		Log:      name.of(x.client),
		Query:    x.query,
		Stated:   export.Window{Since: x.since.worded(), Before: x.before.worded()},
		Path:     name.in(x.file),
		Format:   x.encoding,
		Parallel: x.parallel,
		Progress: func(p export.Progress) {
			if p.ToVerify > 0 {
				x.progress.verify(p.Verified, p.ToVerify)
				return
			}
			if p.Pages > 0 && !noted {
				noted = true
				x.progress.clear()
				x.noteStart(p.Window.Since)
			}
			x.progress.exported(p)
		},
	}
	result, err := export.Run(ctx, job)
	x.progress.clear()
	if err != nil {
		return x.failed(ctx, err)
	}
	x.noteGaps(auditlogs.Query{Since: result.Window.Since, Before: result.Window.Before}, name)
	if result.WasComplete {
		x.env.say(fmt.Sprintf("%s was finished %s%s, and is left as it is: %s", job.Path, result.Finished.Format(time.RFC3339), unsettled(&result.Manifest),
			contents(&result.Manifest)))
		return nil
	}
	if !noted {
		x.noteStart(result.Window.Since)
	}
	if result.Entries == 0 {
		x.noteNothing(false)
	}
	x.tally = tally{repeated: int(result.Repeated), unsorted: int(result.OutOfOrder), malformed: int(result.Malformed)}
	x.noteTally("written")
	complete := "is complete"
	if !result.Settled {
		end, _ := auditlogs.ParseTime(result.Window.Before)
		x.env.note("entries appear up to %s after their time, and the export started before %s: some can be missing in %s, which is not written again; export to another file after that time, or leave out --before",
			settleTime, auditlogs.Time(end.Add(auditlogs.SettleTime)), job.Path)
		complete = "is complete but not settled"
	}
	x.env.say(fmt.Sprintf("%s %s: %s", job.Path, complete, contents(&result.Manifest)))
	return nil
}

// failed tells wrong usage from failures.
func (x *exporting) failed(ctx context.Context, err error) *exit {
	var incomplete *auditlogs.IncompleteError
	switch {
	case ctx.Err() != nil && (errors.As(err, &incomplete) || errors.Is(err, context.Cause(ctx))):
		return interrupted()
	case errors.As(err, &incomplete):
		// The checkpoint holds the position. If the service refused it, the export has tried
		// earlier ones itself.
		return &exit{code: exitIncomplete, text: clean(incomplete.Err.Error()), mend: needsMending(err) || errors.Is(err, auditlogs.ErrInvalidQuery)}
	case errors.Is(err, auditlogs.ErrInvalidQuery), errors.Is(err, export.ErrForeign):
		return x.usage("%s", clean(err.Error()))
	}
	return &exit{code: exitIncomplete, text: clean(err.Error()), mend: needsMending(err)}
}

// check compares a file with its manifest.
func (x *exporting) check(ctx context.Context) error {
	if others := x.otherFlags(checkFlag); others != nil {
		return x.usage("--check and %s exclude each other: want --check and the file alone", strings.Join(others, ", "))
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	manifest, err := export.Check(ctx, x.checked)
	if err != nil || ctx.Err() != nil {
		return failed(ctx, err)
	}
	x.env.say(fmt.Sprintf("%s is as it was exported%s: %s", x.checked, unsettled(manifest), contents(manifest)))
	return nil
}

// unsettled describes an export that was made before its entries had settled.
func unsettled(m *export.Manifest) string {
	if m.Settled {
		return ""
	}
	return " before its window had settled"
}

// contents describes the content of a file in short.
func contents(m *export.Manifest) string {
	return fmt.Sprintf("%s from %s up to %s, SHA-256 %s", entryCount(m.Entries), m.Window.Since, m.Window.Before, m.SHA256)
}
