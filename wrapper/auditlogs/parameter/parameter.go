// Package parameter validates values against the contract's description of their parameter: for the
// client before it sends a request, for the fake when it answers one, and for programs that build a
// query from user input.
package parameter

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
)

// Check returns nil for a right value of a parameter. Otherwise its error names the parameter, and
// shows a right value.
func Check(p auditlogsapi.Parameter, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s is empty: want %s", p.Name, Wanted(p))
	case !allowed(p, value):
		return fmt.Errorf("%s is %q: want %s", p.Name, value, Wanted(p))
	}
	return nil
}

// Known reports whether a value is one of the known ones, or the parameter has no list of them.
// Other values are valid too, since the service adds new ones.
func Known(p auditlogsapi.Parameter, value string) bool {
	return p.Known == nil || slices.Contains(p.Known, value)
}

// Missing returns the error for a missing required parameter, which shows a right value.
func Missing(p auditlogsapi.Parameter) error {
	return fmt.Errorf("%s is missing: want %s", p.Name, Wanted(p))
}

// integer matches JSON's integers: a number in an entry never has another spelling.
var integer = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func allowed(p auditlogsapi.Parameter, value string) bool {
	switch {
	case p.Enum != nil:
		return slices.Contains(p.Enum, value)
	case p.Pattern != "":
		return regexp.MustCompile(p.Pattern).MatchString(value)
	case p.Formats != nil:
		return slices.ContainsFunc(p.Formats, func(format string) bool { return hasFormat(format, value) })
	case p.Type == "integer":
		n, err := strconv.Atoi(value)
		return err == nil && integer.MatchString(value) && (p.Max == 0 || p.Min <= n && n <= p.Max)
	}
	return true
}

// Wanted describes a right value, such as "one of asc, desc".
func Wanted(p auditlogsapi.Parameter) string {
	switch {
	case p.Enum != nil:
		return "one of " + strings.Join(p.Enum, ", ")
	case p.Pattern != "":
		return fmt.Sprintf("a value such as %s (%s)", p.Example, strings.TrimSuffix(p.Description, "."))
	case slices.Contains(p.Formats, "ipv4"):
		return "an address such as 198.51.100.7 or 2001:db8::7 (filters match exactly, and ranges are not documented)"
	case p.Formats != nil:
		var examples []string
		for _, format := range p.Formats {
			examples = append(examples, formatExamples[format])
		}
		return strings.Join(p.Formats, " or ") + " such as " + strings.Join(examples, " or ")
	case p.Max != 0:
		return fmt.Sprintf("a whole number from %d to %d", p.Min, p.Max)
	case p.Type == "integer":
		return "a whole number such as 403"
	case p.Known != nil:
		return "a value such as " + strings.Join(p.Known, ", ")
	}
	return "some text, or the parameter left out"
}

var formatExamples = map[string]string{"date": "2024-10-31", "date-time": "2024-10-31T08:30:00Z"}

// hasFormat knows the formats that the contract uses.
func hasFormat(format, value string) bool {
	var err error
	switch format {
	case "date":
		_, err = time.Parse(time.DateOnly, value)
	case "date-time":
		_, err = parseDateTime(value)
	case "ipv4", "ipv6":
		var address netip.Addr
		address, err = netip.ParseAddr(value)
		return err == nil && address.Is4() == (format == "ipv4") && address.Zone() == ""
	}
	return err == nil
}

// ParseTime reads an end of a window: a date, which means midnight UTC at its start, or an RFC 3339
// time. It returns UTC.
func ParseTime(bound string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, bound)
	if err != nil {
		t, err = parseDateTime(bound)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a date such as 2024-10-31 nor an RFC 3339 time such as 2024-10-31T08:30:00Z", bound)
	}
	return t.UTC(), nil
}

// dateTime matches an RFC 3339 time. The time package also accepts hours of one digit, and commas.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

func parseDateTime(value string) (time.Time, error) {
	if !dateTime.MatchString(value) {
		return time.Time{}, fmt.Errorf("%q is not an RFC 3339 time", value)
	}
	return time.Parse(time.RFC3339, value)
}
