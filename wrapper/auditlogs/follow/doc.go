// Package follow keeps a program up to date with an account's audit log: it delivers every entry
// soon after it appears, at least once, and resumes where it stopped, whatever stopped it.
//
//	store, err := follow.OpenFile("audit-log.state")
//	...
//	defer store.Close()
//	follower, err := follow.New(client.Account(accountID), auditlogs.Query{}, store)
//	...
//	err = follower.Run(ctx, func(ctx context.Context, batch follow.Batch) error {
//		return send(batch.Entries) // nil acknowledges the batch, and only then the state advances
//	})
//
// # How it reads
//
// The service shows entries late: mostly 3 to 8 minutes after their time. Every minute
// ([WithInterval]) a follower therefore looks back, as far as fits on one page (1000 entries), and
// drops entries that it delivered before, by id. In an account with fewer entries than that in 30
// minutes, each entry is delivered within an interval after it appears, with one request per
// interval. Entries are delivered in the order in which they appear. [WithSettle] delivers them in
// the order of their times instead, later.
//
// In accounts with more entries, a full look-back takes several requests, and is done every ten
// minutes. An entry that appears within 30 minutes of its time ([WithLookBack]) is delivered, even
// after an outage of the follower, the network or the service, since a look-back starts that long
// before the previous one. Each sweep starts at least a minute before the watermark
// ([WithOverlap]), since it is not documented whether the ends of a window belong to it. If the
// service shows nothing for up to a day, and then everything, nothing is missed either: no sweep
// starts after the newest entry that was seen, unless that one is older than a day.
//
// An entry that appears later than that, with a time that has been read, is missed. Missed entries
// cannot be counted, but [Health.NearlyMissed] counts those in the oldest quarter of a look-back.
// If it is not 0, use a longer look-back.
//
// # What it keeps
//
// A [Store] keeps one small document: the time up to which everything was delivered, the place in
// the window being read, and the hashed ids of the entries that later sweeps will show again. It is
// always below 1 MB: of more than 60,000 ids ([MaxRemembered]) the oldest are forgotten, which
// can repeat entries and never loses one; [Health.Forgotten] counts them.
//
// The first run saves its starting point before the first request, so that runs that fail for
// hours, without a network or with a token that is refused, leave nothing out.
//
// After an outage of any length, a follower catches up from its watermark; the service keeps 18
// months.
package follow
