//go:build race

package command

// race is how the command is built: with the race detector, as its tests are.
var race = []string{"-race"}
