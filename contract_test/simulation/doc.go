// Package simulation judges whether listings, exports and followers are complete.
//
// A scenario is drawn from a seed: a history, a service, how long its requests take, what goes
// wrong, and where the reader stops and resumes. The service is a model of its own
// (service_test.go), which shares no code with the library or with its fake. The judge
// (judge_test.go) compares sets: what had to be delivered with what was delivered. Time is that of
// a testing/synctest bubble.
//
//	go test ./simulation                                         # some hundred scenarios
//	CFAUDIT_SIMULATION_RUNS=20000 go test -run Simulation ./simulation
//	CFAUDIT_SIMULATION_SEED=42 go test -v -run Simulation ./simulation # one scenario again
package simulation
