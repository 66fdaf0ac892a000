package summary

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs"
)

// A topic is what an entry is about, as far as rules ask for it.
type topic uint16

const (
	tokens topic = 1 << iota
	members
	protections
	settings
	dnssec
	caches
)

// topicWords are the words that name a topic in an entry's product, its resource's type, or a
// segment of its request's path.
var topicWords = map[string]topic{
	"token": tokens, "tokens": tokens,
	"member": members, "members": members, "membership": members, "memberships": members, "role": members, "roles": members,
	"firewall": protections, "waf": protections, "ruleset": protections, "rulesets": protections, "access": protections, "logpush": protections,
	"setting": settings, "settings": settings,
	"dnssec": dnssec,
	"cache":  caches,
}

// A rule finds entries that deserve a look. Its words are shown with what it finds.
type rule struct {
	name  string
	title string
	words string
	// Finds reports whether the rule is about an entry, and what to note about it. Failed entries
	// are asked for only where failed is set.
	finds  func(e *auditlogs.Entry, about topic) (note string, ok bool)
	failed bool
	// A burst is that many of the entries within a time by one actor, or from one address.
	burst       int
	within      time.Duration
	fromAddress bool
}

// rules are hints and not findings: each says where to look, and most of what they show is ordinary
// work. They know the words that Cloudflare's products are seen to use, and not all that there are.
// What is rarer comes first.
var rules = []rule{
	{
		name: "security-weakened", title: "Security settings weakened",
		words: "a zone's setting got a weaker value (such as ssl off or flexible, min_tls_version 1.0 or 1.1, always_use_https off), or DNSSEC was turned off",
		finds: weakens,
	},
	{
		name: "protection-removed", title: "Protections removed or disabled",
		words: "a rule of the firewall, a ruleset, something of Access or a Logpush job was deleted, or updated with \"enabled\": false or \"paused\": true",
		finds: func(e *auditlogs.Entry, about topic) (string, bool) {
			switch {
			case about&protections == 0 || about&tokens != 0:
				return "", false
			case e.Action.Type == auditlogsapi.ActionTypeDelete:
				return "deleted", true
			case e.Action.Type == auditlogsapi.ActionTypeUpdate && switchedOff(e.Resource.Request):
				return "disabled", true
			}
			return "", false
		},
	},
	{
		name: "bulk-deletion", title: "Deletions in bulk",
		words: "20 or more deletions by one actor within 10 minutes, purges of a cache left out",
		burst: 20, within: 10 * time.Minute,
		finds: func(e *auditlogs.Entry, about topic) (string, bool) {
			return "", e.Action.Type == auditlogsapi.ActionTypeDelete && about&caches == 0
		},
	},
	{
		name: "sign-in-burst", title: "Sign-ins in bursts",
		words: "10 or more sign-ins by one actor within 10 minutes, whether they succeeded or not",
		burst: 10, within: 10 * time.Minute, failed: true,
		finds: signIn,
	},
	{
		name: "sign-in-burst-address", title: "Sign-ins in bursts from one address",
		words: "10 or more sign-ins from one address within 10 minutes, whoever signed in, and whether that succeeded or not",
		burst: 10, within: 10 * time.Minute, failed: true, fromAddress: true,
		finds: signIn,
	},
	{
		name: "failure-burst", title: "Failures in bursts",
		words: "20 or more failed actions by one actor within 10 minutes",
		burst: 20, within: 10 * time.Minute, failed: true,
		finds: func(e *auditlogs.Entry, _ topic) (string, bool) {
			return "", e.Action.Result == auditlogsapi.ActionResultFailure
		},
	},
	{
		name: "token-created", title: "Tokens created",
		words: "something with \"token\" in its product, type or path was created",
		finds: onTopic(tokens, auditlogsapi.ActionTypeCreate),
	},
	{
		name: "token-rolled", title: "Tokens rolled or changed",
		words: "something with \"token\" in its product, type or path was updated; where the path ends in /value, its secret was rolled",
		finds: func(e *auditlogs.Entry, about topic) (string, bool) {
			if about&tokens == 0 || e.Action.Type != auditlogsapi.ActionTypeUpdate {
				return "", false
			}
			if strings.HasSuffix(pathOf(e.Entry.Raw.URI), "/value") {
				return "rolled", true
			}
			return "changed", true
		},
	},
	{
		name: "token-deleted", title: "Tokens deleted",
		words: "something with \"token\" in its product, type or path was deleted",
		finds: onTopic(tokens, auditlogsapi.ActionTypeDelete),
	},
	{
		name: "members-changed", title: "Members and roles changed",
		words: "something with \"member\", \"membership\" or \"role\" in its product, type or path was created, updated or deleted",
		finds: onTopic(members, auditlogsapi.ActionTypeCreate, auditlogsapi.ActionTypeUpdate, auditlogsapi.ActionTypeDelete),
	},
}

