package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/archive"
)

const archiveFlagName = "archive"

func (c *connection) archiveFlag() *flagValue {
	return &flagValue{
		name: archiveFlagName, placeholder: "PATH", group: groupConnection, repeated: true, files: true,
		help: "read what export, follow and archive wrote, a folder or a file, instead of asking the service; needs no token and no account; can be repeated",
		want: "a folder or a file that exists, such as audit/ or october.ndjson.gz",
		set: func(value string) bool {
			c.archives = append(c.archives, value)
			_, err := os.Stat(value)
			return err == nil
		},
	}
}

// checkArchive refuses flags that say how to reach the service.
func (c *connection) checkArchive(cmd *cobra.Command) (problem *exit) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch v, ok := f.Value.(*flagValue); {
		case !ok || problem != nil || f.Name == archiveFlagName || f.Name == "account" || f.Name == "organization":
		case v.group == groupConnection || f.Name == parallelName:
			problem = usage(cmd, "--%s and --%s exclude each other: an archive is read without the service", f.Name, archiveFlagName)
		}
	})
	return problem
}

// openArchive returns a client that reads the archive. Without --account and --organization, that
// is all of its logs together.
func (c *connection) openArchive() (*auditlogs.Client, error) {
	opened, err := archive.Open(c.archives...)
	if err != nil {
		return nil, &exit{code: exitIncomplete, text: clean(err.Error())}
	}
	if c.logs == nil {
		c.logs = []logName{{all: opened.Log()}}
	}
	return opened.Client(), nil
}
