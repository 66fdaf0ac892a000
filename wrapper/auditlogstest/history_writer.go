package auditlogstest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// An event is the outline of an entry, before its text is made.
type event struct {
	time   time.Time
	layout string // how the time is written
	actor  *actor
	action *action
	zone   *zone

	// What follows is that of an event of an incident. Otherwise the writer chooses.
	planned  bool
	resource *resource
	setting  setting
	refused  string // the status that says so; empty for an action that succeeds
}

// A resource is what an action is about, and what stays the same from one action to the next.
type resource struct{ id, name string }

// A writer makes the text of entries.
type writer struct {
	rng          *rand.Rand
	account      string
	organization string // whose entries they are; "" for the account's
	catalog
	least     int // bytes of an entry
	cast      []actor
	actors    []*actor // of the cast, each as often as its weight says
	zones     []zone
	resources map[string][]*resource // the last resources of each type that are there
	buffer    []byte
}

func (w *writer) pickAction(by *actor) *action {
	if by.kind == "system" {
		return w.system[w.rng.IntN(len(w.system))]
	}
	return w.actions[w.rng.IntN(len(w.actions))]
}

// theResource returns the only resource of a kind.
func (w *writer) theResource(kind string) *resource {
	if w.resources[kind] == nil {
		w.resources[kind] = []*resource{{hexID(w.rng), w.word()}}
	}
	return w.resources[kind][0]
}

// settingOf returns a setting of a zone as a resource.
func (w *writer) settingOf(z *zone, name string) *resource {
	return w.theResource("setting " + name + " of " + z.id)
}

// pickResource returns the resource that an event is about. What is created is new, and what is
// deleted is not there afterwards, unless the action fails. Some resources are older than the
// history.
func (w *writer) pickResource(e *event, failed bool) *resource {
	const remembered = 16
	kind := e.action.resource
	switch e.action.about {
	case zoneSetting:
		return w.settingOf(e.zone, e.setting.name)
	case zoneItself:
		return &resource{e.zone.id, e.zone.name}
	case oncePerZone:
		return w.theResource(kind + " of " + e.zone.id)
	case ofZone:
		kind += " of " + e.zone.id
	}
	known, verb := w.resources[kind], e.action.verb
	if verb != "create" && len(known) > 0 && w.rng.IntN(4) > 0 {
		i := w.rng.IntN(len(known))
		chosen := known[i]
		if verb == "delete" && !failed {
			w.resources[kind] = slices.Delete(known, i, i+1)
		}
		return chosen
	}
	made := &resource{hexID(w.rng), w.word()}
	if failed == (verb == "delete") { // It is there now, or still.
		w.resources[kind] = append(known[max(0, len(known)+1-remembered):], made)
	}
	return made
}

// entry makes the text of an entry.
func (w *writer) entry(e *event, odd oddity) string {
	a, who, z := e.action, e.actor, e.zone
	result, status := "success", "200"
	failed := odd == oddFailure || e.refused != "" || !e.planned && w.rng.IntN(100) == 0
	if failed {
		result, status = "failure", [...]string{"400", "403", "404", "409", "500"}[w.rng.IntN(5)]
	}
	if e.refused != "" {
		status = e.refused
	}
	if a.about == zoneSetting && !e.planned {
		e.setting = settings[w.rng.IntN(len(settings))]
	}
	about := e.resource
	if about == nil {
		about = w.pickResource(e, failed)
	}
	f := &filling{event: e, resource: about, ip: w.ip(), number: strconv.Itoa(1 + w.rng.IntN(3600))}
	verb, context, description, name := a.verb, who.context, a.description, who.tokenName
	switch odd {
	case oddLogin:
		verb, description = "login", "Log in"
	case oddAPIContext:
		context = "api"
	case oddEmptyResult:
		result = ""
	case oddUnicode:
		description += " für Zoë, 東京 🚀"
	}

	id := "$hex"
	if odd == oddUUID {
		id = "$uuid"
	}
	b := w.fill(appendText(w.buffer[:0], `{"id":"`), id, f)
	switch {
	case w.organization != "":
		b = appendText(b, `","organization":{"id":"`, w.organization, `"}`)
	case odd != oddNoAccount:
		b = appendText(b, `","account":{"id":"`, w.account, `","name":"Example Account"}`)
	default:
		b = append(b, '"')
	}
	b = appendText(b, `,"action":{"description":"`, description, `","result":"`, result, `","time":"`)
	b = appendText(e.time.AppendFormat(b, e.layout), `","type":"`, verb, `"},"actor":{"id":"`, who.id, `","context":"`, context)
	if who.email != "" {
		b = appendText(b, `","email":"`, who.email)
	}
	if who.ip != "" {
		b = appendText(b, `","ip_address":"`, who.ip)
	}
	if odd == oddEscapes {
		// The same text could be written without escapes: who compares has to unescape.
		b = appendText(b, `","token_id":"\u0061bc","token_name":"caf\u00e9 \"\/\"\n\ud83d\ude80`)
	} else if name != "" {
		b = appendText(b, `","token_id":"`, who.tokenID, `","token_name":"`, name)
	}
	b = appendHex(appendText(b, `","type":"`, who.kind, `"},"raw":{"cf_ray_id":"`), w.rng)
	b = appendText(b, `","method":"`, a.method, `","status_code":`, status, `,"uri":"`)
	b = appendText(w.fill(b, a.uri, f), `","user_agent":"`, who.agent, `"},"resource":`)
	b = w.resource(b, a, f, odd, failed)
	switch {
	case w.organization != "":
	case odd == oddNullZone:
		b = appendText(b, `,"zone":null`)
	case odd == oddNoZone || a.about == ofAccount:
	default:
		b = appendText(b, `,"zone":{"id":"`, z.id, `","name":"`, z.name, `"}`)
	}
	w.buffer = append(b, '}')
	return string(w.buffer)
}

