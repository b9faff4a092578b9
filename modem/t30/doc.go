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
//
// Where T.30 leaves a choice:
//
//   - RTN, PIN: the page goes again at the next lower rate, at most twice; behind
//     EOM it waits for the DIS, behind EOP the call ends and the page has failed.
//   - RTP: the page counts; the next one goes at the next lower rate.
//   - PIP counts as MCF, and PRI-MPS, PRI-EOM, PRI-EOP as the commands without a
//     request: there is no operator.
//   - After the fourth PPR the sender continues to correct (CTC), at a lower rate
//     if half of the frames or more are missing; where there is none it says EOR
//     and ends the call, for no page can be left out.
//   - A receiver keeps the part of a page before EOR-NULL; a page ended by EOR is
//     dropped. Either way the call is no success.
//   - Without ECM, a page that did not come is answered by RTN, the third time in
//     succession by DCN: some senders go on after two rejections as after MCF. One
//     in which no row can be found is answered by DCN: it would be the same again.
//     A page without its RTC whose command comes late was cut, and is answered by
//     RTN.
//     Copy quality is in rateCopy: rows that have vanished count as bad ones, and
//     a gap as high as a line of print is never confirmed.
//   - With ECM, a page that comes without frames is received as one without ECM,
//     but not in T.6.
//   - The first frame of a burst goes twice, from the second correction on, to a
//     receiver that asks for it again and again.
//   - After an image that could not be received one more is listened for: some
//     senders begin anew. If the line is not silent when T2 is over, the training
//     of an image was missed, and only the command behind it is waited for. The
//     same holds behind an image whose carrier was lost: T2 begins anew as long as
//     there is one.
//   - V.17 9600 is tried although it is hardly better than 12000 where 14400 has
//     failed as well: from V.29 there is no way back. Who calls again knows.
//   - Behind a DCN said nothing is waited for.
//   - CRP counts as one of the three tries of a command. It is never sent.
//   - DIS and DTC are said three times if nothing follows, and T1 is waited for.
//   - Of the documents that are offered, a station that polls gets the one that its
//     SEP and PSA name, or without them the one that has no name; else DCN. So it
//     does without the password of that document.
//   - Who needs more than 5 s for a row by fill is disconnected (T.4 4.1.3).
package t30
