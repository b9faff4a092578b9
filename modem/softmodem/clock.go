package softmodem

import "time"

// Clock is line time: it starts at zero and runs Speed times the wall clock.
// All modems of an exchange share one.
type Clock struct {
	epoch time.Time
	speed float64
}

// NewClock starts a clock; a speed that is not positive counts as 1.
func NewClock(speed float64) Clock {
	if !(speed > 0) {
		speed = 1
	}
	return Clock{time.Now(), speed}
}

// Now is the line time.
func (c Clock) Now() time.Duration {
	return time.Duration(float64(time.Since(c.epoch)) * c.speed)
}

// Wall is how long d of line time lasts on the wall, rounded up so that a timer
// never wakes too early.
func (c Clock) Wall(d time.Duration) time.Duration {
	return time.Duration(float64(d)/c.speed) + 1
}

// Line is how much line time passes in d on the wall.
func (c Clock) Line(d time.Duration) time.Duration {
	return time.Duration(float64(d) * c.speed)
}

// Speed is the number of seconds of line time in one of wall time.
func (c Clock) Speed() float64 { return c.speed }
