package auditlogs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	internal "cfaudit.example/wrapper/auditlogs/internal/identity"
)

// Every cycle of cursors is found, whatever its length and whatever comes before it: as soon as it
// closes while all of its cursors are remembered, and otherwise a few cursors later.
func TestCyclesOfCursors(t *testing.T) {
	const all = watchedCursors
	for _, test := range []struct{ lead, length, late int }{
		{0, 1, 0}, {0, 2, 0}, {5, 3, 0}, {0, all, 0}, {0, all + 1, 1}, {all, 1, 1}, {3*all + 1, 5, 15}, {1000, 3 * all, 3},
	} {
		var w cursorWatch
		closes := test.lead + test.length
		for i := 0; ; i++ {
			cursor := i
			if i >= test.lead {
				cursor = test.lead + (i-test.lead)%test.length
			}
			if err := w.check(fmt.Sprint(cursor)); err != nil {
				if !errors.Is(err, ErrCursorLoop) || i < closes || i > closes+test.late {
					t.Errorf("%+v: after %d cursors: %v", test, i, err)
				}
				break
			}
			if i > closes+test.late {
				t.Errorf("%+v is not found", test)
				break
			}
		}
		if len(w.known) > watchedCursors {
			t.Errorf("%d cursors are remembered", len(w.known))
		}
	}
}

// The packages that go on with entries tell them apart as the listing does, also those that come
// from a file, and without counting those that are the same to the byte.
func TestIdentityOfEntries(t *testing.T) {
	const rows = `{"id":"a"},{"id":"a","x":1},{"x":1},{"x":1},{"x":2}`
	client, err := New("token", WithHTTPClient(&http.Client{Transport: benchTransport(func(*http.Request) (*http.Response, error) {
		body := io.NopCloser(strings.NewReader(`{"success":true,"result":[` + rows + `]}`))
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body}, nil
	})}))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	known := map[[16]byte]string{}
	for e, err := range client.Account("4bb334f7c94c4a29a045f03944f072e5").Entries(t.Context(), Query{Since: "2024-10-30", Before: "2024-10-31"}) {
		if err != nil {
			t.Fatal(err)
		}
		var read Entry
		if err := json.Unmarshal(e.Raw, &read); err != nil || internal.Of(&read) != internal.Of(e) {
			t.Errorf("%s has another identity when it is read back (%v)", e.Raw, err)
		}
		known[internal.Of(e)] = string(e.Raw)
		texts = append(texts, string(e.Raw))
	}
	if got := strings.Join(texts, ","); got != `{"id":"a"},{"x":1},{"x":1},{"x":2}` || len(known) != 3 {
		t.Errorf("listed %s with %d identities, want 3", got, len(known))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(3)
	for i := range 10 {
		if !m.add(identity{byte(i)}) {
			t.Errorf("%d is taken for known", i)
		}
		for j := max(0, i-2); j <= i; j++ {
			if m.add(identity{byte(j)}) {
				t.Errorf("%d is forgotten after %d", j, i)
			}
		}
	}
	if len(m.known) != 3 || len(m.last) != 3 {
		t.Errorf("%d entries are remembered", len(m.known))
	}
}
