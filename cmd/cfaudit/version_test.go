package main

import (
	"runtime/debug"
	"testing"
)

func TestBuildOf(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "57abf9b82811cc513b36b87ab20e4a95bbc154d0"}
	date := debug.BuildSetting{Key: "vcs.time", Value: "2026-11-25T19:22:31Z"}
	for name, test := range map[string]struct {
		version  string
		settings []debug.BuildSetting
		want     build
	}{
		"no build information": {
			want: build{"devel", "unknown", "unknown"},
		},
		"built without version control": {
			version: "(devel)",
			want:    build{"devel", "unknown", "unknown"},
		},
		"a clean clone at a tag": {
			version:  "v1.2.3",
			settings: []debug.BuildSetting{revision, date, {Key: "vcs.modified", Value: "false"}},
			want:     build{"v1.2.3", revision.Value, date.Value},
		},
		"a clone with uncommitted changes": {
			version:  "v1.2.3+dirty",
			settings: []debug.BuildSetting{revision, date, {Key: "vcs.modified", Value: "true"}},
			want:     build{"v1.2.3+dirty", revision.Value + ", with changes", date.Value},
		},
		"installed as a module": {
			version: "v1.2.3",
			want:    build{"v1.2.3", "unknown", "unknown"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			info := &debug.BuildInfo{Main: debug.Module{Version: test.version}, Settings: test.settings}
			if got := buildOf(info); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
