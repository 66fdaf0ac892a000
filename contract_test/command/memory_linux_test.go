package command

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// measuring is set where this program, the tests, only stands between the tests and a program whose
// memory is measured.
const measuring = "CFAUDIT_TEST_MEASURING"

// Linux counts towards a process's peak what its parent held when it started it. Therefore the
// parent must be small: these tests once more, before any of them runs.
func init() {
	if os.Getenv(measuring) == "" {
		return
	}
	runtime.LockOSThread() // Pdeathsig is about the thread that starts the process.
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	_ = cmd.Run()
	if usage, known := cmd.ProcessState.SysUsage().(*syscall.Rusage); known {
		fmt.Fprint(os.NewFile(3, "peak"), usage.Maxrss<<10)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

// measured makes a command for a program. Once that has ended, peak returns how many bytes it took
// at most.
func measured(program string, args ...string) (cmd *exec.Cmd, peak func() (bytes int64, known bool)) {
	own, err := os.Executable()
	if err != nil {
		return exec.Command(program, args...), func() (int64, bool) { return 0, false }
	}
	in, out, err := os.Pipe()
	if err != nil {
		return exec.Command(program, args...), func() (int64, bool) { return 0, false }
	}
	cmd = exec.Command(own, append([]string{program}, args...)...)
	cmd.Env = []string{measuring + "=1"}
	cmd.ExtraFiles = []*os.File{out}
	return cmd, func() (int64, bool) {
		_ = out.Close()
		text, _ := io.ReadAll(in)
		_ = in.Close()
		bytes, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return bytes, err == nil
	}
}
