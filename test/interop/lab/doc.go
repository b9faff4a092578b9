// Package lab is a telephone exchange with other people's fax programs on it:
// libspandsp's soft modems, efax, HylaFAX, faxmesh's own driver beside them.
//
// A lab is for one call at a time; several labs may run side by side. Times of
// the line go as fast as the exchange is told to; the programs live on the wall
// clock.
package lab
