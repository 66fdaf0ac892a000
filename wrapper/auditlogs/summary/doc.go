// Package summary counts the entries of a window: how many there are, when they were recorded, who
// did what from where, and which of them deserve a look. It also tells what a window has that an
// earlier one has not.
//
// It reads a stream of entries of any length in bounded memory:
//
//   - Of each group, such as that of the addresses, it keeps at most 50,000 distinct values at a
//     time, and at most 4 MiB of their text. Up to there every number is exact. Beyond, it drops
//     the rarest half whenever a bound is reached. A number that may be too low because of that
//     says so (see [Value.AtMost] and [Group.MayMiss]); those of values that were never dropped
//     stay exact.
//   - A value of more than 256 bytes is kept by its start and its digest.
//   - A hint keeps at most 100 actors, and the first 10 entries of each.
//
// The results are plain structs with JSON names that stay.
package summary
