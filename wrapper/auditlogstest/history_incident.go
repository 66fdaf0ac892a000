package auditlogstest

import "time"

// What is new in an incident: nothing else in a history has these.
const (
	incidentAddress = "198.18.7.66"
	incidentBrowser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36"
	incidentTool    = "python-requests/2.32.3"
	incidentToken   = "cdn-sync"
)

var (
	createRecord, updateRecord, deleteRecord = actionNamed("Create DNS record"), actionNamed("Update DNS record"), actionNamed("Delete DNS record")
	changeSetting                            = actionNamed("Change zone setting")

	signIn = &action{
		product: "user", resource: "session", scope: "user", verb: "login", description: "Log in", method: "POST", uri: "/login",
		request: `{"method":"password"}`, response: `{"id":"$id"}`,
	}
	createToken = &action{
		product: "tokens", resource: "user.token", scope: "user", verb: "create", description: "Create API token", method: "POST", uri: "/user/tokens",
		request: `{"name":"$name","policies":[{"effect":"allow","permission_groups":[{"id":"$hex","name":"DNS Write"},` +
			`{"id":"$hex","name":"Zone Settings Write"}],"resources":{"com.cloudflare.api.account.$account":"*"}}]}`,
		response: `{"id":"$id","name":"$name","status":"active","issued_on":"$time","modified_on":"$time","value":"[REDACTED]"}`,
	}
	deleteToken = &action{
		product: "tokens", resource: "user.token", scope: "user", verb: "delete", description: "Delete API token", method: "DELETE",
		uri: "/user/tokens/$id", request: `{}`, response: `{"id":"$id"}`,
	}
	deleteZone = &action{
		product: "zones", resource: "zone", scope: "zones", verb: "delete", description: "Delete zone", method: "DELETE", uri: "/zones/$zone",
		about: zoneItself, request: `{}`, response: `{"id":"$zone"}`,
	}
)

func actionNamed(description string) *action {
	for i := range accountActions {
		if accountActions[i].description == description {
			return &accountActions[i]
		}
	}
	panic("auditlogstest: no action is named " + description)
}

// incident returns the events of an incident, and those before it that made what it changes:
//
//   - 20 days earlier, a tool creates 24 DNS records of example.com, and Alice turns on the
//     security settings of three zones; 8 days earlier, Bob changes six of the records;
//   - at its time, someone at 198.18.7.66 fails to sign in 38 times as three people, and then
//     succeeds as heidi@example.com;
//   - 9 minutes later, that session creates the API token cdn-sync;
//   - from 14 minutes on, the token turns off nine settings of three zones, fails twice to delete
//     the zone example.com, and deletes the 24 records within a minute;
//   - 6 hours later, Heidi deletes the token, and Alice turns on TLS in the three zones again.
func (w *writer) incident(at time.Time) []event {
	const day = 24 * time.Hour
	person := func(name string) *actor {
		for i := range w.cast {
			if w.cast[i].email == name+"@example.com" {
				return &w.cast[i] // The people come before the tools that use their tokens.
			}
		}
		panic("auditlogstest: the cast has no " + name)
	}
	intruder := func(name string) *actor {
		who := *person(name)
		who.ip, who.agent = incidentAddress, incidentBrowser
		return &who
	}
	tool := &w.cast[len(people)]
	alice, bob, heidi, session := person("alice"), person("bob"), person("heidi"), intruder("heidi")
	token := &resource{hexID(w.rng), incidentToken}
	script := *session
	script.context, script.tokenID, script.tokenName, script.agent = "api_token", token.id, token.name, incidentTool

	var events []event
	add := func(after time.Duration, e event) {
		e.time, e.layout, e.planned = at.Add(after).Truncate(time.Millisecond), layoutMillis, true
		if e.zone == nil {
			e.zone = &w.zones[0]
		}
		events = append(events, e)
	}
	zones := []*zone{&w.zones[0], &w.zones[1], &w.zones[3]}
	change := func(after, pause time.Duration, by *actor, values ...setting) {
		for _, z := range zones {
			for _, s := range values {
				add(after, event{actor: by, action: changeSetting, zone: z, resource: w.settingOf(z, s.name), setting: s})
				after += pause
			}
		}
	}

	var records []*resource
	for i, word := range words {
		records = append(records, &resource{hexID(w.rng), word})
		add(-20*day+7*time.Hour, event{actor: tool, action: createRecord, resource: records[i]})
	}
	change(-20*day+8*time.Hour, 20*time.Second, alice, setting{"ssl", "strict"}, setting{"min_tls_version", "1.2"}, setting{"security_level", "medium"})
	for i := range 6 {
		add(-8*day+9*time.Hour+time.Duration(i)*time.Minute, event{actor: bob, action: updateRecord, resource: records[4*i]})
	}

	after := time.Duration(0)
	pause := func(seconds int) { after += time.Duration(1000*seconds+w.rng.IntN(2000)) * time.Millisecond }
	attempt := func(as *actor, refused string) {
		add(after, event{actor: as, action: signIn, resource: &resource{id: hexID(w.rng)}, refused: refused})
		pause(5)
	}
	for i := range 38 {
		attempt(intruder([...]string{"erin", "frank", "heidi"}[i*3/38]), "401")
	}
	attempt(session, "")
	add(9*time.Minute, event{actor: session, action: createToken, resource: token})
	change(14*time.Minute, 11*time.Second, &script, setting{"ssl", "off"}, setting{"min_tls_version", "1.0"}, setting{"security_level", "essentially_off"})
	after = 19 * time.Minute
	for range 2 {
		add(after, event{actor: &script, action: deleteZone, resource: &resource{id: w.zones[0].id}, refused: "403"})
		pause(20)
	}
	after = 21 * time.Minute
	for _, record := range records {
		add(after, event{actor: &script, action: deleteRecord, resource: record})
		pause(1)
	}
	add(6*time.Hour, event{actor: heidi, action: deleteToken, resource: token})
	change(6*time.Hour+10*time.Minute, 15*time.Second, alice, setting{"ssl", "strict"})
	return events
}
