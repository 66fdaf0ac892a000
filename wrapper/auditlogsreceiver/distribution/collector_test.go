package distribution

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// collector returns the path of the built collector.
func collector(t testing.TB) string {
	t.Helper()
	path := os.Getenv("CFAUDIT_COLLECTOR")
	if path == "" {
		t.Skip("CFAUDIT_COLLECTOR is not set: make collector sets it")
	}
	return path
}

// What the collector of this folder lacks, and the examples with it name.
var others = []string{"splunk_hec", "elasticsearch", "transform", "file"}

// Each example is valid. In those that name components which are not built here, the exporter debug
// stands for theirs.
func TestExamplesAreValid(t *testing.T) {
	program := collector(t)
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := validate(t, program, without(t, text)); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			// It is the receiver's own validation that counts.
			wrong := strings.Replace(string(text), "storage: file_storage\n", "storage: file_storage\n    settle: -1s\n", 1)
			if wrong == string(text) {
				wrong = strings.Replace(string(text), "start: 1h\n", "start: soon\n", 1)
			}
			if out, err := validate(t, program, without(t, []byte(wrong))); err == nil && strings.Contains(wrong, "cloudflare_audit:") {
				t.Errorf("a mistake is not refused\n%s", out)
			}
		})
	}
}

// without replaces the components that are not built here, and fails where there are none left.
func without(t *testing.T, text []byte) []byte {
	t.Helper()
	var c map[string]any
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(others, func(name string) bool { return strings.Contains(string(text), "\n  "+name+":\n") }) {
		return text
	}
	if !strings.Contains(string(text), "not validated") {
		t.Error("the example does not say that it is not validated as a whole")
	}
	delete(c, "processors")
	c["exporters"] = map[string]any{"debug": nil}
	logs := c["service"].(map[string]any)["pipelines"].(map[string]any)["logs"].(map[string]any)
	delete(logs, "processors")
	logs["exporters"] = []string{"debug"}
	out, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func validate(t *testing.T, program string, config []byte) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	// The folder of the state is made before it is needed.
	text := strings.ReplaceAll(string(config), "/var/lib/otelcol-cfaudit", filepath.Join(t.TempDir(), "state"))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "validate", "--config", path)
	const id = "4bb334f7c94c4a29a045f03944f072e5"
	cmd.Env = append(os.Environ(), "CLOUDFLARE_API_TOKEN=any", "CLOUDFLARE_ACCOUNT_ID="+id, "CLOUDFLARE_ORGANIZATION_ID="+id,
		"CLOUDFLARE_ORGANIZATION_TOKEN=other", "OTLP_ENDPOINT=http://localhost:4318", "SPLUNK_HEC_TOKEN=any", "ELASTICSEARCH_API_KEY=any")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
