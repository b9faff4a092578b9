package desk

import (
	"sync"
	"time"
)

// attendance knows which sessions of this node have a connection. One that has
// had none for SessionGrace is absent.
type attendance struct {
	absent func(session string)

	mu       sync.Mutex
	sessions map[string]*attendant
	closed   bool
}

type attendant struct {
	connections int
	grace       *time.Timer // runs while there are none
}

func newAttendance(absent func(string)) *attendance {
	return &attendance{absent: absent, sessions: make(map[string]*attendant)}
}

// expect begins a session, or a new grace for one without a connection.
func (a *attendance) expect(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	x := a.sessions[id]
	if x == nil {
		x = &attendant{}
		a.sessions[id] = x
	}
	a.waitLocked(id, x)
}

func (a *attendance) waitLocked(id string, x *attendant) {
	if x.connections > 0 {
		return
	}
	if x.grace != nil {
		x.grace.Stop()
	}
	var own *time.Timer
	own = time.AfterFunc(SessionGrace, func() {
		a.mu.Lock()
		gone := a.sessions[id] == x && x.grace == own
		if gone {
			delete(a.sessions, id)
		}
		a.mu.Unlock()
		if gone {
			a.absent(id)
		}
	})
	x.grace = own
}

func (a *attendance) come(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.sessions[id]
	if x == nil || a.closed {
		return
	}
	x.connections++
	if x.grace != nil {
		x.grace.Stop()
		x.grace = nil
	}
}

func (a *attendance) leave(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.sessions[id]
	if x == nil || a.closed {
		return // has logged out
	}
	x.connections = max(x.connections-1, 0)
	a.waitLocked(id, x)
}

func (a *attendance) forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if x := a.sessions[id]; x != nil && x.grace != nil {
		x.grace.Stop()
	}
	delete(a.sessions, id)
}

func (a *attendance) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for id, x := range a.sessions {
		if x.grace != nil {
			x.grace.Stop()
		}
		delete(a.sessions, id)
	}
}
