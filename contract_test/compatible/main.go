// Command compatible tells what has changed since the last release, and fails where that breaks
// somebody's program.
//
// It compares the contract, by oasdiff, and the exported API of the library, by apidiff, with the
// copies in the folder released. With -release it makes what there is today the last release. It is
// run in its own folder: make compatible, make release-contract.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

// What is compared, and with what.
const (
	root             = "../.."
	contract         = "../../openapi/auditlogs.yaml"
	releasedContract = "released/auditlogs.yaml"
	releasedLibrary  = "released/library.txt"
)

func main() {
	release := flag.Bool("release", false, "make what there is today the last release")
	flag.Parse()
	if err := run(*release); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(release bool) error {
	m, err := open(root)
	if err != nil {
		return err
	}
	now, err := m.surface()
	switch {
	case err != nil:
		return err
	case release:
		return keep(now)
	}
	return compare(m, now)
}

// A change is one line of the changelog.
type change struct {
	text   string
	breaks bool
}

func compare(m *module, now surface) error {
	before, err := readSurface(releasedLibrary)
	if err != nil {
		return err
	}
	contracts, err := compareContracts(releasedContract, contract)
	if err != nil {
		return err
	}
	libraries, err := compareLibraries(m, before, now)
	if err != nil {
		return err
	}
	return errors.Join(report("contract", contracts), report("library", libraries))
}

// report prints the changelog. It is an error where something breaks.
func report(what string, changes []change) error {
	fmt.Printf("%s: %d changes since it was last released\n", what, len(changes))
	breaking := 0
	for _, c := range changes {
		kind := "  also "
		if c.breaks {
			kind = "BREAKS "
			breaking++
		}
		fmt.Println(kind + c.text)
	}
	if breaking > 0 {
		return fmt.Errorf("%s: %d changes break programs that lean on the last release; mend them, or, for a new major version, run make release-contract",
			what, breaking)
	}
	return nil
}

func keep(now surface) error {
	text, err := os.ReadFile(contract)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(releasedContract, text, 0o644), now.write(releasedLibrary))
}
