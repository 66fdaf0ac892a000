package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"cfaudit.example/wrapper/auditlogstest"
)

const groupServer = "Server"

// A serving is one run of "cfaudit serve".
type serving struct {
	invocation
	address  string
	entries  int
	seed     uint64
	load     string
	archives []string
	accounts []string
	latency  time.Duration
	pageCap  int
	verbose  bool
}

func newServe(env *environment) *cobra.Command {
	s := &serving{address: "127.0.0.1:8790", entries: demoEntries}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a fake of the API, for programs in any language",
		Long: "Runs a fake of the audit log API until it is interrupted. It is strict about what the contract allows, and holds " +
			"made-up entries of the last 30 days, or those of a file or an archive. Made-up entries appear 167 to 450 seconds after their time, " +
			"as was measured of the service; those of files are there at once. Every token is good.",
		Example: "  cfaudit serve\n" +
			"  cfaudit serve --addr 127.0.0.1:0 --load entries.ndjson --page-cap 100\n" +
			"  cfaudit serve --archive audit/",
	}
	run := func(ctx context.Context) error {
		if err := s.run(ctx); err != nil {
			return failed(ctx, err)
		}
		return nil
	}
	return s.command(env, cmd, serveFooter, run, s.flags())
}

const serveFooter = `Output
The base URL is printed as a single line once requests can come.

Exit status
0: stopped by an interrupt. 1: a file or the address is not usable. 2: wrong usage.`

func (s *serving) flags() []*flagValue {
	return []*flagValue{
		{
			name: "addr", placeholder: "HOST:PORT", group: groupServer, byDefault: s.address,
			help: "the address to listen on; port 0 takes a free one",
			want: "a host and a port, such as 127.0.0.1:8790",
			set: func(value string) bool {
				s.address = value
				_, port, err := net.SplitHostPort(value)
				if err != nil {
					return false
				}
				_, err = strconv.ParseUint(port, 10, 16)
				return err == nil
			},
		},
		{
			name: "entries", placeholder: "N", group: groupServer,
			byDefault: fmt.Sprintf("%d, or none with --load or --archive", demoEntries),
			help:      "how many entries to make up",
			want:      "a whole number from 0 to 10000000, such as 5000",
			set:       whole(&s.entries, 0, 10_000_000),
		},
		{
			name: "seed", placeholder: "N", group: groupServer, byDefault: "0",
			help: "makes other entries up",
			want: "a whole number from 0, such as 7",
			set: func(value string) bool {
				var err error
				s.seed, err = strconv.ParseUint(value, 10, 64)
				return err == nil
			},
		},
		fileFlag("load", groupServer,
			"serve the entries of a file, one JSON object on each line, byte for byte; a name that ends in .gz or .zst is unpacked",
			"the name of a file", &s.load),
		{
			name: archiveFlagName, placeholder: "PATH", group: groupServer, repeated: true, files: true,
			help: "serve the entries of what export, follow and archive wrote, a folder or a file, all of them for any account; can be repeated",
			want: archiveWanted,
			set:  existing(&s.archives),
		},
		{
			name: "account", placeholder: "ID", group: groupServer, repeated: true, byDefault: "any",
			help: "an account that exists, and no other does; can be repeated",
			want: described("account_id").Wanted(),
			set: func(value string) bool {
				s.accounts = append(s.accounts, value)
				return described("account_id").Check(value) == nil
			},
		},
		{
			name: "latency", placeholder: "DURATION", group: groupServer, byDefault: "0s",
			help: "how long each answer waits",
			want: "a length of time, such as 200ms",
			set:  parsed(&s.latency, time.ParseDuration, func(d time.Duration) bool { return d >= 0 }),
		},
		{
			name: "page-cap", placeholder: "N", group: groupServer, byDefault: "none",
			help: "entries on a page at most, whatever is asked for",
			want: "a whole number from 1, such as 100",
			set:  whole(&s.pageCap, 1, 0),
		},
		verboseFlag(groupServer, &s.verbose),
	}
}

