package auditlogs_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// A fake service with three entries replaces Cloudflare in these examples.
func exampleServer() *auditlogstest.Server {
	server := auditlogstest.NewServer()
	server.Add(
		`{"id":"1","action":{"time":"2024-10-30T08:00:00Z","type":"create","description":"Add member"},"actor":{"email":"alice@example.com"}}`,
		`{"id":"2","action":{"time":"2024-10-30T09:00:00Z","type":"update","description":"Change DNS record"},"actor":{"email":"bob@example.com"}}`,
		`{"id":"3","action":{"time":"2024-10-30T10:00:00Z","type":"delete","description":"Delete zone"},"actor":{"email":"alice@example.com"}}`,
	)
	return server
}

func exampleClient(server *auditlogstest.Server) *auditlogs.Client {
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// What did alice do on this day?
func ExampleLog_Entries() {
	server := exampleServer()
	defer server.Close()
	client := exampleClient(server)

	query := auditlogs.Query{
		Since:      auditlogs.Date(2024, time.October, 30),
		Before:     auditlogs.Date(2024, time.October, 31),
		ActorEmail: []string{"alice@example.com"},
	}
	for entry, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Action.Time.Format(time.TimeOnly), entry.Action.Description)
	}
	// Output:
	// 08:00:00 Add member
	// 10:00:00 Delete zone
}

func ExampleLog_Pages() {
	server := exampleServer()
	defer server.Close()
	client := exampleClient(server)

	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31", Limit: new(2)}
	for page, err := range client.Account(auditlogstest.AccountID).Pages(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(page.Entries), "entries, more to come:", !page.Next.IsZero())
	}
	// Output:
	// 2 entries, more to come: true
	// 1 entries, more to come: false
}

// A listing that was broken off resumes after the last entry that was handled.
func ExampleFrom() {
	server := exampleServer()
	defer server.Close()
	client := exampleClient(server)
	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}

	var stored string
	for entry, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
		stored = entry.Position().String()
		break
	}

	position, err := auditlogs.ParsePosition(stored)
	if err != nil {
		log.Fatal(err)
	}
	for entry, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query, auditlogs.From(position)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.ID)
	}
	// Output:
	// 2
	// 3
}

// A program that handles each entry at least once saves its place: after an entry that was handled,
// and before one that was not.
func ExampleEntry_Before() {
	server := exampleServer()
	defer server.Close()
	client := exampleClient(server)
	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}

	attempts := 0
	handle := func(entry *auditlogs.Entry) error {
		if attempts++; attempts == 2 {
			return errors.New("the database is locked")
		}
		fmt.Println("handled", entry.ID)
		return nil
	}
	var saved auditlogs.Position // A real program stores its text.
	run := func() error {
		for entry, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query, auditlogs.From(saved)) {
			if err != nil {
				return err
			}
			if err := handle(entry); err != nil {
				saved = entry.Before()
				return err
			}
			saved = entry.Position()
		}
		return nil
	}
	fmt.Println(run())
	fmt.Println(run())
	// Output:
	// handled 1
	// the database is locked
	// handled 2
	// handled 3
	// <nil>
}

// The token mostly comes from the environment. What is wrong with it or with an option is said
// before any request.
func ExampleNew() {
	_, err := auditlogs.New("",
		auditlogs.WithTimeout(30*time.Second),
		auditlogs.WithRetry(5, time.Second, time.Minute),
		auditlogs.WithUserAgent("my-service/1.2"))
	fmt.Println(err)
	// Output:
	// auditlogs: token is empty: want an API token, mostly from the environment variable CLOUDFLARE_API_TOKEN
}

// What went wrong, and where to resume.
func ExampleIncompleteError() {
	server := exampleServer()
	defer server.Close()
	client := exampleClient(server)
	server.FailNext(auditlogstest.Fault{}, auditlogstest.Fault{Status: http.StatusForbidden})

	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31", Limit: new(2)}
	for entry, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		var incomplete *auditlogs.IncompleteError
		switch {
		case errors.As(err, &incomplete):
			fmt.Println("forbidden:", errors.Is(err, auditlogs.ErrForbidden))
			fmt.Println("resume after", incomplete.Position.Time().Format(time.TimeOnly))
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(entry.ID)
		}
	}
	// Output:
	// 1
	// 2
	// forbidden: true
	// resume after 09:00:00
}

func ExampleTime() {
	berlin := time.FixedZone("CET", 3600)
	fmt.Println(auditlogs.Time(time.Date(2024, 10, 30, 9, 30, 0, 250_000_000, berlin)))
	fmt.Println(auditlogs.Date(2024, time.October, 30))
	// Output:
	// 2024-10-30T08:30:00.25Z
	// 2024-10-30
}

// A token that is rotated is asked for before each request.
func ExampleWithTokenSource() {
	server := exampleServer()
	defer server.Close()
	client, err := auditlogs.New("", auditlogs.WithTokenSource(func(context.Context) (string, error) {
		token, err := os.ReadFile("/run/secrets/cloudflare")
		if err != nil {
			return "", errors.New("the secret is not mounted")
		}
		return strings.TrimSpace(string(token)), nil
	}), auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()))
	if err != nil {
		log.Fatal(err)
	}
	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}
	for _, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		fmt.Println(err)
	}
	// Output:
	// listing incomplete, nothing delivered: GET /accounts/4bb334f7c94c4a29a045f03944f072e5/logs/audit: no token: the secret is not mounted
}

// A timing measures requests. A transport that instruments them, such as OpenTelemetry's
// otelhttp.NewTransport, goes into the HTTP client in the same place.
type timing struct{ http.RoundTripper }

