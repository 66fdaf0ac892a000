// Package auditlogstest is a fake of Cloudflare's audit log API, version 2, for tests and
// demonstrations. It listens on loopback, so that a program in any language can reach it, and in
// memory, so that it also works inside a testing/synctest bubble:
//
//	server := auditlogstest.NewServer(auditlogstest.WithT(t))
//	defer server.Close()
//	server.Add(`{"id":"1","action":{"time":"2024-10-30T12:00:00Z"}}`)
//	// Now list server.URL with server.Client().
//
// It answers all operations of the contract: the logs of accounts and of organizations, which have
// entries of their own, the histories of resources, and the product categories. The fake takes for
// a resource what has the same resource.id or, without one, what has the same resource.product and
// resource.type; the service has better means, which are not documented.
//
// The fake follows the contract to the letter and is strict: what the contract does not allow is
// answered with status 400, and with [WithT] some of it fails the test as well. Where the service's
// behaviour is not documented, an option chooses between the plausible ones. [Server.FailNext]
// brings up everything that can go wrong on the way.
package auditlogstest
