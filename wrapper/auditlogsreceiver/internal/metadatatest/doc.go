// Package metadatatest has what mdatagen makes for tests of the receiver's metrics.
package metadatatest
