package auditlogs_test

import (
	"strings"
	"testing"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

func TestCheckParameter(t *testing.T) {
	parameters := map[string]auditlogsapi.Parameter{}
	for _, p := range auditlogsapi.ListAccountAuditLogsOperation.Parameters {
		parameters[p.Name] = p
	}
	for _, test := range []struct {
		name, value string
		wrong       string // what the message shows; empty where the value is right
	}{
		{"account_id", "4bb334f7c94c4a29a045f03944f072e5", ""},
		{"account_id", "4BB334F7C94C4A29A045F03944F072E5", ""},
		{"account_id", "", "32 hexadecimal digits"},
		{"account_id", "..", "32 hexadecimal digits"},
		{"account_id", "4bb334f7c94c4a29a045f03944f072e5/x", "32 hexadecimal digits"},
		{"since", "2024-10-31", ""},
		{"since", "2024-10-31T01:02:03.123456789+05:30", ""},
		{"since", "2024-02-31", "2024-10-31"},
		{"since", "2024-10-31T1:02:03Z", "2024-10-31"},
		{"since", "2024-10-31T01:02:03,5Z", "2024-10-31"},
		{"since", "2024-10-31 01:02:03Z", "2024-10-31"},
		{"since", "2024-10-31T01:02:03", "2024-10-31"},
		{"direction", "desc", ""},
		{"direction", "down", "asc, desc"},
		{"limit", "1", ""},
		{"limit", "1000", ""},
		{"limit", "0", "from 1 to 1000"},
		{"limit", "1001", "from 1 to 1000"},
		{"limit", "010", "from 1 to 1000"},
		{"actor_type", "user", ""},
		{"actor_type.not", "robot", ""},
		{"actor_type.not", "", "account, cloudflare_admin, delegated_service, system, user"},
		{"action_type", "login", ""},
		{"actor_ip_address", "198.51.100.7", ""},
		{"actor_ip_address", "2001:db8::7", ""},
		{"actor_ip_address", "1.2.3", "198.51.100.7"},
		{"actor_ip_address", "fe80::1%eth0", "198.51.100.7"},
		{"actor_ip_address", "198.51.100.0/24", "filters match exactly, and ranges are not documented"},
		{"actor_ip_address.not", "2001:db8::/32", "filters match exactly, and ranges are not documented"},
		{"raw_status_code", "403", ""},
		{"raw_status_code", "4xx", "whole number"},
		{"actor_email", "any text at all", ""},
		{"actor_email", "", "left out"},
	} {
		err := parameters[test.name].Check(test.value)
		switch {
		case test.wrong == "" && err != nil:
			t.Errorf("%s=%s: %v", test.name, test.value, err)
		case test.wrong != "" && err == nil:
			t.Errorf("%s=%s passed", test.name, test.value)
		case test.wrong != "" && (!strings.Contains(err.Error(), test.wrong) || !strings.Contains(err.Error(), test.name)):
			t.Errorf("%s=%s: message %q names not both the parameter and %q", test.name, test.value, err, test.wrong)
		}
	}
}

func TestKnowsValue(t *testing.T) {
	for value, want := range map[string]bool{"create": true, "login": true, "logon": false} {
		p := auditlogsapi.Parameter{Name: "action_type", Known: []string{"create", "login"}}
		if got := p.Knows(value); got != want {
			t.Errorf("%s is known: %t, want %t", value, got, want)
		}
	}
	if anything := (auditlogsapi.Parameter{Name: "actor_email"}); !anything.Knows("any text at all") {
		t.Error("a parameter without a list does not know a value")
	}
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2024-10-31", "2024-10-31T08:30:00Z", "2024-10-31T08:30:00.123456789+14:00", "0000-01-01T00:00:00-23:59", "", "T"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, bound string) {
		got, err := auditlogs.ParseTime(bound)
		if err != nil {
			return
		}
		if got.Location() != time.UTC {
			t.Errorf("%q is read in %s", bound, got.Location())
		}
		// Out of the years that RFC 3339 can write, only an offset leads.
		if year := got.Year(); year < 0 || year > 9999 {
			return
		}
		if again, err := auditlogs.ParseTime(got.Format(time.RFC3339Nano)); err != nil || !again.Equal(got) {
			t.Errorf("%q is read as %s, which is read as %s, %v", bound, got, again, err)
		}
	})
}
