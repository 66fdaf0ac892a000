package main

import (
	"context"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// An invocation is one run of a command.
type invocation struct {
	env *environment
	cmd *cobra.Command
}

// command completes a command: what it runs, the end of its help, and its flags. Unless it says
// which arguments it takes, it takes none.
func (i *invocation) command(
	env *environment, cmd *cobra.Command, footer string, run func(context.Context) error, flags []*flagValue,
) *cobra.Command {
	i.env = env
	cmd.Annotations = map[string]string{helpFooter: footer}
	if cmd.Args == nil {
		cmd.Args = noArguments
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		i.cmd = cmd
		return run(cmd.Context())
	}
	for _, flag := range flags {
		flag.addTo(cmd)
	}
	return cmd
}

// out is where data is printed. A failure to write to it is noticed by run, and need not be
// checked.
func (i *invocation) out() io.Writer { return i.cmd.OutOrStdout() }

// usage is a mistake in the command line or the environment.
func (i *invocation) usage(format string, args ...any) *exit { return usage(i.cmd, format, args...) }

// given reports whether the command line has a flag.
func (i *invocation) given(flag string) bool { return i.cmd.Flags().Changed(flag) }

// otherFlags lists the flags of the command line, except those named.
func (i *invocation) otherFlags(except ...string) (names []string) {
	i.cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(except, f.Name) {
			names = append(names, "--"+f.Name)
		}
	})
	return names
}

// again is this command line, without the flags named.
func (i *invocation) again(except ...string) string { return i.line(i.givenFlags(except...)...) }

// line is this command with its arguments and some flags, for the user to run. Arguments that were
// given after "--" may look like flags, and so come last.
func (i *invocation) line(flags ...string) string {
	var arguments []string
	for _, argument := range i.cmd.Flags().Args() {
		arguments = append(arguments, shellQuote(argument))
	}
	if i.cmd.ArgsLenAtDash() >= 0 {
		return commandLine(i.cmd.Name(), slices.Concat(flags, []string{"--"}, arguments)...)
	}
	return commandLine(i.cmd.Name(), slices.Concat(arguments, flags)...)
}

func commandLine(command string, words ...string) string {
	return strings.Join(append([]string{"cfaudit", command}, words...), " ")
}

// givenFlags lists the flags of the command line, except those named, quoted for another command
// line.
func (i *invocation) givenFlags(except ...string) (words []string) {
	i.cmd.Flags().Visit(func(f *pflag.Flag) {
		v, ok := f.Value.(*flagValue)
		if !ok || slices.Contains(except, f.Name) {
			return
		}
		for _, value := range v.given {
			switch {
			case v.placeholder != "":
				words = append(words, "--"+f.Name, shellQuote(value))
			case value == f.NoOptDefVal:
				words = append(words, "--"+f.Name)
			default:
				words = append(words, "--"+f.Name+"="+value)
			}
		}
	})
	return words
}

// plainWord matches what is one word for a shell, as it is.
var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// shellQuote returns text as one word for a shell.
func shellQuote(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// pathWord returns a path as one word for a shell, which no command takes for a flag.
func pathWord(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	return shellQuote(path)
}
