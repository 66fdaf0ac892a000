package main

import (
	"fmt"
	"net/netip"
	"strings"

	"cfaudit.example/wrapper/auditlogs"
)

// noteNothing says that a listing is complete and has no entry, and what may be wrong with the
// filters. Resumed means that an earlier run may have printed entries.
func (e *environment) noteNothing(query *auditlogs.Query, resumed bool) {
	var doubts []string
	filtered := false
	for _, p := range operation.Parameters {
		filter := query.Filter(p.Name)
		if filter == nil || len(*filter) == 0 {
			continue
		}
		filtered = true
		for _, value := range *filter {
			if text := doubt(p.Name, value); text != "" && !strings.HasSuffix(p.Name, excluding) {
				doubts = append(doubts, fmt.Sprintf("--%s %s: %s", flagName(p.Name), excerpt(value), text))
			}
		}
	}
	switch {
	case resumed:
		e.note("there are no entries after the position")
	case filtered:
		e.note("no entry of the window matches; values match exactly and by case, and different filters must all match: leave a filter out to see which values there are")
	default:
		e.note("the window has no entries")
	}
	for _, text := range doubts {
		e.note("%s", text)
	}
}

// doubt says why a filter's value may match no entry. It is empty if the value looks right.
func doubt(filter, value string) string {
	filter = strings.TrimSuffix(filter, excluding)
	_, noAddress := netip.ParseAddr(value)
	_, noRange := netip.ParsePrefix(value)
	switch {
	case strings.Contains(value, ","):
		var each []string
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				each = append(each, "--"+flagName(filter)+" "+shellQuote(clean(part)))
			}
		}
		return "a comma does not separate values: for several, want " + strings.Join(each, " ")
	case filter == "actor_ip_address" && noRange == nil:
		return "that is a range, and there is no filter for one: want a single address, such as " + netip.MustParsePrefix(value).Addr().String()
	case strings.Contains(value, "*"):
		return "there are no wildcards: want the whole value"
	case filter == "actor_ip_address" && noAddress != nil:
		return "that is not a whole address: want one such as 198.51.100.7 or 2001:db8::7"
	case filter == "actor_email" && !strings.Contains(value, "@"):
		return "an email address has an @: want the whole of it, such as alice@example.com"
	case filter == "raw_method" && strings.ToUpper(value) != value:
		return "methods are in capitals: want " + strings.ToUpper(value)
	case filter == "actor_token_name":
		return "a token's name matches by case and as a whole: want it as the entries have it"
	case filter == "resource_product":
		return `"cfaudit products" prints the names of products`
	}
	return ""
}
