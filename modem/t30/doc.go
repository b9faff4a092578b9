// Package t30 is the session engine of T.30: a calculation from events to orders.
//
// An Engine knows no clock, goroutine, context or modem. Its owner carries out
// one Order at a time, says or hears a signal, fetches, judges or stores a
// page, and steps the engine with what came of it and with the line time. The
// engine's state is a function value; the functions are named after what the
// flow charts of T.30 (figures 5-2) wait for.
//
// A sender never counts a page that was not confirmed by MCF, RTP or PIP; a
// receiver never confirms a page before its owner has stored it.
package t30
