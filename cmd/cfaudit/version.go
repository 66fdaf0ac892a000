package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

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
				buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, contractVersion(openapi.Contract))
			return nil
		},
	}
}

// buildVersion is the version that the go command has put into the program.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// contractVersion finds info.version in the contract. The contract is this project's own, written in block style, so that
// its lines are enough.
func contractVersion(contract []byte) string {
	inside := false
	for line := range bytes.Lines(contract) {
		text := strings.TrimRight(string(line), " \r\n")
		switch {
		case text == "info:":
			inside = true
		case inside && strings.HasPrefix(text, "  version:"):
			return strings.Trim(strings.TrimSpace(strings.TrimPrefix(text, "  version:")), `"'`)
		case inside && text != "" && text[0] != ' ' && text[0] != '#':
			inside = false
		}
	}
	return "unknown"
}