// weakValues are the values of a zone's settings that protect less than others.
var weakValues = map[string][]string{
	"ssl":                      {`"off"`, `"flexible"`},
	"min_tls_version":          {`"1.0"`, `"1.1"`},
	"always_use_https":         {`"off"`},
	"automatic_https_rewrites": {`"off"`},
	"tls_1_3":                  {`"off"`},
	"opportunistic_encryption": {`"off"`},
	"waf":                      {`"off"`},
	"browser_check":            {`"off"`},
	"security_level":           {`"off"`, `"essentially_off"`},
	"email_obfuscation":        {`"off"`},
	"hotlink_protection":       {`"off"`},
	"tls_client_auth":          {`"off"`},
}

func onTopic(wanted topic, types ...string) func(*auditlogs.Entry, topic) (string, bool) {
	return func(e *auditlogs.Entry, about topic) (string, bool) {
		return "", about&wanted != 0 && slices.Contains(types, e.Action.Type)
	}
}

func signIn(e *auditlogs.Entry, _ topic) (string, bool) {
	return "", e.Action.Type == auditlogsapi.ActionTypeLogin
}

// weakens finds changes of one setting, of several at once, and of DNSSEC.
func weakens(e *auditlogs.Entry, about topic) (string, bool) {
	changed := e.Action.Type == auditlogsapi.ActionTypeUpdate || e.Action.Type == auditlogsapi.ActionTypeCreate
	switch {
	case about&dnssec != 0:
		off := e.Action.Type == auditlogsapi.ActionTypeDelete || changed && bytes.Contains(e.Resource.Request, []byte(`"disabled"`))
		return "DNSSEC turned off", off
	case about&settings == 0 || !changed || len(e.Resource.Request) > mostRequest:
		return "", false
	}
	type change struct {
		ID    string          `json:"id"`
		Value json.RawMessage `json:"value"`
	}
	var request struct {
		change
		Items []change `json:"items"`
	}
	if json.Unmarshal(e.Resource.Request, &request) != nil {
		return "", false
	}
	path := pathOf(e.Entry.Raw.URI)
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, id := range []string{request.ID, name, e.Resource.ID} {
		if note, ok := weak(id, request.Value); ok {
			return note, true
		}
	}
	for _, item := range request.Items {
		if note, ok := weak(item.ID, item.Value); ok {
			return note, true
		}
	}
	return "", false
}

func weak(setting string, value json.RawMessage) (string, bool) {
	if !slices.Contains(weakValues[setting], string(value)) {
		return "", false
	}
	return setting + " set to " + strings.Trim(string(value), `"`), true
}

// mostRequest bounds the requests that rules parse, in bytes.
const mostRequest = 1 << 20

// switchedOff reports whether a request turns off what it is about.
func switchedOff(request json.RawMessage) bool {
	if len(request) > mostRequest || !bytes.Contains(request, []byte("false")) && !bytes.Contains(request, []byte("true")) {
		return false
	}
	var state struct {
		Enabled *bool `json:"enabled"`
		Paused  *bool `json:"paused"`
	}
	return json.Unmarshal(request, &state) == nil && (state.Enabled != nil && !*state.Enabled || state.Paused != nil && *state.Paused)
}

// pathOf returns a URI without its query, or a slash at its end.
func pathOf(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	return strings.TrimSuffix(path, "/")
}

// topicsOf looks for the words of topics in a text. Letters make words; everything else separates
// them. The text is not copied.
func topicsOf(text string) (about topic) {
	start := -1
	for i := 0; i <= len(text); i++ {
		if i < len(text) && (text[i]|0x20 >= 'a' && text[i]|0x20 <= 'z') {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 {
			about |= topicOf(text[start:i])
		}
		start = -1
	}
	return about
}

func topicOf(word string) topic {
	if about, known := topicWords[word]; known {
		return about
	}
	for i := range len(word) {
		if word[i] < 'a' { // Capitals are rare.
			return topicWords[strings.ToLower(word)]
		}
	}
	return 0
}
