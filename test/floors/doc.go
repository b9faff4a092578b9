// Package floors enforces which package may import which: the table is
// floors.txt, and a new package or import is a line in it, in the same commit.
package floors
