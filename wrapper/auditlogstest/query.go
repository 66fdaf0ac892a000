package auditlogstest

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"cfaudit.example/gen/auditlogsapi"
	"cfaudit.example/wrapper/auditlogs/match"
)

// defaultLimit is the size of a page when limit is not given.
const defaultLimit = 100

// operations is the contract's table of each operation, by its route. No parameter of the contract
// is repeated here.
var operations = func() map[string]*auditlogsapi.Operation {
	byPattern := map[string]*auditlogsapi.Operation{}
	for _, operation := range auditlogsapi.Operations {
		byPattern[operation.Method+" "+basePath+operation.Path] = operation
	}
	return byPattern
}()

// The parameters that name the owner of a log: the first ones in the paths.
var (
	accountParameter      = auditlogsapi.ListAccountAuditLogsOperation.Parameters[0]
	organizationParameter = auditlogsapi.ListOrganizationAuditLogsOperation.Parameters[0]
)

func validAccount(id string) bool { return accountParameter.Check(id) == nil }

// parameters are the parameters of an operation that lists entries.
type parameters interface {
	Values(name string) []string
	Listing() auditlogsapi.Listing
}

// A problem is something that the contract does not allow.
type problem struct {
	message string
	misuse  bool // the client program does not follow the contract, whatever its user wants
}

// checkQuery validates a query against the contract. It is needed because the generated server does
// not check enumerations, ranges, formats, repetitions and unknown names.
func (s *Server) checkQuery(operation *auditlogsapi.Operation, rawQuery string) []problem {
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
	// The readable part is still checked.
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
			if err := p.Check(value); err != nil {
				add(false, "%v", err)
			} else if s.config.strictEnums && !p.Knows(value) {
				add(false, "%s is %q: want one of %s", p.Name, value, strings.Join(p.Known, ", "))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !known[name] {
			add(true, "%s is not a parameter that the contract knows", name)
		}
	}
	return problems
}

// newListing reads the parameters of a request that passed checkQuery.
func (s *Server) newListing(operation *auditlogsapi.Operation, params parameters) (listing, error) {
	given := params.Listing()
	since, err := auditlogsapi.ParseTime(*given.Since)
	if err != nil {
		return listing{}, fmt.Errorf("since: %w", err)
	}
	before, err := auditlogsapi.ParseTime(*given.Before)
	if err != nil {
		return listing{}, fmt.Errorf("before: %w", err)
	}
	if !since.Before(before) {
		return listing{}, errors.New("since must be earlier than before")
	}
	filters, err := match.New(operation, params.Values, s.productsOf)
	if err != nil {
		return listing{}, err
	}
	desc := *given.Direction == nil || **given.Direction == "desc"
	q := listing{window: s.config.window(since, before), desc: desc, filters: filters}
	if s.config.lateness != nil {
		q.now = time.Now()
	}
	return q, nil
}
