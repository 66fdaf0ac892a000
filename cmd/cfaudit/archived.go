package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
)

const (
	archiveFlagName = "archive"
	archiveWanted   = "a folder or a file that exists, such as audit/ or october.ndjson.gz"
)

func (c *connection) archiveFlag() *flagValue {
	return &flagValue{
		name: archiveFlagName, placeholder: "PATH", group: groupConnection, repeated: true, files: true,
		help: "read what export, follow and archive wrote, a folder or a file, instead of asking the service; needs no token and no account; can be repeated",
		want: archiveWanted,
		set:  existing(&c.archives),
	}
}

// existing adds the path of a folder or file that exists.
func existing(target *[]string) func(string) bool {
	return func(value string) bool {
		*target = append(*target, value)
		_, err := os.Stat(value)
		return err == nil
	}
}

// checkArchive refuses flags that say how to reach the service.
func (c *connection) checkArchive() (problem *exit) {
	c.cmd.Flags().Visit(func(f *pflag.Flag) {
		v, ok := f.Value.(*flagValue)
		if !ok || problem != nil || f.Name == archiveFlagName || f.Name == accountFlagName || f.Name == organizationFlagName {
			return
		}
		if v.group == groupConnection || f.Name == parallelFlagName {
			problem = c.usage("--%s and --%s exclude each other: an archive is read without the service, on all processors", archiveFlagName, f.Name)
		}
	})
	return problem
}

// openArchive makes a client that reads the archive. Without --account and --organization, that is
// all of its logs together.
func (c *connection) openArchive() error {
	if problem := c.checkArchive(); problem != nil {
		return problem
	}
	opened, err := archive.Open(c.archives...)
	if err != nil {
		return &exit{code: exitIncomplete, text: clean(err.Error())}
	}
	c.archive, c.client = opened, opened.Client()
	if c.logs == nil {
		c.logs = []logName{{id: "all", all: opened.Log()}}
	}
	return nil
}

// mostGaps is how many gaps a note names.
const mostGaps = 3

// noteGaps prints a note about the parts of a window that an archive has nothing of.
func (c *connection) noteGaps(query auditlogs.Query, logs ...logName) {
	if c.archive == nil {
		return
	}
	var gaps []string
	for _, log := range logs {
		for _, gap := range c.archive.Gaps(log.of(c.client), query) {
			gaps = append(gaps, gap.String())
		}
	}
	if more := len(gaps) - mostGaps; more > 0 {
		gaps = append(gaps[:mostGaps], fmt.Sprintf("and %d more times", more))
	}
	if gaps != nil {
		c.env.note("these parts of the window are not in the archive, and the answer lacks their entries: %s", clean(strings.Join(gaps, "; ")))
	}
}

// archivedEntries reads all entries of archives, byte for byte.
func archivedEntries(ctx context.Context, paths []string) (entries []any, err error) {
	opened, err := archive.Open(paths...)
	if err != nil {
		return nil, err
	}
	everything := auditlogs.Query{Since: "0001-01-01", Before: "9999-12-31"}
	for entry, err := range opened.Entries(ctx, everything) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry.Raw)
	}
	return entries, nil
}
