package command

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogstest"
)

const (
	// chunk is repeated to make large bodies out of little work.
	chunk = 1 << 20
	// chunks of them are 3 GB.
	chunks = 3 << 30 / chunk
	// brackets of them are as many as an answer may inflate to, but for a few bytes: 47 MB.
	brackets = 47
	// mostMemory bounds what the program may take at its peak, in bytes.
	mostMemory = 200 << 20
)

// A bomb is gzip that inflates to far more than its own size. It is assembled from ready parts:
// deflate blocks that end on a byte and refer to nothing before themselves can be repeated in a
// stream any number of times.
type bomb struct {
	head, repeated, tail []byte
	times                int
}

// writeTo writes the whole of the gzip.
func (b *bomb) writeTo(w io.Writer) {
	if _, err := w.Write(b.head); err != nil {
		return
	}
	for range b.times {
		if _, err := w.Write(b.repeated); err != nil {
			return
		}
	}
	_, _ = w.Write(b.tail)
}

const (
	// An answer whose only string is to be filled.
	answerHead = `{"success":true,"errors":[],"messages":[],"result":[{"id":"`
	answerTail = `"}],"result_info":{"cursor":null}}`
)

var gzipHead = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

// deflated compresses a text to blocks of its own. Only the last ones end the stream.
func deflated(text string, last bool) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestSpeed)
	_, _ = io.WriteString(w, text)
	if last {
		_ = w.Close()
	} else {
		_ = w.Flush()
	}
	return out.Bytes()
}

// gzipTail is the checksum and the size at the end of a stream.
func gzipTail(sum uint32, size uint64) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, sum), uint32(size))
}

// oneMember is gzip whose stream has a single member: a head, a byte that fills so many chunks, and
// a tail.
func oneMember(head, filler string, times int, tail string) *bomb {
	filled := strings.Repeat(filler, chunk)
	sum := crc32.ChecksumIEEE([]byte(head))
	for range times {
		sum = crc32.Update(sum, crc32.IEEETable, []byte(filled))
	}
	sum = crc32.Update(sum, crc32.IEEETable, []byte(tail))
	return &bomb{
		head:     append(bytes.Clone(gzipHead), deflated(head, false)...),
		repeated: deflated(filled, false),
		times:    times,
		tail:     append(deflated(tail, true), gzipTail(sum, uint64(len(head)+times*len(filled)+len(tail)))...),
	}
}

// manyMembers is a bomb whose stream has a member for each chunk.
func manyMembers() *bomb {
	member := func(text string) []byte {
		whole := append(bytes.Clone(gzipHead), deflated(text, true)...)
		return append(whole, gzipTail(crc32.ChecksumIEEE([]byte(text)), uint64(len(text)))...)
	}
	return &bomb{head: member(answerHead), repeated: member(strings.Repeat(" ", chunk)), times: chunks, tail: member(answerTail)}
}

// buildProgram builds the program as its users have it. With the race detector, it would take many
// times the memory.
func buildProgram(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "cfaudit")
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	build := exec.Command("go", "build", "-o", name, "./cmd/cfaudit")
	build.Dir = filepath.Join("..", "..")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, output)
	}
	return name
}

// TestBounds runs the program against services that send more, or for longer, than is useful. It
// ends within seconds, names the bound that was exceeded, and stays within the memory bound.
func TestBounds(t *testing.T) {
	closed := func(depth int) []byte {
		return []byte(`{"success":true,"result":[{"id":"deep","x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}]}`)
	}
	plain := func(body []byte) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = w.Write(body) }
	}
	zipped := func(write func(io.Writer)) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			write(w)
		}
	}
	tests := []struct {
		name  string
		large bool
		args  []string
		send  func() func(http.ResponseWriter)
		says  string
	}{
		{name: "gzip bomb of one member", large: true, says: "Limits.Inflated",
			send: func() func(http.ResponseWriter) {
				return zipped(oneMember(answerHead, " ", chunks, answerTail).writeTo)
			}},
		{name: "gzip bomb of many members", large: true, says: "Limits.Inflated",
			send: func() func(http.ResponseWriter) { return zipped(manyMembers().writeTo) }},
		{name: "body that drips", args: []string{"--timeout", "3s", "--retries", "0"}, says: "no whole answer within 3s",
			send: func() func(http.ResponseWriter) { return drip }},
		{name: "body without an end", says: "Limits.Body", send: func() func(http.ResponseWriter) { return endless }},
		{name: "body of brackets", says: "Limits.Body",
			send: func() func(http.ResponseWriter) { return plain(bytes.Repeat([]byte{'['}, 50_000_000)) }},
		{name: "gzip of brackets", says: "Limits.Depth",
			send: func() func(http.ResponseWriter) { return zipped(oneMember("", "[", brackets, "").writeTo) }},
		{name: "gzip of brackets for entries", says: "Limits.Depth",
			send: func() func(http.ResponseWriter) {
				return zipped(oneMember(`{"success":true,"result":`, "[", brackets, "").writeTo)
			}},
		{name: "entry deeper than the decoder goes", says: "Limits.Depth",
			send: func() func(http.ResponseWriter) { return plain(closed(1_000_000)) }},
		{name: "gzip of empty entries", says: "Limits.Entries",
			send: func() func(http.ResponseWriter) {
				return zipped(oneMember(`{"success":true,"result":[{}`, ",{}", brackets/3, "]}").writeTo)
			}},
		{name: "entry deeper than allowed", says: "Limits.Depth", send: func() func(http.ResponseWriter) { return plain(closed(2000)) }},
	}
	program := buildProgram(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.large && testing.Short() {
				t.Skip("the body is large")
			}
			send := test.send()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				send(w)
			}))
			defer server.Close()
			cmd, peakOf := measured(program, append([]string{"list", "--since", "2024-10-01", "--before", "2024-10-31",
				"--base-url", server.URL + "/client/v4", "--account", auditlogstest.AccountID}, test.args...)...)
			cmd.Env = append(cmd.Env, "CLOUDFLARE_API_TOKEN="+token, "HOME="+t.TempDir(), "SYSTEMROOT="+os.Getenv("SYSTEMROOT"))
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			start := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// Much longer than it takes, so that a busy machine does not matter.
			timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait()
			inTime := timer.Stop()
			took := time.Since(start)
			switch code := cmd.ProcessState.ExitCode(); {
			case !inTime:
				t.Errorf("still running after %s", took)
			case code != 1:
				t.Errorf("exit %d, want 1", code)
			}
			if out.Len() > 0 {
				t.Errorf("standard output holds %d bytes", out.Len())
			}
			if !strings.Contains(errs.String(), test.says) || errs.Len() > 4096 {
				t.Errorf("the error does not say %q in a few lines", test.says)
			}
			peak, known := peakOf()
			switch {
			case runtime.GOOS == "linux" && !known:
				t.Error("its memory was not measured")
			case known && peak > mostMemory:
				t.Errorf("took %d MB at its peak, want at most %d MB", peak>>20, mostMemory>>20)
			}
			t.Logf("%s, peak %d MB: %s", took.Round(time.Millisecond), peak>>20, errs.String()[:min(errs.Len(), 600)])
		})
	}
}

// drip sends the start of an answer, a byte a second, until the client has gone.
func drip(w http.ResponseWriter) {
	for {
		if _, err := io.WriteString(w, " "); err != nil {
			return
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// endless sends the start of an answer until the client has gone.
func endless(w http.ResponseWriter) {
	spaces := bytes.Repeat([]byte{' '}, chunk)
	for {
		if _, err := w.Write(spaces); err != nil {
			return
		}
	}
}
