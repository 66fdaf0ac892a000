package summary

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRules shows each rule an entry that it finds, and entries beside it that it does not.
func TestRules(t *testing.T) {
	for name, test := range map[string]struct {
		entry string
		want  string // the rules that find it, with their notes
	}{
		"token created": {
			`{"action":{"type":"create"},"resource":{"product":"tokens","type":"user.token"}}`, "token-created",
		},
		"token created, by its path": {
			`{"action":{"type":"create"},"resource":{"product":"x"},"raw":{"uri":"/client/v4/user/tokens?x=1"}}`, "token-created",
		},
		"service token created": {
			`{"action":{"type":"create"},"resource":{"product":"access","type":"Service_Token"}}`, "token-created",
		},
		"token rolled": {
			`{"action":{"type":"update"},"resource":{"product":"tokens"},"raw":{"uri":"/user/tokens/0a/value"}}`, "token-rolled: rolled",
		},
		"token changed": {
			`{"action":{"type":"update"},"resource":{"product":"tokens"},"raw":{"uri":"/user/tokens/0a"}}`, "token-rolled: changed",
		},
		"token deleted": {
			`{"action":{"type":"delete"},"resource":{"type":"account.token"}}`, "token-deleted",
		},
		"token not created": {
			`{"action":{"type":"create","result":"failure"},"resource":{"product":"tokens"}}`, "",
		},
		"token viewed": {
			`{"action":{"type":"view"},"resource":{"product":"tokens"}}`, "",
		},
		"tokenization": {
			`{"action":{"type":"create"},"resource":{"product":"tokenization"}}`, "",
		},
		"member": {
			`{"action":{"type":"delete"},"resource":{"product":"members"}}`, "members-changed",
		},
		"role": {
			`{"action":{"type":"update"},"raw":{"uri":"/accounts/0a/roles/1"}}`, "members-changed",
		},
		"ssl off, by the path": {
			`{"action":{"type":"update"},"resource":{"request":{"value":"off"}},"raw":{"uri":"/zones/0a/settings/ssl"}}`, "security-weakened: ssl set to off",
		},
		"TLS lowered, by the resource": {
			`{"action":{"type":"update"},"resource":{"type":"zone.setting","id":"min_tls_version","request":{"value": "1.0"}}}`, "security-weakened: min_tls_version set to 1.0",
		},
		"several settings": {
			`{"action":{"type":"update"},"resource":{"type":"zone.setting","request":{"items":[{"id":"ssl","value":"strict"},{"id":"always_use_https","value":"off"}]}}}`,
			"security-weakened: always_use_https set to off",
		},
		"ssl strict": {
			`{"action":{"type":"update"},"resource":{"request":{"value":"strict"}},"raw":{"uri":"/zones/0a/settings/ssl"}}`, "",
		},
		"another setting off": {
			`{"action":{"type":"update"},"resource":{"request":{"value":"off"}},"raw":{"uri":"/zones/0a/settings/rocket_loader"}}`, "",
		},
		"a request of an odd shape": {
			`{"action":{"type":"update"},"resource":{"request":[{"value":{}}]},"raw":{"uri":"/zones/0a/settings/ssl"}}`, "",
		},
		"DNSSEC deleted": {
			`{"action":{"type":"delete"},"raw":{"uri":"/zones/0a/dnssec"}}`, "security-weakened: DNSSEC turned off",
		},
		"DNSSEC on": {
			`{"action":{"type":"update"},"resource":{"request":{"status":"active"}},"raw":{"uri":"/zones/0a/dnssec"}}`, "",
		},
		"firewall rule deleted": {
			`{"action":{"type":"delete"},"resource":{"product":"firewall","type":"waf.rule"}}`, "protection-removed: deleted",
		},
		"ruleset disabled": {
			`{"action":{"type":"update"},"resource":{"request":{"enabled":false}},"raw":{"uri":"/zones/0a/rulesets/1/rules/2"}}`, "protection-removed: disabled",
		},
		"ruleset enabled": {
			`{"action":{"type":"update"},"resource":{"request":{"enabled":true}},"raw":{"uri":"/zones/0a/rulesets/1/rules/2"}}`, "",
		},
		"one deletion": {
			`{"action":{"type":"delete"},"resource":{"product":"dns"}}`, "",
		},
	} {
		var found []string
		for _, hint := range collect(t, Options{}, test.entry).Hints {
			text := hint.Rule
			if note := hint.Cases[0].Found[0].Note; note != "" {
				text += ": " + note
			}
			found = append(found, text)
		}
		if got := strings.Join(found, ", "); got != test.want {
			t.Errorf("%s: found %q, want %q", name, got, test.want)
		}
	}
}

