package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"cfaudit.example/openapi"
)

func newVersion(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the command, of Go and of the contract",
		Long:  "Prints the version of the command, of the Go that built it, and of the API description that it was made from.",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			// A failure to write is noticed by run.
			fmt.Fprintf(out, "cfaudit %s\n%s %s/%s\ncontract %s\n",
				buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, openapi.Version())
			return nil
		},
	}
}

// buildVersion is the version that the go command has recorded in the binary.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
