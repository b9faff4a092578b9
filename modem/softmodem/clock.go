package softmodem

import (
	"sync"
	"time"
)

// maxGap is the most wall time that a clock with calls on it counts between two
// looks at it; Beat is how often it must be looked at. A process that did not
// run for longer was not given the processor, and nobody in it could have
// answered: on a fast line that would be seconds.
const (
	Beat   = 2 * time.Millisecond
	maxGap = 2 * Beat
)

// Clock is line time: it starts at zero and runs speed times the wall clock.
// All modems of an exchange share one. At a speed other than 1 it loses, while
// there are calls, the time in which the process did not run.
type Clock struct {
	speed float64

	mu     sync.Mutex
	line   time.Duration
	seen   time.Time // when line was brought up to date
	inCall bool
}

// NewClock starts a clock; a speed that is not positive counts as 1.
func NewClock(speed float64) *Clock {
	if !(speed > 0) {
		speed = 1
	}
	return &Clock{speed: speed, seen: time.Now()}
}

// Now is the line time.
func (c *Clock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked()
}

func (c *Clock) nowLocked() time.Duration {
	now := time.Now()
	gap := now.Sub(c.seen)
	if c.inCall && c.speed != 1 {
		gap = min(gap, maxGap)
	}
	c.line += c.Line(gap)
	c.seen = now
	return c.line
}

// InCall says whether there are calls. While there are, and the speed is not 1,
// somebody must call Now every Beat; it reports whether that is so.
func (c *Clock) InCall(yes bool) (beat bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nowLocked()
	c.inCall = yes
	return yes && c.speed != 1
}

// Wall is how long d of line time lasts on the wall, rounded up so that a timer
// never wakes too early.
func (c *Clock) Wall(d time.Duration) time.Duration {
	return time.Duration(float64(d)/c.speed) + 1
}

// Line is how much line time passes in d on the wall.
func (c *Clock) Line(d time.Duration) time.Duration {
	return time.Duration(float64(d) * c.speed)
}

// Speed is the number of seconds of line time in one of wall time.
func (c *Clock) Speed() float64 { return c.speed }
