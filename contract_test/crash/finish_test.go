package crash

import (
	"os/exec"
	"strings"
)

func finish(cmd *exec.Cmd) (code int, stderr string) {
	var errs strings.Builder
	cmd.Stderr = &errs
	_ = cmd.Run() // The state says it all.
	return cmd.ProcessState.ExitCode(), errs.String()
}
