package simulation

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogs/follow"
)

// This file is all that calls the library.

const account = "0123456789abcdef0123456789abcdef"

// enough is more virtual time than any leg takes.
const enough = 30 * 24 * time.Hour

var errStopped = errors.New("stopped by the scenario")

// run runs a scenario in a bubble.
func (s *scenario) run(t *testing.T) (v *verdict, j *journal, err error) {
	synctest.Test(t, func(*testing.T) {
		// A panic would end the process here, and nobody would see the scenario.
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		rules := newService(s.traits, s.seed, s.records)
		if s.what == "follow" {
			rules.most *= 10 // A look-back reads the same pages again.
		}
		j, err = s.read(rules)
		synctest.Wait()
		j.shown, j.requests, j.took = rules.shown, rules.requests, time.Since(bubbleStart)
		if err == nil && rules.requests > rules.most {
			err = errors.New(tooMany) // A follower waits when it is refused.
		}
		if err == nil {
			v = s.judge(rules, j)
			err = v.err()
		}
	})
	return v, j, err
}

func (s *scenario) read(service *service) (*journal, error) {
	client, err := auditlogs.New("token-of-the-simulation", auditlogs.WithHTTPClient(&http.Client{Transport: service}),
		auditlogs.WithRate(s.rate), auditlogs.WithRetry(8, 0, 0), auditlogs.WithLimits(auditlogs.Limits{Remembered: s.remembered}))
	j := &journal{}
	if err != nil {
		return j, err
	}
	switch s.what {
	case "export":
		return j, s.export(client, j)
	case "follow":
		return j, s.follow(client, j)
	}
	return j, s.list(client, j)
}

func (s *scenario) query() auditlogs.Query {
	q := auditlogs.Query{Since: auditlogs.Time(s.since), Before: auditlogs.Time(s.before), Limit: &s.limit}
	if s.descends {
		q.Direction = new("desc")
	}
	return q
}

// list lists from leg to leg, each resumed through the text of the position where the one before
// ended. A leg that ends with an error is resumed in the same way.
func (s *scenario) list(client *auditlogs.Client, j *journal) error {
	place, stuck := "", 0
	for i := 0; ; {
		l := s.legs[min(i, len(s.legs)-1)]
		position, err := auditlogs.ParsePosition(place)
		if err != nil {
			return err
		}
		next, done, err := s.leg(client, l, position, j)
		j.ends = append(j.ends, len(j.delivered))
		var incomplete *auditlogs.IncompleteError
		var answered *auditlogs.Error
		switch {
		case err == nil && done:
			return nil
		case err == nil:
			i++
		case !errors.As(err, &incomplete):
			return fmt.Errorf("not an IncompleteError: %w", err)
		case isTooMany(err):
			return err
		case !s.traits.documented() && !errors.As(err, &answered):
			// The error is about what the service gave, and would come again.
			j.told = err
			return nil
		default:
			if stuck++; stuck > len(s.traits.refuse)+s.patience() {
				return fmt.Errorf("the listing ends with an error again and again: %w", err)
			}
			next = incomplete.Position.String()
		}
		place = next
	}
}

// patience is how many errors of transient faults are resumed.
func (s *scenario) patience() int {
	if s.traits.faults > 0 {
		return 20
	}
	return 0
}

func (s *scenario) leg(client *auditlogs.Client, l leg, from auditlogs.Position, j *journal) (place string, done bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), enough)
	defer cancel()
	options := []auditlogs.ListOption{auditlogs.From(from), auditlogs.Prefetch(l.prefetch)}
	if l.parallel {
		options = append(options, auditlogs.Backfill())
	}
	taken := 0
	if !l.byPage {
		for entry, err := range client.Account(account).Entries(ctx, s.query(), options...) {
			if err != nil {
				return "", false, err
			}
			j.delivered = append(j.delivered, entry.ID)
			if taken++; taken == l.stop {
				return entry.Position().String(), false, nil
			}
		}
		return "", true, nil
	}
	for page, err := range client.Account(account).Pages(ctx, s.query(), options...) {
		if err != nil {
			return "", false, err
		}
		for _, entry := range page.Entries {
			j.delivered = append(j.delivered, entry.ID)
		}
		j.repeated += page.Repeated
		if taken += len(page.Entries); l.stop > 0 && taken >= l.stop && !page.Next.IsZero() {
			return page.Next.String(), false, nil
		}
	}
	return "", true, nil
}