func (s *serving) run(ctx context.Context) error {
	var loaded []any
	if s.load != "" {
		var err error
		if loaded, err = loadEntries(s.load); err != nil {
			return err
		}
	}
	if s.archives != nil {
		archived, err := archivedEntries(ctx, s.archives)
		if err != nil {
			return err
		}
		loaded = append(loaded, archived...)
	}
	if s.ofFiles() && !s.given("entries") {
		s.entries = 0
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	fake := s.newFake(loaded)
	defer fake.Close()
	server := &http.Server{
		Handler:           fake,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(s.env.stderr, "", 0),
	}
	if s.verbose {
		server.Handler = s.logged(fake)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if err := s.announce(fake, listener.Addr().(*net.TCPAddr).AddrPort()); err != nil {
		_ = server.Close()
		return err
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// Answers under way may arrive; the fake's Close ends those that wait.
	closing, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(closing) != nil {
		fake.Close()
		_ = server.Close()
	}
	return nil
}

// ofFiles reports whether entries of files are served, which are there at once.
func (s *serving) ofFiles() bool { return s.load != "" || s.archives != nil }

func (s *serving) newFake(loaded []any) *auditlogstest.Server {
	history := demoHistory(s.env.now(), s.entries, s.seed)
	// Unlike a listing, a request here may well ask for the rest of today.
	history.Before = s.env.now().UTC()
	options := []auditlogstest.Option{auditlogstest.WithHistory(history), auditlogstest.WithLatency(s.latency)}
	if !s.ofFiles() {
		options = append(options, auditlogstest.WithLateness(auditlogstest.MeasuredLateness))
	}
	if s.accounts != nil {
		options = append(options, auditlogstest.WithAccounts(s.accounts...))
	}
	if s.pageCap > 0 {
		options = append(options, auditlogstest.WithMaxPageSize(s.pageCap))
	}
	// Nothing reads the request log of this server, and it may run for long.
	fake := auditlogstest.NewServer(append(options, auditlogstest.WithRequestLog(1))...)
	fake.Add(loaded...)
	return fake
}

// announce prints the base URL and how to use it.
func (s *serving) announce(fake *auditlogstest.Server, address netip.AddrPort) error {
	ip := address.Addr().Unmap()
	if !ip.IsLoopback() {
		s.env.note("%s can be reached from other machines", address)
	}
	if ip.IsUnspecified() {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	base, _ := url.Parse(fake.URL) // It is one.
	base.Host = netip.AddrPortFrom(ip, address.Port()).String()
	account := auditlogstest.AccountID
	if s.accounts != nil {
		account = s.accounts[0]
	}
	fmt.Fprintf(s.env.stderr, "use it with: CLOUDFLARE_API_TOKEN=any cfaudit list --base-url %s --account %s --since 7d\nstop it with an interrupt (Ctrl-C)\n",
		base, account)
	if _, err := fmt.Fprintln(s.out(), base); err != nil && !closedPipe(err) {
		return errors.New(writeFailed(err))
	}
	return nil
}

// logged logs each request once it is answered.
func (s *serving) logged(next http.Handler) http.Handler {
	logger := log.New(s.env.stderr, "", log.LstdFlags|log.LUTC)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Deferred, since the fake breaks connections with a panic.
		recorder := &statusRecorder{ResponseWriter: w}
		defer func() { logger.Printf("%s %s: %d", r.Method, clean(r.URL.RequestURI()), recorder.status) }()
		next.ServeHTTP(recorder, r)
	})
}

// A statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// unpacked decompresses a file by the ending of its name.
func unpacked(file *os.File) (io.Reader, error) {
	switch filepath.Ext(file.Name()) {
	case ".gz":
		return gzip.NewReader(file)
	case ".zst":
		return zstd.NewReader(file, zstd.WithDecoderConcurrency(1)) // With one, there is nothing to close.
	}
	return file, nil
}

// loadEntries reads a file of entries, one on each line. Empty lines are skipped.
func loadEntries(name string) ([]any, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := unpacked(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var entries []any
	reader := bufio.NewReader(content)
	for number := 1; ; number++ {
		text, err := reader.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: line %d: %w", name, number, err)
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			if text[0] != '{' || !json.Valid(text) {
				return nil, fmt.Errorf("%s: line %d is not a JSON object: want one entry on each line", name, number)
			}
			entries = append(entries, json.RawMessage(text))
		}
		if err != nil {
			return entries, nil
		}
	}
}
