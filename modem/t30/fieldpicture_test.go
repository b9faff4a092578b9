package t30_test

// Cases 62 to 67: what is in a page, which the engine does not look at.
func pictureCases() []fieldCase {
	return []fieldCase{
		{number: 62, what: "a coding error that came so", by: []string{"modem.TestFieldCases", "modem/t4.TestDamagedMMR"}},
		{number: 63, what: "RTC and EOFB once, to the last bit", by: []string{"modem.TestFieldCases", "modem/t4.TestMMREnds"}},
		{number: 64, what: "scan line times", by: []string{"modem.TestFieldCases", "modem.TestScanLineTime", "TSB-85 OTGC09-01", "TSB-85 OTGC09-03", "TSB-85 OTGC09-04", "TSB-85 OTGC09-05", "TSB-85 OTGC09-07", "TSB-85 OTGC09-08", "TSB-85 OTGC09-09", "TSB-85 OTGC09-11", "TSB-85 OTGC09-12"}},
		{number: 65, what: "another width than DCS says; no row at all", by: []string{"modem.TestFieldCases", "TestCalls/nothing in the page"}},
		{number: 66, what: "JBIG, JPEG", not: "neither T.85 nor T.81 is offered, so a sender has no leave to use them"},
		{number: 67, what: "4.9 % of the rows bad: MCF, 15.1 %: RTN", by: []string{"modem.TestFieldCases", "TestCopyQuality", "TestCalls/plain RTN", "TSB-85 MRGN04"}},
	}
}