func (t timing) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	fmt.Println(request.Method, request.URL.Path)
	return response, err
}

func ExampleWithHTTPClient() {
	server := exampleServer()
	defer server.Close()
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL),
		auditlogs.WithHTTPClient(&http.Client{Transport: timing{server.Client().Transport}}))
	if err != nil {
		log.Fatal(err)
	}
	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}
	for _, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// GET /client/v4/accounts/4bb334f7c94c4a29a045f03944f072e5/logs/audit
}

// A tally counts what a client does, for any system of metrics.
type tally struct{ requests, bytes int64 }

func (t *tally) Attempted(a auditlogs.Attempt) { t.requests++; t.bytes += a.Received }
func (t *tally) Waiting(time.Duration)         {}

func ExampleWithObserver() {
	server := exampleServer()
	defer server.Close()
	var counted tally
	client, err := auditlogs.New("token", auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()),
		auditlogs.WithObserver(&counted))
	if err != nil {
		log.Fatal(err)
	}
	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31", Limit: new(2)}
	for _, err := range client.Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(counted.requests, "requests", counted.bytes > 0)
	// Output:
	// 2 requests true
}

// What the service says of a refused request.
func ExampleError() {
	server := exampleServer()
	defer server.Close()
	server.FailNext(auditlogstest.Fault{Status: http.StatusForbidden})
	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}
	for _, err := range exampleClient(server).Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		var answered *auditlogs.Error
		if errors.As(err, &answered) {
			fmt.Println(answered.StatusCode, answered.Details[0].Code, answered.Details[0].Message, answered.Attempts)
		}
	}
	// Output:
	// 403 10000 Authentication error 1
}

// An entry with a field of an unexpected type is delivered like any other.
func ExampleEntry_Err() {
	server := auditlogstest.NewServer()
	defer server.Close()
	server.FailNext(auditlogstest.Fault{Status: http.StatusOK,
		Body: `{"success":true,"result":[{"id":"1","action":{"time":"yesterday","type":"delete"}}]}`})
	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}
	for entry, err := range exampleClient(server).Account(auditlogstest.AccountID).Entries(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.ID, entry.Action.Type, entry.Err())
	}
	// Output:
	// 1 delete field action.time: the JSON string there cannot be read as time.Time
}

// A position is text, and can be stored between two runs of a program.
func ExampleParsePosition() {
	_, err := auditlogs.ParsePosition("42")
	fmt.Println(err)
	// Output:
	// invalid query: position "42" is not one of a listing: it does not start with "p1."
}

// Who changed the organization itself?
func ExampleClient_Organization() {
	server := auditlogstest.NewServer()
	defer server.Close()
	server.Add(`{"id":"1","action":{"time":"2024-10-30T08:00:00Z","description":"Add organization member"},` +
		`"actor":{"email":"alice@example.com"},"organization":{"id":"a67e14daa5f8dceeb91fe5449ba496ef"}}`)
	client := exampleClient(server)

	query := auditlogs.Query{Since: "2024-10-30", Before: "2024-10-31"}
	for entry, err := range client.Organization("a67e14daa5f8dceeb91fe5449ba496ef").Entries(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Actor.Email, entry.Action.Description)
	}
	// Output: alice@example.com Add organization member
}

// What else happened to the record that an entry is about?
func ExampleLog_History() {
	server := auditlogstest.NewServer()
	defer server.Close()
	server.Add(
		`{"id":"1","action":{"time":"2024-10-30T08:00:00Z","description":"Create DNS record"},"resource":{"id":"r1"}}`,
		`{"id":"2","action":{"time":"2024-10-30T09:00:00Z","description":"Create DNS record"},"resource":{"id":"r2"}}`,
		`{"id":"3","action":{"time":"2024-10-30T10:00:00Z","description":"Delete DNS record"},"resource":{"id":"r1"}}`,
	)
	client := exampleClient(server)

	query := auditlogs.HistoryQuery{
		ActionTime: "2024-10-30T10:00:00Z", // auditlogs.Time(entry.Action.Time), with the entry at hand
		Since:      "2024-10-01",
		Before:     "2024-10-31",
	}
	for entry, err := range client.Account(auditlogstest.AccountID).History(context.Background(), "3", query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.ID, entry.Action.Description)
	}
	// Output:
	// 1 Create DNS record
	// 3 Delete DNS record
}

func ExampleLog_HistoryPages() {
	server := auditlogstest.NewServer()
	defer server.Close()
	server.Add(`{"id":"1","action":{"time":"2024-10-30T08:00:00Z","description":"Log in"}}`)
	client := exampleClient(server)

	query := auditlogs.HistoryQuery{ActionTime: "2024-10-30T08:00:00Z", Since: "2024-10-01", Before: "2024-10-31"}
	for page, err := range client.Account(auditlogstest.AccountID).HistoryPages(context.Background(), "1", query) {
		if err != nil {
			log.Fatal(err)
		}
		if page.History == auditlogs.HistoryUnavailable {
			fmt.Println("the entry does not say what it is about")
		}
	}
	// Output: the entry does not say what it is about
}

func ExampleLog_ProductCategories() {
	server := auditlogstest.NewServer()
	defer server.Close()
	client := exampleClient(server)

	categories, err := client.Account(auditlogstest.AccountID).ProductCategories(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, category := range categories {
		if category.Value == "zerotrust" {
			fmt.Println(category.Label, len(category.Products))
		}
	}
	// Output: Zero Trust 2
}
