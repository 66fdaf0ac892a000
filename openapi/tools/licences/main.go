// Command licences keeps cmd/cfaudit/THIRD_PARTY.md, the licences of everything that the released
// programs are built from, on any of the released systems. It reads the module cache, and fails
// where a licence is missing or is not one that allows us to ship the program under Apache-2.0.
//
//	go run . ../../..         # fail where the list is not up to date
//	go run . -write ../../..  # write it
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// What is released: .goreleaser.yaml has the same systems.
var (
	systems       = []string{"linux", "darwin", "windows"}
	architectures = []string{"amd64", "arm64"}
)

const (
	program = "./cmd/cfaudit"
	list    = "cmd/cfaudit/THIRD_PARTY.md"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("licences: ")
	write := flag.Bool("write", false, "write the list instead of comparing it")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("want the folder of the repository, such as ../../..")
	}
	root := flag.Arg(0)
	text, names, err := thirdParty(root)
	if err != nil {
		log.Fatal(err)
	}
	file := filepath.Join(root, filepath.FromSlash(list))
	if *write {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			log.Fatal(err)
		}
	} else if old, err := os.ReadFile(file); err != nil {
		log.Fatal(err)
	} else if !bytes.Equal(old, text) {
		log.Fatalf("%s is not up to date: run make third-party, and commit the result", list)
	}
	fmt.Printf("%s: %s\n", list, strings.Join(names, ", "))
}

// thirdParty makes the list, and says how many modules have which licence.
func thirdParty(root string) (text []byte, summary []string, err error) {
	modules, err := shipped(root)
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	fmt.Fprint(&out, "<!-- Made by make third-party. DO NOT EDIT. -->\n\n# Third-party licences\n\n"+
		"The program cfaudit contains the following, under these licences.\n\n| What | Version | Licence |\n|---|---|---|\n")
	var wrong []error
	counts := map[string]int{}
	for _, m := range modules {
		if len(m.files) == 0 {
			wrong = append(wrong, fmt.Errorf("%s %s has no licence file", m.path, m.version))
		}
		var kinds []string
		for name, text := range m.files {
			if isNotice(name) {
				continue
			}
			found := classify(text)
			if found == nil {
				wrong = append(wrong, fmt.Errorf("%s %s: %s is none of the licences that we can ship: %s",
					m.path, m.version, name, strings.Join(slices.Sorted(maps.Keys(licences)), ", ")))
			}
			kinds = append(kinds, found...)
		}
		slices.Sort(kinds)
		kinds = slices.Compact(kinds)
		for _, kind := range kinds {
			counts[kind]++
		}
		fmt.Fprintf(&out, "| %s | %s | %s |\n", m.path, m.version, strings.Join(kinds, ", "))
	}
	for _, m := range modules {
		for _, name := range slices.Sorted(maps.Keys(m.files)) {
			fmt.Fprintf(&out, "\n## %s: %s\n\n```text\n%s\n```\n", m.path, name, strings.Trim(m.files[name], "\n"))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		summary = append(summary, fmt.Sprintf("%d under %s", counts[kind], kind))
	}
	return out.Bytes(), summary, errors.Join(wrong...)
}

// A module is what one or more packages of the program come from.
type module struct {
	path, version string
	files         map[string]string // licences and notices, by their names in the module
}

// shipped returns the modules that the program is built from on any system, the standard library
// first.
func shipped(root string) ([]*module, error) {
	goroot, err := output(root, nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	// Its version is that of the Go which builds the program: cfaudit version prints it.
	standard := &module{path: "Go's standard library", files: map[string]string{}}
	if err := standard.add(strings.TrimSpace(goroot), "."); err != nil {
		return nil, err
	}
	found := map[string]*module{}
	for _, system := range systems {
		for _, architecture := range architectures {
			out, err := output(root, []string{"GOOS=" + system, "GOARCH=" + architecture, "CGO_ENABLED=0"},
				"go", "list", "-deps", "-json=Dir,Module", program)
			if err != nil {
				return nil, err
			}
			for decoder := json.NewDecoder(strings.NewReader(out)); ; {
				var p struct {
					Dir    string
					Module *struct {
						Path, Version, Dir string
						Main               bool
					}
				}
				if err := decoder.Decode(&p); err == io.EOF {
					break
				} else if err != nil {
					return nil, err
				}
				if p.Module == nil || p.Module.Main {
					continue
				}
				m := found[p.Module.Path]
				if m == nil {
					m = &module{path: p.Module.Path, version: p.Module.Version, files: map[string]string{}}
					found[m.path] = m
				}
				// A package can have a licence besides its module's.
				inside, err := filepath.Rel(p.Module.Dir, p.Dir)
				if err != nil {
					return nil, err
				}
				for ; ; inside = filepath.Dir(inside) {
					if err := m.add(p.Module.Dir, inside); err != nil {
						return nil, err
					}
					if inside == "." {
						break
					}
				}
			}
		}
	}
	modules := []*module{standard}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		modules = append(modules, found[path])
	}
	return modules, nil
}

var legal = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|notice|patents)([.-].*)?$`)

func isNotice(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	return strings.HasPrefix(base, "notice") || strings.HasPrefix(base, "patents")
}

// add takes the licences and notices in a folder of a module.
func (m *module) add(root, folder string) error {
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() || !legal.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		name := filepath.Join(folder, entry.Name())
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		m.files[filepath.ToSlash(name)] = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	return nil
}

// The licences that we can ship, each with words that only it has.
var licences = map[string]string{
	"Apache-2.0":   "apache license version 2.0, january 2004",
	"BSD-2-Clause": "redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer in the documentation and/or other materials provided with the distribution. this software",
	"BSD-3-Clause": "may be used to endorse or promote products derived from this software without",
	"ISC":          "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee",
	"MIT":          "permission is hereby granted, free of charge, to any person obtaining a copy",
}

// forbidden are words of licences that ask for more than we can promise, next to any other.
var forbidden = regexp.MustCompile(`gnu (lesser |affero )?general public license|mozilla public license|server side public license|business source license|commons clause`)

// classify returns the licences that a text has; none where it has another.
func classify(text string) (found []string) {
	plain := strings.ToLower(strings.Join(strings.Fields(text), " "))
	if forbidden.MatchString(plain) {
		return nil
	}
	for name, words := range licences {
		if strings.Contains(plain, words) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// output runs a command, and returns what it prints.
func output(directory string, environment []string, name string, arguments ...string) (string, error) {
	cmd := exec.Command(name, arguments...)
	cmd.Dir = directory
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(arguments, " "), err)
	}
	return string(out), nil
}