// beyondMessages is about how long the rest of an entry is after the messages in its response.
const beyondMessages = 150

func (w *writer) resource(b []byte, a *action, f *filling, odd oddity, failed bool) []byte {
	if odd == oddNullResource {
		return appendText(b, "null")
	}
	b = appendText(b, `{"id":"`, f.resource.id, `","product":"`, a.product, `","request":`)
	b = appendText(w.fill(b, a.request, f), `,"response":{"success":`)
	if failed {
		b = appendText(b, `false,"errors":[{"code":1004,"message":"The request was refused."}],"messages":[],"result":null}`)
	} else {
		b = appendText(b, `true,"errors":[],"messages":[`)
		for n := 0; len(b)+len(a.response)+beyondMessages < w.least; n++ {
			if n > 0 {
				b = append(b, ',')
			}
			b = w.fill(b, `{"code":$number,"message":"$sentence","source":{"pointer":"/$word/$word"},"retryable":false}`, f)
		}
		b = append(w.fill(appendText(b, `],"result":`), a.response, f), '}')
	}
	scope, end := `,"scope":"`, `"`
	if odd == oddScopeObject {
		scope, end = `,"scope":{"type":"`, `"}`
	}
	b = appendText(b, scope, a.scope, end, `,"type":"`, a.resource, `"`)
	if odd == oddResourceValue {
		b = appendText(b, `,"value":{"old":[1,2.50,3e2],"new":null}`)
	}
	return append(b, '}')
}

// appendText appends parts of a text. None of a history needs escapes.
func appendText(b []byte, parts ...string) []byte {
	for _, part := range parts {
		b = append(b, part...)
	}
	return b
}

// A filling is what stays the same within an entry, so that its request and its response fit each
// other.
type filling struct {
	event        *event
	resource     *resource
	ip, number   string
	words, rules []byte // made when they first occur
}

// fill appends a template with its words replaced.
func (w *writer) fill(b []byte, template string, f *filling) []byte {
	for i := 0; i < len(template); i++ {
		if template[i] != '$' {
			b = append(b, template[i])
			continue
		}
		end := i + 1
		for end < len(template) && template[end] >= 'a' && template[end] <= 'z' {
			end++
		}
		switch template[i+1 : end] {
		case "account":
			b = append(b, w.account...)
		case "organization":
			b = append(b, w.organization...)
		case "zone":
			b = append(b, f.event.zone.id...)
		case "domain":
			b = append(b, f.event.zone.name...)
		case "setting":
			b = append(b, f.event.setting.name...)
		case "value":
			b = append(b, f.event.setting.value...)
		case "id":
			b = append(b, f.resource.id...)
		case "name":
			b = append(b, f.resource.name...)
		case "ip":
			b = append(b, f.ip...)
		case "number":
			b = append(b, f.number...)
		case "word":
			b = append(b, w.word()...)
		case "words":
			if f.words == nil {
				f.words = w.sentence(nil)
			}
			b = append(b, f.words...)
		case "sentence":
			b = w.sentence(b)
		case "hex":
			b = appendID(b, w.rng)
		case "uuid":
			b = w.appendUUID(b)
		case "time":
			b = f.event.time.AppendFormat(b, layoutMicros)
		case "rules":
			if f.rules == nil {
				f.rules = w.rules(f)
			}
			b = append(b, f.rules...)
		default:
			panic("auditlogstest: a template of the history has an unknown word: " + template[i:end])
		}
		i = end - 1
	}
	return b
}

// rules makes some rules of a firewall.
func (w *writer) rules(f *filling) (rules []byte) {
	for n := range 1 + w.rng.IntN(5) {
		if n > 0 {
			rules = append(rules, ',')
		}
		rules = w.fill(rules, `{"id":"$hex","action":"block","expression":"(ip.src eq $ip and http.host eq \"$domain\")",`+
			`"description":"$sentence","enabled":true}`, f)
	}
	return rules
}

func (w *writer) sentence(b []byte) []byte {
	for n := range 2 + w.rng.IntN(5) {
		if n > 0 {
			b = append(b, ' ')
		}
		b = append(b, w.word()...)
	}
	return b
}

func (w *writer) word() string { return words[w.rng.IntN(len(words))] }

func (w *writer) ip() string { return "192.0.2." + strconv.Itoa(1+w.rng.IntN(254)) }

// appendUUID makes a random UUID, of version 4.
func (w *writer) appendUUID(b []byte) []byte {
	hex := appendID(nil, w.rng)
	hex[12], hex[16] = '4', "89ab"[w.rng.IntN(4)]
	return fmt.Appendf(b, "%s-%s-%s-%s-%s", hex[:8], hex[8:12], hex[12:16], hex[16:20], hex[20:])
}