func TestBursts(t *testing.T) {
	deletion := func(i int, actor, product string, after time.Duration) string {
		return fmt.Sprintf(`{"id":"%s-%d","actor":{"email":%q},"action":{"type":"delete","time":%q},"resource":{"product":%q}}`, actor, i, actor, at(after), product)
	}
	signIn := func(i int, actor, address string) string {
		return fmt.Sprintf(`{"id":"%s-%d","actor":{"email":%q,"ip_address":%q},"action":{"type":"login","result":"failure","time":%q}}`,
			actor, i, actor, address, at(time.Duration(i)*time.Second))
	}
	many := func(n int, make func(i int) string) (entries []string) {
		for i := range n {
			entries = append(entries, make(i))
		}
		return entries
	}
	seconds := func(i int) time.Duration { return time.Duration(i) * time.Second }
	for name, test := range map[string]struct {
		entries []string
		want    string
	}{
		"19 deletions": {many(19, func(i int) string { return deletion(i, "a", "dns", seconds(i)) }), ""},
		"20 deletions": {many(20, func(i int) string { return deletion(i, "a", "dns", seconds(i)) }), "bulk-deletion 20: a 20, first a-0, 10 more"},
		"20 deletions by two": {
			many(20, func(i int) string { return deletion(i, string(rune('a'+i%2)), "dns", seconds(i)) }), "",
		},
		"20 deletions in 20 minutes": {many(20, func(i int) string { return deletion(i, "a", "dns", time.Duration(i)*time.Minute) }), ""},
		"20 purges of the cache":     {many(20, func(i int) string { return deletion(i, "a", "cache", seconds(i)) }), ""},
		"a second burst that overlaps the first counts no entry twice": {
			append(many(25, func(i int) string { return deletion(i, "a", "dns", seconds(i)) }),
				many(25, func(i int) string { return deletion(100+i, "a", "dns", 10*time.Minute+seconds(10+i)) })...),
			"bulk-deletion 50: a 50, first a-0, 40 more",
		},
		"from the newest to the oldest": {many(20, func(i int) string { return deletion(i, "a", "dns", seconds(100-i)) }), "bulk-deletion 20: a 20, first a-0, 10 more"},
		"sign-ins by one actor": {
			many(10, func(i int) string { return signIn(i, "a", fmt.Sprint("192.0.2.", i)) }), "sign-in-burst 10: a 10, first a-0, 0 more",
		},
		"sign-ins from one address": {
			many(10, func(i int) string { return signIn(i, string(rune('a'+i)), "192.0.2.1") }), "sign-in-burst-address 10: 192.0.2.1 10, first a-0, 0 more",
		},
		"failures": {
			many(20, func(i int) string {
				return fmt.Sprintf(`{"id":"%d","actor":{"id":"a"},"action":{"type":"create","result":"failure","time":%q}}`, i, at(seconds(i)))
			}), "failure-burst 20: a 20, first 0, 10 more",
		},
	} {
		var found []string
		for _, h := range collect(t, Options{}, test.entries...).Hints {
			c := h.Cases[0]
			found = append(found, fmt.Sprintf("%s %d: %s %d, first %s, %d more", h.Rule, h.Entries, c.Who, c.Entries, c.Found[0].ID, c.More))
		}
		if got := strings.Join(found, "; "); got != test.want {
			t.Errorf("%s: found %q, want %q", name, got, test.want)
		}
	}
}

// TestHintsAreBounded shows a rule more actors than it keeps.
func TestHintsAreBounded(t *testing.T) {
	var entries []string
	for i := range keptCases + 7 {
		entries = append(entries, fmt.Sprintf(`{"actor":{"id":"%d"},"action":{"type":"create"},"resource":{"product":"tokens"}}`, i))
	}
	if h := collect(t, Options{}, entries...).Hints[0]; h.Entries != keptCases+7 || len(h.Cases) != keptCases || h.More != 7 {
		t.Errorf("%d entries, %d actors, %d more", h.Entries, len(h.Cases), h.More)
	}
	c, _ := New(Options{Since: day, Before: day.AddDate(0, 0, 7)})
	for i := range 5 * keptBursts {
		c.Add(entry(t, fmt.Sprintf(`{"actor":{"id":"%d"},"action":{"type":"delete","time":%q}}`, i, at(0))))
	}
	for _, f := range c.hints {
		if n := len(f.bursts[0]) + len(f.bursts[1]); n > 2*keptBursts {
			t.Errorf("%s watches %d actors: want at most %d", f.name, n, 2*keptBursts)
		}
	}
}
