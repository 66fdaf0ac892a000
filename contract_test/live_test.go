package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogstest"
)

// A liveCheck reads a few pages of an account, and compares them with the contract.
type liveCheck struct {
	baseURL  string
	account  string
	token    string
	client   *http.Client
	pages    int
	pageSize int
}

// A liveResult is what a live check found. Its text holds neither the token nor the account, nor
// any value of an entry.
type liveResult struct {
	violations []string // of the contract as it is
	report     Report   // what the contract does not know
	hide       *strings.Replacer
}

func (r liveResult) String() string {
	return r.hide.Replace(strings.Join(append(r.violations, r.report.String()), "\n"))
}

// JSON returns the same for programs.
func (r liveResult) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(struct {
		Violations []string `json:"violations"`
		Report
	}{append([]string{}, r.violations...), r.report}, "", "  ")
	if err != nil {
		return nil, err
	}
	return []byte(r.hide.Replace(string(text)) + "\n"), nil
}

// Annotations returns the same as commands of GitHub Actions, which show beside the run: news as
// warnings, and violations of the contract as errors.
func (r liveResult) Annotations() string {
	escape := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	var b strings.Builder
	for _, violation := range r.violations {
		fmt.Fprintf(&b, "::error title=The live API violates the contract::%s\n", escape.Replace(violation))
	}
	for _, f := range r.report.Findings {
		fmt.Fprintf(&b, "::warning title=The live API has news::%s\n", escape.Replace(f.Kind+": "+strings.TrimSpace(f.String())))
	}
	return r.hide.Replace(b.String())
}

// publish writes the report: always to the test's log, as JSON to the file that CFAUDIT_LIVE_REPORT
// names, and as annotations under GitHub Actions.
func (r liveResult) publish(t *testing.T, stdout io.Writer) {
	t.Helper()
	t.Log(r.String())
	if name := os.Getenv("CFAUDIT_LIVE_REPORT"); name != "" {
		text, err := r.JSON()
		if err == nil {
			err = os.WriteFile(name, text, 0o644)
		}
		if err != nil {
			t.Errorf("CFAUDIT_LIVE_REPORT: %v", err)
		}
	}
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		// On lines of their own, and not indented as a test's log is.
		fmt.Fprint(stdout, "\n"+r.Annotations())
	}
}

// run reads pages through the library, as a program would, and also checks the bytes.
func (l liveCheck) run(ctx context.Context, since, before string) (liveResult, error) {
	result := liveResult{hide: strings.NewReplacer(l.token, "[token]", l.account, "[account]")}
	c, err := Load(l.baseURL)
	if err != nil {
		return result, err
	}
	closed, err := LoadClosed(l.baseURL)
	if err != nil {
		return result, err
	}
	schema, err := c.ResponseSchema(operationID, http.StatusOK)
	if err != nil {
		return result, err
	}
	next := l.client.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	recorder := &recorder{contract: c, next: next, lenient: true}
	client, err := auditlogs.New(l.token, auditlogs.WithBaseURL(l.baseURL),
		auditlogs.WithHTTPClient(&http.Client{Transport: recorder}), auditlogs.WithRetry(2, time.Second, time.Second))
	if err != nil {
		return result, errors.New(result.hide.Replace(err.Error()))
	}
	query := auditlogs.Query{Since: since, Before: before, Direction: new("desc"), Limit: &l.pageSize}
	pages := 0
	for _, err := range client.Account(l.account).Pages(ctx, query) {
		if err != nil {
			return result, errors.New(result.hide.Replace(err.Error()))
		}
		if pages++; pages == l.pages {
			break
		}
	}
	var bodies [][]byte
	news := 0
	for i, e := range recorder.last() {
		if e.status != http.StatusOK {
			continue
		}
		if err := c.CheckResponse(e.request, e.status, e.header, e.body); err != nil {
			result.violations = append(result.violations, fmt.Sprintf("page %d: %v", i+1, err))
		}
		if closed.CheckResponse(e.request, e.status, e.header, e.body) != nil {
			news++
		}
		body, err := Inflate(e.header, e.body)
		if err != nil {
			return result, err
		}
		bodies = append(bodies, body)
	}
	result.report = Drift(schema, bodies...)
	if (news > 0) != (len(result.report.Findings) > 0) && len(result.violations) == 0 {
		// Two checks that share no code disagree, so that one of them overlooks something.
		result.violations = append(result.violations, fmt.Sprintf(
			"the closed contract refuses %d pages, and the drift check has %d findings", news, len(result.report.Findings)))
	}
	return result, nil
}

