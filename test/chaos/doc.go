//go:build linux

// Command chaos breaks a cluster of real faxmeshd processes while clients work
// with it, heals it, and checks that nothing was lost or sent twice.
//
//	go run ./test/chaos [-nodes 3|5] [-duration 60s] [-seed S] [-faults LIST] [-json]
//
// Every node is a host of its own: a network namespace on a simulated network
// that can lose, delay, slow and cut what goes one way between two hosts; a
// small file system that can become full; and a disk whose flushes chaos
// answers, so that it can hang, fail, and lose what was not flushed. Which
// faults happen when follows from the seed; -list tells which there are.
// Outside stand fax machines on a simulated telephone exchange, which know what
// they have confirmed and what was confirmed to them.
//
// It exits with 0 only if nothing was lost, nothing sent twice and every other
// check holds, with 1 otherwise, and with 2 if it could not run. After a
// failure the directory that it names holds the histories and every node's
// files and log. A row of the menu that cannot be played on this machine is
// told as not run, never as passed.
package main
