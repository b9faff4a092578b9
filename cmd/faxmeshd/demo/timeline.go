package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"
)

// timeline is what people and scripts see of the story: one line a step, each
// with the node that did it.
type timeline struct {
	began time.Time
	json  bool

	mu     sync.Mutex
	out    io.Writer
	failed []string
}

func newTimeline(out io.Writer, asJSON bool) *timeline {
	return &timeline{began: time.Now(), out: out, json: asJSON}
}

// fields are what a step tells a script beside its time, node and event.
type fields map[string]any

// say prints one step. text is the sentence for people.
func (t *timeline) say(node, event, text string, more fields) {
	t.mu.Lock()
	defer t.mu.Unlock()
	elapsed := time.Since(t.began)
	if !t.json {
		fmt.Fprintf(t.out, "%7.3f s  %-6s %s\n", elapsed.Seconds(), node, text)
		return
	}
	line := map[string]any{"t_ms": elapsed.Milliseconds(), "node": node, "event": event, "text": text}
	maps.Copy(line, more)
	t.writeLocked(line)
}

// check records what the story claims: ok must be true for the demo to
// succeed, and claim says what did not hold when it is not.
func (t *timeline) check(ok bool, claim string, args ...any) bool {
	if ok {
		return true
	}
	claim = fmt.Sprintf(claim, args...)
	t.mu.Lock()
	t.failed = append(t.failed, claim)
	t.mu.Unlock()
	t.say("demo", "failed", "NOT TRUE: "+claim, nil)
	return false
}

// done prints the last line and says what failed.
func (t *timeline) done() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.json:
		line := map[string]any{"t_ms": time.Since(t.began).Milliseconds(), "event": "done", "ok": len(t.failed) == 0}
		if len(t.failed) > 0 {
			line["failed"] = t.failed
		}
		t.writeLocked(line)
	case len(t.failed) == 0:
		fmt.Fprintf(t.out, "\nEvery step was checked and is true.\n")
	default:
		fmt.Fprintf(t.out, "\nThe story did not come true:\n")
		for _, claim := range t.failed {
			fmt.Fprintf(t.out, "  - %s\n", claim)
		}
	}
	return t.failed
}

func (t *timeline) writeLocked(line map[string]any) {
	b, err := json.Marshal(line)
	if err != nil { // only if a step is given something that is not a value
		panic(err)
	}
	t.out.Write(append(b, '\n'))
}
