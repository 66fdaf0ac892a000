package main

import (
	"fmt"
	"iter"
	"net/netip"
	"strings"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/parameter"
)

// filters yields the filters of the command line, with their values.
func (i *invocation) filters() iter.Seq2[auditlogsapi.Parameter, []string] {
	return func(yield func(auditlogsapi.Parameter, []string) bool) {
		for _, p := range operation.Parameters {
			flag := i.cmd.Flags().Lookup(flagName(p.Name))
			if p.Field != "" && flag != nil && flag.Changed && !yield(p, flag.Value.(*flagValue).given) {
				return
			}
		}
	}
}

// checkFilters refuses filters that the log of an organization does not have.
func (c *connection) checkFilters() error {
	for p := range c.filters() {
		if _, known := find(organizationOperation, p.Name); !known && c.ofOrganization() {
			return c.usage("--%s and --organization exclude each other: the log of an organization has no such filter", flagName(p.Name))
		}
	}
	return nil
}

// noteUnknownValues prints a note about each filter value that is sent though it is not a known
// one.
func (c *connection) noteUnknownValues() {
	taken := "sent"
	if c.archives != nil {
		taken = "compared"
	}
	for p, values := range c.filters() {
		if c.ofOrganization() && len(c.logs) == 1 {
			p, _ = find(organizationOperation, p.Name)
		}
		for _, value := range values {
			if !parameter.Known(p, value) {
				c.env.note("--%s %s is not one of the values that cfaudit knows: %s; it is %s as it is, and zero entries may mean that it is mistyped",
					flagName(p.Name), excerpt(value), strings.Join(p.Known, ", "), taken)
			}
		}
	}
}

// noteNothing says that a listing is complete and has no entry, and what may be wrong with the
// filters. Resumed means that an earlier run may have printed entries.
func (c *connection) noteNothing(resumed bool) {
	text := "the window has no entries"
	var doubts []string
	for p, values := range c.filters() {
		text = "no entry of the window matches; values match exactly and by case, and different filters must all match: leave a filter out to see which values there are"
		for _, value := range values {
			if why := doubt(p.Name, value); why != "" && !strings.HasSuffix(p.Name, excluding) {
				doubts = append(doubts, fmt.Sprintf("--%s %s: %s", flagName(p.Name), excerpt(value), why))
			}
		}
	}
	if resumed {
		text = "there are no entries after the position"
	}
	for _, text := range append([]string{text}, doubts...) {
		c.env.note("%s", text)
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
