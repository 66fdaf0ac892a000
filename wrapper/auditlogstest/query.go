package auditlogstest

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
)

// defaultLimit is the size of a page when limit is not given.
const defaultLimit = 100

// operation is what the contract says about the listing. No parameter is named here that it already names.
var operation = &auditlogsapi.ListAccountAuditLogsOperation

var accountParameter, patterns = newPatterns()

// newPatterns also returns the name of the parameter that says which account is meant, the only one in the path.
func newPatterns() (string, map[string]*regexp.Regexp) {
	var account string
	patterns := map[string]*regexp.Regexp{}
	for _, p := range operation.Parameters {
		if p.In == "path" && account == "" {
			account = p.Name
		}
		if p.Pattern != "" {
			patterns[p.Name] = regexp.MustCompile(p.Pattern)
		}
	}
	return account, patterns
}

func matchesPattern(p auditlogsapi.Parameter, value string) bool {
	pattern := patterns[p.Name]
	return pattern == nil || pattern.MatchString(value)
}

func validAccount(id string) bool {
	pattern := patterns[accountParameter]
	return pattern == nil || pattern.MatchString(id)
}

// A problem is something that the contract does not allow.
type problem struct {
	message string
	misuse  bool // the program that asks does not follow the contract, whatever its user wants
}

// checkQuery holds a query against the contract. It is needed because the generated server takes enumerations, ranges,
// formats, repetitions and unknown names as they come.
func checkQuery(rawQuery string) []problem {
	var problems []problem
	add := func(misuse bool, format string, args ...any) {
		problems = append(problems, problem{fmt.Sprintf(format, args...), misuse})
	}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if _, err := url.ParseQuery(pair); err != nil {
			name, _, _ := strings.Cut(pair, "=")
			add(false, "%s is not readable: %v", name, err)
		}
	}
	// What is readable is checked all the same. Names are sorted to make the messages repeatable.
	values, _ := url.ParseQuery(rawQuery)
	known := map[string]bool{}
	for _, p := range operation.Parameters {
		if p.In != "query" {
			continue
		}
		known[p.Name] = true
		given := values[p.Name]
		if p.Required && len(given) == 0 {
			add(false, "%s is required", p.Name)
		}
		if !p.Repeated && len(given) > 1 {
			add(true, "%s is given %d times, and takes one value", p.Name, len(given))
		}
		for _, value := range given {
			if err := checkValue(p, value); err != nil {
				add(false, "%s: %v", p.Name, err)
			}
		}
	}
	unknown := slices.DeleteFunc(sortedNames(values), func(name string) bool { return known[name] })
	for _, name := range unknown {
		add(true, "%s is not a parameter that the contract knows", name)
	}
	return problems
}

func sortedNames(values url.Values) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// integer is JSON's idea of one: other spellings of a number are no text that a number in an entry has.
var integer = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func checkValue(p auditlogsapi.Parameter, value string) error {
	if p.Enum != nil && !slices.Contains(p.Enum, value) {
		return fmt.Errorf("%q is none of %s", value, strings.Join(p.Enum, ", "))
	}
	if !matchesPattern(p, value) {
		return fmt.Errorf("%q does not match %s", value, p.Pattern)
	}
	if p.Formats != nil && !slices.ContainsFunc(p.Formats, func(f string) bool { return hasFormat(f, value) }) {
		return fmt.Errorf("%q is not a %s", value, strings.Join(p.Formats, " or a "))
	}
	if p.Type == "integer" {
		n, err := strconv.Atoi(value)
		if err != nil || !integer.MatchString(value) {
			return fmt.Errorf("%q is not an integer", value)
		}
		if p.Max != 0 && (n < p.Min || n > p.Max) {
			return fmt.Errorf("%d is not between %d and %d", n, p.Min, p.Max)
		}
	}
	return nil
}

// hasFormat knows the formats that need knowing. Those that it does not know hold for any value.
func hasFormat(format, value string) bool {
	var err error
	switch format {
	case "date":
		_, err = time.Parse(time.DateOnly, value)
	case "date-time":
		_, err = parseDateTime(value)
	}
	return err == nil
}

// dateTime is the shape of an RFC 3339 time. It is checked because time.Parse also takes one-digit hours and commas.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

func parseDateTime(value string) (time.Time, error) {
	if !dateTime.MatchString(value) {
		return time.Time{}, errors.New("not a date-time")
	}
	return time.Parse(time.RFC3339, value)
}

// parseBound reads one end of a window, which is known to have one of its formats.
func parseBound(value string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, value); err == nil {
		return t, nil
	}
	return parseDateTime(value)
}

// newListing reads the parameters of a request that passed checkQuery.
func (s *Server) newListing(params *auditlogsapi.ListAccountAuditLogsParams) (listing, error) {
	since, err := parseBound(params.Since)
	if err != nil {
		return listing{}, fmt.Errorf("since: %w", err)
	}
	before, err := parseBound(params.Before)
	if err != nil {
		return listing{}, fmt.Errorf("before: %w", err)
	}
	if !since.Before(before) {
		return listing{}, errors.New("since must be earlier than before")
	}
	// The default of direction is not documented. This fake lists from the newest, as the published API says.
	desc := params.Direction == nil || *params.Direction == "desc"
	return listing{window: s.config.window(since, before), desc: desc, filters: newFilters(params)}, nil
}
