package consumer_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"consumer.example"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

func TestDeletedZones(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t))
	defer server.Close()
	server.Add(`{"action":{"time":"2024-10-30T12:00:00Z","type":"delete"},"resource":{"type":"zone"},"zone":{"name":"example.com"}}`,
		`{"action":{"time":"2024-10-30T13:00:00Z","type":"create"},"resource":{"type":"zone"},"zone":{"name":"example.net"}}`)
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}
	names, err := consumer.DeletedZones(t.Context(), client, auditlogstest.AccountID, auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"})
	if err != nil || !slices.Equal(names, []string{"example.com"}) {
		t.Errorf("%v, %v", names, err)
	}
}

// What importing the library costs is written down in budget.txt. It may shrink; to let it grow is
// a decision.
func TestBudget(t *testing.T) {
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	spent := map[string]int{
		"modules":      len(goList(t, "-m", "all")) - 2, // without this one and the library
		"packages":     outside(goList(t, "-deps", ".")),
		"go.sum lines": bytes.Count(sums, []byte("\n")),
	}
	file, err := os.ReadFile("budget.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		name, number, _ := strings.Cut(line, ":")
		var allowed int
		if _, err := fmt.Sscan(number, &allowed); err != nil {
			t.Fatalf("budget.txt: %q: %v", line, err)
		}
		got, known := spent[name]
		if !known {
			t.Fatalf("budget.txt: %q is nothing that is counted", name)
		}
		delete(spent, name)
		t.Logf("%s: %d of %d", name, got, allowed)
		if got > allowed {
			t.Errorf("%s: %d, and budget.txt allows %d", name, got, allowed)
		}
	}
	if len(spent) > 0 {
		t.Errorf("budget.txt does not limit %v", spent)
	}
}

func goList(t *testing.T, arguments ...string) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list"}, arguments...)...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(strings.ReplaceAll(string(out), " ", "_"))
}

// outside counts the packages that are neither the standard library's nor ours.
func outside(packages []string) (n int) {
	for _, path := range packages {
		first, _, _ := strings.Cut(path, "/")
		if strings.Contains(first, ".") && !strings.HasSuffix(first, ".example") {
			n++
		}
	}
	return n
}