// TestLive compares the live API with the contract. It reads at most three pages, and prints what
// the contract does not know: names of fields, values such as "login" where the contract lists
// values, and the shape of one example each. It fails where an answer violates the contract, and
// not because of news.
func TestLive(t *testing.T) {
	const wants = "set CFAUDIT_LIVE=1, CLOUDFLARE_API_TOKEN (a token with \"Account Settings: Read\") and CLOUDFLARE_ACCOUNT_ID; " +
		"CLOUDFLARE_BASE_URL, CFAUDIT_LIVE_SINCE (a date or an RFC 3339 time; 24 hours ago without it) and CFAUDIT_LIVE_REPORT " +
		"(a file for the report as JSON) are optional"
	token, id := os.Getenv("CLOUDFLARE_API_TOKEN"), os.Getenv("CLOUDFLARE_ACCOUNT_ID")
	if os.Getenv("CFAUDIT_LIVE") != "1" || token == "" || id == "" {
		t.Skip("to compare the live API with the contract: " + wants)
	}
	base := os.Getenv("CLOUDFLARE_BASE_URL")
	if base == "" {
		base = auditlogs.DefaultBaseURL
	}
	now := time.Now()
	since := os.Getenv("CFAUDIT_LIVE_SINCE")
	if since == "" {
		since = auditlogs.Time(now.Add(-24 * time.Hour))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	check := liveCheck{baseURL: base, account: id, token: token, client: &http.Client{}, pages: 3, pageSize: 1000}
	result, err := check.run(ctx, since, auditlogs.Time(now))
	if err != nil {
		t.Fatal(err)
	}
	if len(result.violations) > 0 {
		t.Error("the live API violates the contract")
	}
	result.publish(t, os.Stdout)
	if result.report.Entries == 0 {
		t.Log("the window holds no entries: choose an earlier CFAUDIT_LIVE_SINCE")
	}
}

// TestLiveAgainstFake runs the check as it is started, with the fake in place of the live API.
func TestLiveAgainstFake(t *testing.T) {
	server := auditlogstest.NewServer(auditlogstest.WithT(t), auditlogstest.WithTokens(goodToken),
		auditlogstest.WithAccounts(account), auditlogstest.WithHistory(auditlogstest.History{Entries: 500}))
	defer server.Close()
	report := filepath.Join(t.TempDir(), "report.json")
	for name, value := range map[string]string{
		"CFAUDIT_LIVE":          "1",
		"CLOUDFLARE_API_TOKEN":  goodToken,
		"CLOUDFLARE_ACCOUNT_ID": account,
		"CLOUDFLARE_BASE_URL":   server.URL,
		"CFAUDIT_LIVE_SINCE":    time.Now().AddDate(0, -2, 0).Format(time.DateOnly),
		"CFAUDIT_LIVE_REPORT":   report,
		"GITHUB_ACTIONS":        "", // This is not the check that a run should report.
	} {
		t.Setenv(name, value)
	}
	t.Run("live", TestLive)
	if n := len(server.Requests()); n != 1 {
		t.Errorf("%d requests arrived, want 1", n)
	}
	if text, err := os.ReadFile(report); err != nil || !strings.Contains(string(text), `"entries": 500`) {
		t.Errorf("the report is %s: %v", text, err)
	}
}
