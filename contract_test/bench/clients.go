//go:build unix

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cloudflare/cloudflare-go/v7"
	"github.com/cloudflare/cloudflare-go/v7/accounts"
	"github.com/cloudflare/cloudflare-go/v7/option"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// A client lists everything at a base URL once, and looks at what a program would look at.
type client func(base string) sum

// A sum is what was read: that it is the same for all clients shows that they did the same.
type sum struct {
	Entries  int
	RawBytes int
	Typed    int // bytes of some of the typed fields
}

var clients = map[string]client{
	"nothing": discard,
	"cfaudit": listWithCfaudit,
	"sdk": func(base string) sum {
		s, err := listWithSDK(base, since, before)
		if err != nil {
			fatal("%v", err)
		}
		return s
	},
	"sdk-minutes": func(base string) sum {
		noon := since.Add(12 * time.Hour)
		s, _ := listWithSDK(base, noon, noon.Add(5*time.Minute)) // It is refused; what counts is what it asks for.
		return s
	},
}

func listWithCfaudit(base string) (s sum) {
	c, err := auditlogs.New("token", auditlogs.WithBaseURL(base), auditlogs.WithRate(0))
	if err != nil {
		fatal("%v", err)
	}
	query := auditlogs.Query{Since: auditlogs.Time(since), Before: auditlogs.Time(before)}
	for entry, err := range c.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		if err != nil {
			fatal("%v", err)
		}
		if entry.Err() != nil || entry.Action.Time.IsZero() {
			fatal("%s: %v", entry.Raw, entry.Err())
		}
		s.Entries++
		s.RawBytes += len(entry.Raw)
		s.Typed += len(entry.ID) + len(entry.Actor.Email) + len(entry.Action.Description) + len(entry.Resource.Request)
	}
	return s
}

func listWithSDK(base string, since, before time.Time) (s sum, err error) {
	c := cloudflare.NewClient(option.WithAPIToken("token"), option.WithBaseURL(base+"/"), option.WithMaxRetries(0))
	pages := c.Accounts.Logs.Audit.ListAutoPaging(context.Background(), accounts.LogAuditListParams{
		AccountID: cloudflare.F(auditlogstest.AccountID),
		Since:     cloudflare.F(since),
		Before:    cloudflare.F(before),
		Direction: cloudflare.F(accounts.LogAuditListParamsDirectionAsc),
		Limit:     cloudflare.F(1000.0),
	})
	for pages.Next() {
		entry := pages.Current()
		s.Entries++
		s.RawBytes += len(entry.JSON.RawJSON())
		s.Typed += len(entry.ID) + len(entry.Actor.Email) + len(entry.Action.Description) + len(entry.Resource.JSON.Request.Raw())
		if entry.Action.Time.IsZero() {
			fatal("%s has no time", entry.JSON.RawJSON())
		}
	}
	return s, pages.Err()
}

// discard follows the cursors and looks at nothing else.
func discard(base string) (s sum) {
	address := base + "/accounts/" + auditlogstest.AccountID + "/logs/audit?limit=1000&direction=asc&since=2024-10-01&before=2024-10-31"
	next := address
	for next != "" {
		request, err := http.NewRequest(http.MethodGet, next, nil)
		if err != nil {
			fatal("%v", err)
		}
		request.Header.Set("Authorization", "Bearer token")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fatal("%v", err)
		}
		next = ""
		// The cursor is in the last few bytes.
		tail := make([]byte, 0, 1<<10)
		buffer := make([]byte, 64<<10)
		for {
			n, err := response.Body.Read(buffer)
			tail = append(tail, buffer[max(0, n-512):n]...)
			tail = tail[max(0, len(tail)-512):]
			if err == io.EOF {
				break
			}
			if err != nil {
				fatal("%v", err)
			}
		}
		_ = response.Body.Close()
		if _, text, ok := strings.Cut(string(tail), `"after":"`); ok {
			cursor, _, _ := strings.Cut(text, `"`)
			next = address + "&cursor=" + cursor
		}
	}
	return s
}

// figures are one run's, for all entries together.
type figures struct {
	sum
	CPU         float64 // nanoseconds
	Wall        float64 // nanoseconds
	Allocated   float64 // bytes
	Allocations float64
}

// report runs a client, and prints what it took from the first request to the last entry.
func report(name, base string) {
	list := clients[name]
	var from, to runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&from)
	began, used := time.Now(), cpu()
	read := list(base)
	f := figures{sum: read, Wall: float64(time.Since(began)), CPU: float64(cpu() - used)}
	runtime.ReadMemStats(&to)
	f.Allocated, f.Allocations = float64(to.TotalAlloc-from.TotalAlloc), float64(to.Mallocs-from.Mallocs)
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		fatal("%v", err)
	}
}

// cpu is how long this process has computed, for itself and in the system.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fatal("%v", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// median takes each figure's median by itself.
func median(runs []figures) figures {
	middle := func(of func(figures) float64) float64 {
		var values []float64
		for _, run := range runs {
			values = append(values, of(run))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figures{
		sum:         runs[0].sum,
		CPU:         middle(func(f figures) float64 { return f.CPU }),
		Wall:        middle(func(f figures) float64 { return f.Wall }),
		Allocated:   middle(func(f figures) float64 { return f.Allocated }),
		Allocations: middle(func(f figures) float64 { return f.Allocations }),
	}
}
