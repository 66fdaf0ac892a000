//go:build !race

// The walk reads what the transport's own goroutines change at the same time.

package contract

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"cfaudit.example/wrapper/auditlogs"
	"cfaudit.example/wrapper/auditlogs/follow"
	"cfaudit.example/wrapper/auditlogstest"
)

// dumpedToken has nothing in common with any other text.
const dumpedToken = "Qx7vK2mW9zR4tB6nY1pL8sD3fG5hJ0cA"

// TestDumpDoesNotShowTheToken walks everything that a debugger or a deep printer reaches from a
// client that has sent its token, over both versions of HTTP, whose connections keep it in buffers
// and in header tables.
func TestDumpDoesNotShowTheToken(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if http2 != (r.ProtoMajor == 2) || r.Header.Get("Authorization") != "Bearer "+dumpedToken {
					t.Errorf("the request came over %s, with the token: %t", r.Proto, r.Header.Get("Authorization") != "")
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"success":true,"result":[{"id":"1","action":{"time":"2024-10-30T12:00:00Z"}}]}`))
			})
			server := httptest.NewUnstartedServer(answer)
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			given := server.Client()
			client, err := auditlogs.New(dumpedToken, auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(given), auditlogs.WithRate(0))
			if err != nil {
				t.Fatal(err)
			}
			follower, err := follow.New(client.Account(auditlogstest.AccountID), auditlogs.Query{}, noStore{})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				for _, err := range client.Account(auditlogstest.AccountID).Entries(t.Context(), window()) {
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			if !reaches(given, dumpedToken) {
				t.Error("the walk does not find the token where it is known to be, in the transport")
			}
			for what, value := range map[string]any{"client": client, "copy": *client, "follower": follower} {
				if reaches(value, dumpedToken) {
					t.Errorf("a dump of the %s shows the token", what)
				}
			}
		})
	}
}

// TestDumpOfErrorsDoesNotShowTheToken does the same with what a failed listing returns.
func TestDumpOfErrorsDoesNotShowTheToken(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	client, err := auditlogs.New(dumpedToken, auditlogs.WithBaseURL(server.URL), auditlogs.WithHTTPClient(server.Client()), auditlogs.WithRate(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, err = range client.Account(auditlogstest.AccountID).Entries(t.Context(), window()) {
	}
	var incomplete *auditlogs.IncompleteError
	if !errors.As(err, &incomplete) || reaches(err, dumpedToken) {
		t.Errorf("a dump of the error shows the token: %v", err)
	}
}

type noStore struct{}

func (noStore) Load(context.Context) ([]byte, error) { return nil, nil }
func (noStore) Save(context.Context, []byte) error   { return nil }

// reaches reports whether a dump of a value shows a text: in a string or in bytes, through
// pointers, interfaces, maps and unexported fields. Function values and channels end the walk, as
// they do for everything that dumps values.
func reaches(value any, text string) bool {
	type place struct {
		at unsafe.Pointer
		of reflect.Type
	}
	seen := map[place]bool{}
	var walk func(v reflect.Value) bool
	walk = func(v reflect.Value) bool {
		switch v.Kind() {
		case reflect.String:
			return strings.Contains(v.String(), text)
		case reflect.Pointer:
			if v.IsNil() || seen[place{v.UnsafePointer(), v.Type()}] {
				return false
			}
			seen[place{v.UnsafePointer(), v.Type()}] = true
			return walk(v.Elem())
		case reflect.Interface:
			return !v.IsNil() && walk(v.Elem())
		case reflect.Struct:
			for i := range v.NumField() {
				if walk(v.Field(i)) {
					return true
				}
			}
		case reflect.Map:
			for entries := v.MapRange(); entries.Next(); {
				if walk(entries.Key()) || walk(entries.Value()) {
					return true
				}
			}
		case reflect.Slice:
			if v.IsNil() || seen[place{v.UnsafePointer(), v.Type()}] {
				return false
			}
			seen[place{v.UnsafePointer(), v.Type()}] = true
			// What lies beyond the length was there before.
			v = v.Slice(0, v.Cap())
			if v.Type().Elem().Kind() == reflect.Uint8 {
				return bytes.Contains(v.Bytes(), []byte(text))
			}
			fallthrough
		case reflect.Array:
			if k := v.Type().Elem().Kind(); k <= reflect.Complex128 && k != reflect.Uint8 {
				return false
			}
			if v.Kind() == reflect.Array && v.Type().Elem().Kind() == reflect.Uint8 {
				var b []byte
				for i := range v.Len() {
					b = append(b, byte(v.Index(i).Uint()))
				}
				return bytes.Contains(b, []byte(text))
			}
			for i := range v.Len() {
				if walk(v.Index(i)) {
					return true
				}
			}
		}
		return false
	}
	return walk(reflect.ValueOf(value))
}
