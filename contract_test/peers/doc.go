// Package peers lets the code of others meet ours: the official SDKs talk to the fake, and the
// client talks to a mock that another process makes of the contract. What the official SDKs fail at
// is asserted as it was found, so that we notice when they mend it.
//
// It is a module of its own, since what it needs is large, and needs Node.js beside Go: make peers
// runs it.
package peers
