package contract

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestUnitsAreHardened asks systemd how much the services that the packages install are exposed, from 0 to 10: below 2.
func TestUnitsAreHardened(t *testing.T) {
	units, err := filepath.Glob("../cmd/cfaudit/packaging/*.service")
	if err != nil || len(units) != 2 {
		t.Fatalf("want the units of follow and of export-days, and found %q, %v", units, err)
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
