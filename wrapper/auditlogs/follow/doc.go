// Package follow keeps a program up to date with an account's audit log: it delivers every entry soon after it appeared, at
// least once, and goes on where it stopped, whatever stopped it.
//
//	store, err := follow.OpenFile("audit-log.state")
//	...
//	defer store.Close()
//	follower, err := follow.New(client.Account(accountID), auditlogs.Query{}, store)
//	...
//	err = follower.Run(ctx, func(ctx context.Context, batch follow.Batch) error {
//		return send(batch.Entries) // nil acknowledges: only now the state moves on
//	})
//
// # How it reads
//
// The service shows entries late: mostly 3 to 8 minutes after their time. Every minute ([WithInterval]) a follower therefore
// looks back, as far as one page carries (1000 entries), and drops what it delivered before, by id. In an account with fewer
// entries than that in 30 minutes each entry is delivered within an interval after it appeared, for one request an interval.
// Entries come in the order in which they appear. [WithSettle] delivers them in the order of their times instead, later.
//
// In accounts with more entries a full look-back takes several requests, and is done every ten minutes. Whatever appears within
// 30 minutes of its time ([WithLookBack]) is delivered. That includes standstills of the follower, the network or the service,
// since a look-back starts so long before the one before it. Each sweep starts at least a minute before the watermark
// ([WithOverlap]), since nobody documents whether the ends of a window belong to it. Where the service shows
// nothing at all for a while, up to a day, and then everything, nothing is missed either: no sweep begins behind the newest
// entry that was seen, unless that one is older than a day.
//
// What is missed is an entry that appears later than that, into a time that was read. Nothing can count what it does not
// see; [Health.NearlyMissed] counts the entries that came in the oldest quarter of a look-back, and more than none says
// that it wants to be longer.
//
// # What it keeps
//
// A [Store] keeps one small document: up to where everything was delivered, the place in the window being read, and
// the hashed ids of the entries that will be met again. It is below 1 MB, always: where there are more ids than 60,000
// ([WithMemory]) the oldest are forgotten, which can repeat entries and never loses one; [Health.Forgotten] counts them.
//
// The first run saves where it starts before it requests anything, so that runs that fail for hours,
// without a network or with a token that is refused, leave nothing out.
//
// After standing still, a follower catches up from its watermark, however long that is; the service keeps 18 months.
package follow
