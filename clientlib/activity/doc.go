// Package activity is the activity record outside of the cluster that keeps it:
// how its entries are chained, how an export is written, how it is checked.
//
// The octets that are hashed and signed are described in docs/activity.md, so
// that anyone can make the check with other tools.
package activity