// exportJob is the job of an export.
func (s *scenario) exportJob(client *auditlogs.Client, path string, l leg) export.Job {
	return export.Job{Log: client.Account(account), Query: s.query(), Path: path, Parallel: l.parallel}
}

// export exports to a file, which is read back. Each leg but the last is stopped from its report of
// progress.
func (s *scenario) export(client *auditlogs.Client, j *journal) error {
	dir, err := os.MkdirTemp(memoryDir(), "simulation")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "log.ndjson")
	stuck := 0
	for i := 0; ; {
		l := s.legs[min(i, len(s.legs)-1)]
		ctx, cancel := context.WithCancelCause(context.Background())
		job := s.exportJob(client, path, l)
		start, at := int64(-1), int64(0)
		job.Progress = func(p export.Progress) {
			at = p.Entries
			if start < 0 {
				start = at
			}
			if l.stop > 0 && at-start >= int64(l.stop) {
				cancel(errStopped)
			}
		}
		limited, free := context.WithTimeout(ctx, enough)
		result, err := export.Run(limited, job)
		free()
		cancel(nil)
		j.ends = append(j.ends, int(at))
		var answered *auditlogs.Error
		switch {
		case err == nil:
			j.repeated = int(result.Repeated)
			return j.readBack(path)
		case errors.Is(err, errStopped):
			i++
		case isTooMany(err):
			return err
		case !s.traits.documented() && !errors.As(err, &answered):
			j.told = err
			return nil
		default:
			if stuck++; stuck > len(s.traits.refuse)+s.patience() {
				return fmt.Errorf("the export ends with an error again and again: %w", err)
			}
		}
	}
}

func (j *journal) readBack(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var entry struct{ ID string }
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			return err
		}
		j.delivered = append(j.delivered, entry.ID)
	}
	return lines.Err()
}

// memoryDir is a folder in memory where there is one: an export waits for the disk again and again.
func memoryDir() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// follow follows until all that happens is settled.
func (s *scenario) follow(client *auditlogs.Client, j *journal) error {
	store := &memoryStore{}
	until := bubbleStart.Add(followed + 2*lookBack + 3*lookBackEvery)
	refused := len(s.traits.refuse)
	for i := 0; ; i++ {
		l := s.legs[min(i, len(s.legs)-1)]
		end := until
		if l.lasts > 0 {
			end = time.Now().Add(l.lasts)
		}
		query := auditlogs.Query{Since: auditlogs.Time(s.since), Limit: &s.limit}
		follower, err := follow.New(client.Account(account), query, store)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithDeadlineCause(context.Background(), end, errStopped)
		batches := 0
		err = follower.Run(ctx, func(_ context.Context, batch follow.Batch) error {
			if batches++; batches == l.refuse {
				return errStopped
			}
			for _, entry := range batch.Entries {
				j.delivered = append(j.delivered, entry.ID)
			}
			return nil
		})
		cancel()
		j.ends = append(j.ends, len(j.delivered))
		switch {
		case errors.Is(err, errStopped) && l.lasts == 0:
			return nil
		case errors.Is(err, errStopped):
		case errors.Is(err, auditlogs.ErrForbidden) && refused > 0 && !isTooMany(err):
			refused--
		default:
			return err
		}
		time.Sleep(max(l.pause, time.Second))
		until = latest(until, time.Now().Add(2*lookBack))
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// A memoryStore is a follower's state in memory.
type memoryStore struct{ state []byte }

func (m *memoryStore) Load(context.Context) ([]byte, error) { return m.state, nil }

func (m *memoryStore) Save(_ context.Context, state []byte) error {
	m.state = append([]byte(nil), state...)
	return nil
}
