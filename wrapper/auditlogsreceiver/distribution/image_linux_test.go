package distribution

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

// An image is what the last stage of the Dockerfile makes, as a folder.
type image struct {
	root                string
	entrypoint, command []string
}

// build follows the last stage of the Dockerfile. The stage before it is what make collector and
// make collector-licences have made here.
func build(t *testing.T) image {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, ok := strings.Cut(string(text), "\nFROM scratch\n")
	if !ok {
		t.Fatal("the last stage of the Dockerfile is not from scratch")
	}
	i := image{root: t.TempDir()}
	for line := range strings.Lines(last) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "COPY":
			i.copy(t, strings.Fields(rest))
		case "USER":
			if rest != "65532:65532" {
				t.Errorf("the user is %s", rest)
			}
		case "VOLUME":
			if info, err := os.Stat(filepath.Join(i.root, rest)); err != nil || info.Sys().(*syscall.Stat_t).Uid != 65532 {
				t.Errorf("the volume %s is not the user's: %v", rest, err)
			}
		case "ENTRYPOINT":
			err = json.Unmarshal([]byte(rest), &i.entrypoint)
		case "CMD":
			err = json.Unmarshal([]byte(rest), &i.command)
		default:
			t.Fatalf("%q is an instruction that this test does not know", line)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return i
}

func (i image) copy(t *testing.T, words []string) {
	t.Helper()
	staged, owned := false, false
	for ; strings.HasPrefix(words[0], "--"); words = words[1:] {
		staged = staged || words[0] == "--from=build"
		owned = owned || words[0] == "--chown=65532:65532"
	}
	if len(words) != 2 {
		t.Fatalf("COPY of %q: want one source and one target", words)
	}
	source, target := words[0], filepath.Join(i.root, words[1])
	switch {
	case source == "/state":
		source = t.TempDir()
	case strings.HasPrefix(source, "/source/"):
		source = filepath.Join("../../..", strings.TrimPrefix(source, "/source/"))
	case !staged:
		source = filepath.Join("../../..", source)
	}
	info, err := os.Stat(source)
	if os.IsNotExist(err) && strings.HasPrefix(source, "/etc/ssl/") {
		t.Logf("this system has no %s", source)
		return
	} else if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
		if err == nil {
			err = os.CopyFS(target, os.DirFS(source))
		}
	} else {
		if strings.HasSuffix(words[1], "/") {
			target = filepath.Join(target, filepath.Base(source))
		}
		i.write(t, target, source, info.Mode())
	}
	if err == nil && owned {
		err = os.Chown(target, 65532, 65532)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (i image) write(t *testing.T, target, source string, mode fs.FileMode) {
	t.Helper()
	text, err := os.ReadFile(source)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(target), 0o755)
	}
	if err == nil {
		err = os.WriteFile(target, text, mode.Perm())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// start runs the image as its user, who can write to the volume and nowhere else.
func (i image) start(t *testing.T, environment []string, arguments ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	// The folder of a test is only for who made it.
	for _, folder := range []string{i.root, filepath.Dir(i.root)} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), i.entrypoint[0], append(i.entrypoint[1:], arguments...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", environment, &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out
}

// TestImage runs the collector as its image does, with the example of the README.
func TestImage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may change the root")
	}
	collector(t)
	i := build(t)
	i.write(t, filepath.Join(i.root, i.command[len(i.command)-1]), "examples/otlp.yaml", 0o644)
	// What a container engine adds to each image.
	if err := os.WriteFile(filepath.Join(i.root, "etc/hosts"), []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	service := auditlogstest.NewServer(auditlogstest.WithHistory(auditlogstest.History{Entries: 1000}))
	defer service.Close()
	backend := newSink()
	backend.recover()
	server := httptest.NewServer(backend)
	defer server.Close()
	environment := []string{"CLOUDFLARE_API_TOKEN=any-token", "CLOUDFLARE_ACCOUNT_ID=" + auditlogstest.AccountID, "OTLP_ENDPOINT=" + server.URL}

	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"components"}, "cloudflare_audit"},
		{append([]string{"validate"}, i.command...), ""},
	} {
		cmd, out := i.start(t, environment, test.arguments...)
		if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), test.want) {
			t.Fatalf("%q: %v\n%s", test.arguments, err, out)
		}
	}

	cmd, out := i.start(t, environment, append(i.command, "--set=receivers::cloudflare_audit::endpoint="+service.URL)...)
	stored := service.Stored(time.Now().Add(-29*24*time.Hour), time.Now().Add(-time.Hour))
	for deadline := time.Now().Add(30 * time.Second); backend.missing(stored) > 0 && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil || len(stored) == 0 || backend.missing(stored) > 0 {
		t.Errorf("%v, and %d of %d entries are missing\n%s", err, backend.missing(stored), len(stored), out)
	}
	if state, err := os.ReadDir(filepath.Join(i.root, "var/lib/otelcol-cfaudit")); err != nil || len(state) == 0 {
		t.Errorf("the volume has no state: %v", err)
	}
}

// TestLicences looks for the licence of each module that the collector is built from.
func TestLicences(t *testing.T) {
	info, err := buildinfo.ReadFile(collector(t))
	if err != nil {
		t.Fatal(err)
	}
	licence := regexp.MustCompile(`(?i)^(licen[cs]e|copying)`)
	missing := func(module string) bool {
		entries, err := os.ReadDir(filepath.Join("../../../bin/collector/licences", module))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if licence.MatchString(entry.Name()) {
				return false
			}
		}
		return true
	}
	own := strings.TrimSuffix(info.Main.Path, "/bin/collector") // Its licence is the image's.
	if missing("go") {
		t.Error("the licence of Go is missing")
	}
	for _, module := range info.Deps {
		if module.Path != own && !strings.HasPrefix(module.Path, own+"/") && missing(module.Path) {
			t.Errorf("the licence of %s is missing", module.Path)
		}
	}
}
