package main

import (
	"cmp"
	"runtime"

	"cfaudit.example/wrapper/auditlogs/format"
)

// A rendering holds the flags that say how entries are printed.
type rendering struct {
	encoding string
	style    tableStyle
	raw      bool // the entry's own bytes are printed beside what a format makes of it
}

func (r *rendering) flags(standard string, names ...string) []*flagValue {
	r.raw = true
	raw := toggle("raw", groupOutput, "--raw=false leaves out of ecs and ocsf the entry's own bytes, event.original and raw_data", &r.raw)
	raw.standard = "true"
	flags := append([]*flagValue{formatFlag(&r.encoding, "how entries are printed", standard, names...)}, r.style.flags()...)
	return append(flags, raw)
}

// check refuses the flags that only a table has where another format was chosen.
func (r *rendering) check(i *invocation) error {
	if r.encoding == "" || r.encoding == nameTable {
		return nil
	}
	for _, name := range []string{columnsFlag, localFlag, timeZoneFlag} {
		if i.given(name) {
			return i.usage("--%s is for --format %s: %s keeps all fields, and times as they came", name, nameTable, r.encoding)
		}
	}
	return nil
}

// format is the one that was chosen, or the table where a flag is for it, or else the standard.
func (r *rendering) format(env *environment, standard string) format.Format {
	if r.encoding == "" && (r.style.columns != nil || r.style.chosen()) {
		r.encoding = nameTable
	}
	r.encoding = cmp.Or(r.encoding, standard)
	width := env.terminal(env.stdout)
	if r.encoding == nameTable {
		return newTable(width, env.colours(), &r.style)
	}
	var options []format.Option
	if !r.raw {
		options = append(options, format.OmitRaw())
	}
	if width > 0 { // A terminal must be safe from the text that it shows; a file gets it unchanged.
		options = append(options, format.Cells(clean))
	}
	made, err := format.New(r.encoding, options...)
	if err != nil {
		panic(err) // The flag takes no other names.
	}
	return made
}

// colours reports whether standard output shows colours. The old console of Windows prints them as
// text.
func (e *environment) colours() bool {
	works := runtime.GOOS != "windows" || e.getenv("WT_SESSION") != "" || e.getenv("TERM") != ""
	return works && e.terminal(e.stdout) > 0 && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}
