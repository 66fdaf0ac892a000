package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// A discreetT keeps the token out of the log of a script, where testscript itself writes the whole
// environment. What the program prints, the scripts look through before.
type discreetT struct{ *testing.T }

func (t discreetT) Log(args ...any) {
	t.Helper()
	t.T.Log(strings.ReplaceAll(fmt.Sprint(args...), token, "[the token]"))
}

func (t discreetT) Fatal(args ...any) {
	t.Helper()
	t.Log(args...)
	t.FailNow()
}

func (t discreetT) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(discreetT{t}) })
}

func (t discreetT) Verbose() bool { return testing.Verbose() }
