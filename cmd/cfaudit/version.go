package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"cfaudit.example/openapi"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the command, of Go and of the contract",
		Long: "Prints the version of the command, the commit it was built from and when that was made, the Go that built it, and the version of " +
			"the API description that it was made from. A commit is unknown where the command was built from a module and not from a clone.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := thisBuild()
			// A failure to write is noticed by run.
			fmt.Fprintf(cmd.OutOrStdout(), "cfaudit %s\ncommit %s\ndate %s\n%s %s/%s\ncontract %s\n",
				b.version, b.commit, b.date, runtime.Version(), runtime.GOOS, runtime.GOARCH, openapi.Version())
			return nil
		},
	}
}

// A build identifies the source of the program.
type build struct{ version, commit, date string }

// thisBuild is what the go command has recorded in the binary.
func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	return buildOf(cmp.Or(info, new(debug.BuildInfo)))
}

func buildOf(info *debug.BuildInfo) build {
	b := build{version: "devel", commit: "unknown", date: "unknown"}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.version = v
	}
	modified := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.commit = s.Value
		case s.Key == "vcs.time":
			b.date = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", with changes"
		}
	}
	b.commit += modified
	return b
}
