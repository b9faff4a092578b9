// Package demo tells the story of one fax that crosses a cluster: three nodes
// in this process, simulated telephone lines, two clerks.
package demo
