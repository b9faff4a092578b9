// Command tsb85 plays T.30 call scripts against the engine, in the style of
// ITU-T TSB-85 and ETS 300 242.
//
//	go run ./test/tsb85 [-line bare|class1] [-images DIR] [-only NAME] [-json] FILE.xml
//
// The tester (direction T in a script) says and expects what the script lists;
// the device under test (direction R) is this project's modem. It prints pass or
// fail for each script, with the first deviation and the device's transcript,
// then the count; the exit status is 0 only if all pass.
//
// What a script says and the player does not understand fails that script, with
// its line. Images are looked for in DIR, else where the file says they are, else
// among the conformance material; pages that go either way are compared with them.
// Scripts of our own are in testdata.
//
// On the bare line the engine speaks and hears signals under line time of its
// own; a call of minutes takes milliseconds. The tones before the call (CED, CNG)
// and silences are the driver's matter and not looked at there.
package main
