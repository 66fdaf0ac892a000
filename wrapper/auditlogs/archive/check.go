package archive

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Finding is something in an archive that is not as it should be.
type Finding struct {
	Path    string // of the file, or of the one that is missing, relative to the folder; the folder itself for what concerns all of it
	Problem string
}

// String returns the path and the problem.
func (f Finding) String() string { return f.Path + ": " + f.Problem }

// A Report is the result of a check.
type Report struct {
	Logs     []LogReport
	Findings []Finding // sorted by path; none if the archive is as it was sealed
}

// A LogReport is what is in the archive of a log.
type LogReport struct {
	Log         string
	First, Last string // days, such as "2026-11-20"
	Days        int
	Supplements int
	Entries     int64
	Bytes       int64  // of the files, without the manifests
	Newest      int    // the sequence number of the newest link
	Digest      string // the SHA-256 of its manifest
}

// Check compares everything in an archive with its manifests, and the manifests with each other,
// without the service: the bytes of every file, the chain, the days without a hole, the supplements
// without a gap, and that there is nothing else. Counts, the order of time and the text of a file
// were recorded when it was sealed: they hold as long as its bytes are the same.
//
// A chain shows every change but one: somebody who replaces a link can rebuild all links after it,
// or remove the newest ones. Anchors are digests of manifests that were the newest once, and that
// were kept elsewhere: each of them must be in the archive, and so everything before it is as it
// was then.
//
// The error is [ErrDamaged] if there are findings, which the report then has. Any other error means
// that the archive could not be read, or the cause of the end of ctx. Files are read side by side
// on all cores, in 256 KB for each.
func Check(ctx context.Context, folder string, anchors ...string) (*Report, error) {
	files, err := walk(folder, ".")
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := files.verify(ctx); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	report := &Report{Findings: files.foreign}
	digests := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(files.chains)) {
		chain := files.chains[name]
		chain.compare()
		chain.findGaps()
		report.Findings = append(report.Findings, chain.findings...)
		if len(chain.links) > 0 {
			report.Logs = append(report.Logs, chain.report())
		}
		for _, l := range chain.links {
			digests[l.digest] = true
		}
	}
	if len(files.chains) == 0 {
		report.Findings = append(report.Findings, Finding{folder, "it has no day of an archive: want the folder that archive wrote"})
	}
	for _, anchor := range anchors {
		if !digests[strings.ToLower(anchor)] {
			report.Findings = append(report.Findings, Finding{folder, fmt.Sprintf("no manifest has the SHA-256 %s, which was kept as an anchor: links were removed or replaced", anchor)})
		}
	}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int { return cmp.Compare(a.Path, b.Path) })
	if n := len(report.Findings); n > 0 {
		return report, fmt.Errorf("archive: %s: %w (findings: %d): %s", folder, ErrDamaged, n, report.Findings[0])
	}
	return report, nil
}
