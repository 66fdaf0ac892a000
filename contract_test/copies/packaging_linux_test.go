package copies

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestUnitsAreHardened asks systemd how much the services that the packages install are exposed,
// from 0 to 10: below 2.
func TestUnitsAreHardened(t *testing.T) {
	units, err := filepath.Glob("../../cmd/cfaudit/packaging/*.service")
	if err != nil || len(units) != 2 {
		t.Fatalf("want the units of follow and of archive, and found %q, %v", units, err)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	for _, unit := range units {
		// The threshold is in tenths.
		out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=19", "--no-pager", unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}

// TestRunsInAnEmptyRoot runs the program as its image does: in a root that has nothing else, as a
// user that is not root and cannot write anywhere.
func TestRunsInAnEmptyRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may change the root")
	}
	root := t.TempDir()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("CGO_ENABLED", "0")
	run(t, repository, "go", "build", "-trimpath", "-o", filepath.Join(root, "cfaudit"), "./cmd/cfaudit")
	if err := os.Chmod(root, 0o555); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/cfaudit", "list", "--demo", "--since", "24h", "--format", "ndjson")
	cmd.Dir = "/"
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || bytes.Count(out, []byte("\n")) < 100 {
		t.Errorf("%v, %d lines\n%s", err, bytes.Count(out, []byte("\n")), stderr.String())
	}
}
