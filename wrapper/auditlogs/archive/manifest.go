package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	"cfaudit.example/wrapper/auditlogs/export"
	"cfaudit.example/wrapper/auditlogs/internal/durable"
)

// ErrDamaged is the error of an archive of which a part is not as it was sealed, or is missing.
var ErrDamaged = durable.ErrDamaged

const manifestVersion = 1

// A Manifest describes a link of an archive: a day of a log, or a supplement with entries that
// appeared after their day was sealed. It is a JSON file whose last field, "checksum", is the
// SHA-256 of all the bytes before its value.
//
// All links of a log are one chain, in the order in which they were sealed. Each names the SHA-256
// of the manifest before it, as sha256sum prints it.
type Manifest struct {
	Version  int    `json:"version"`  // of the manifest's format: 1
	Log      string `json:"log"`      // such as "account 4bb334f7c94c4a29a045f03944f072e5"
	Sequence int    `json:"sequence"` // 1 for the first link of the log
	Previous string `json:"previous"` // the SHA-256 of the manifest of the previous link; empty in the first

	Day  string `json:"day"`  // UTC, such as "2026-11-20"
	Late int    `json:"late"` // the number of the supplement, from 1; 0 for the day itself
	File string `json:"file"` // the file's name, without its folder; empty if there is none

	Window     export.Window `json:"window"`      // the day's start, and the start of the next one
	Bytes      int64         `json:"bytes"`       // of the file
	FileSHA256 string        `json:"file_sha256"` // of the file, as it is
	SHA256     string        `json:"sha256"`      // of the uncompressed text

	Settled     bool         `json:"settled"`      // the entries were requested after the day's end and the settle time: always true
	Settle      string       `json:"settle"`       // the settle time, such as "10m0s"
	LookBack    string       `json:"look_back"`    // for how long after that late entries are looked for, such as "24h0m0s"
	Final       bool         `json:"final"`        // the entries were requested after that: no supplement follows
	LateEntries int64        `json:"late_entries"` // in this supplement and those before it
	Available   Availability `json:"available"`    // what the service still had
	Sealed      time.Time    `json:"sealed"`       // by the service's clock
	Contract    string       `json:"contract"`     // the version of the API description that the program was made from

	export.Counts
}

// An Availability says how much of a day the service can still have had, since it keeps entries for
// a limited time; see [auditlogs.Oldest].
type Availability string

// The values of an Availability.
const (
	AvailableAll  Availability = "all"
	AvailableSome Availability = "some" // a part of the day was before that time
	AvailableNone Availability = "none" // the whole day was, and nothing came: that is not an empty day
)

// checksumField is what precedes the checksum, and checksumEnd what follows it.
const (
	checksumField = ",\n  \"checksum\": \""
	checksumEnd   = "\"\n}\n"
)

// encode returns the manifest's file.
func (m *Manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	data = append(bytes.TrimSuffix(data, []byte("\n}")), checksumField...)
	return append(append(data, digest(data)...), checksumEnd...), nil
}

// decodeManifest reads a manifest's file, of which every byte counts.
func decodeManifest(data []byte) (*Manifest, error) {
	body, ok := bytes.CutSuffix(data, []byte(checksumEnd))
	length := len(body) - hex.EncodedLen(sha256.Size)
	if !ok || length < 0 || !bytes.HasSuffix(body[:length], []byte(checksumField)) || digest(body[:length]) != string(body[length:]) {
		return nil, fmt.Errorf("%w: it has changed since it was written, as its checksum shows", ErrDamaged)
	}
	m := new(Manifest)
	switch err := json.Unmarshal(data, m); {
	case err != nil:
		return nil, fmt.Errorf("%w: it is not a manifest: %w", ErrDamaged, err)
	case m.Version != manifestVersion:
		return nil, fmt.Errorf("its format is version %d, and this program reads version %d: want the program that wrote it, or a newer one", m.Version, manifestVersion)
	}
	return m, nil
}

// digest returns a SHA-256 as text.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// A link is a sealed day or supplement.
type link struct {
	slot
	*Manifest
	digest string // of the manifest's file
}

// openLink reads the manifest of a slot, and compares it with its place.
func openLink(s slot, data []byte) (link, error) {
	m, err := decodeManifest(data)
	switch {
	case errors.Is(err, ErrDamaged):
		return link{}, fmt.Errorf("%w: restore it", err)
	case err != nil:
		return link{}, err
	}
	for _, same := range []struct{ what, is, want string }{
		{"the log", m.Log, logOf(s.folder)},
		{"the day", m.Day, s.day.Format(time.DateOnly)},
		{"the supplement", fmt.Sprint(m.Late), fmt.Sprint(s.late)},
	} {
		if same.is != same.want {
			return link{}, fmt.Errorf("%w: it is the manifest of %s %s, and its path says %s: restore both", ErrDamaged, same.what, same.is, same.want)
		}
	}
	if name := path.Base(s.stem()); m.File != "" && m.File != name+zstdEnd && m.File != name+gzipEnd {
		return link{}, fmt.Errorf("%w: it names the file %q, and should name %s or %s: restore it", ErrDamaged, m.File, name+zstdEnd, name+gzipEnd)
	}
	return link{s, m, digest(data)}, nil
}

// data is the path of the link's file.
func (l link) data() string { return path.Join(path.Dir(l.stem()), l.File) }

// follows describes what is wrong with a link after the one before it in the order of sealing,
// which is nil for the first; empty if nothing is.
func (l link) follows(before *link) string {
	switch {
	case before == nil && l.Sequence == 1 && l.Previous != "":
		return "it is link 1, and names one before it: it was replaced"
	case before == nil && l.Sequence != 1:
		return fmt.Sprintf("it is link %d, and the links before it are missing: restore them, from link 1 on", l.Sequence)
	case before == nil:
	case l.Sequence == before.Sequence:
		return fmt.Sprintf("it is link %d, and so is %s: one of them was added", l.Sequence, before.manifest())
	case l.Sequence == before.Sequence+2:
		return fmt.Sprintf("it is link %d, and link %d is missing: restore it", l.Sequence, l.Sequence-1)
	case l.Sequence != before.Sequence+1:
		return fmt.Sprintf("it is link %d, and links %d to %d are missing: restore them", l.Sequence, before.Sequence+1, l.Sequence-1)
	case l.Previous != before.digest:
		return fmt.Sprintf("it follows a manifest with the SHA-256 %s, and that of %s is %s: one of the two was replaced", l.Previous, before.manifest(), before.digest)
	}
	return ""
}
