// Package class1 drives a fax modem of Service Class 1 or 1.0 (EIA-578, T.31):
// the modem modulates and frames V.21, the host runs T.30 above and frames the
// image data of ECM.
//
// All waits for the line are in line time, Config.Speed times the wall clock:
// the driver is the same on hardware and on a simulated line that runs faster.
// Waits for what the modem owes at once have a floor in wall time, because the
// computer's own delays do not shrink with the line's.
package class1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Times of the dialogue.
const (
	replyTime  = 5 * time.Second        // line: for an answer that is due at once
	replyFloor = 2 * time.Second        // wall: no less than this
	abortTime  = 200 * time.Millisecond // line: for the OK to an abort (T.31 8.4)
	abortFloor = 300 * time.Millisecond // wall
	quietTime  = 50 * time.Millisecond  // line: silence of a modem that has said all
	quietFloor = 5 * time.Millisecond   // wall
	lateness   = time.Second            // wall: granted to a signal that has begun
	fastLate   = 10 * time.Second       // wall: the same on a line faster than the clock
	fastGrain  = 2 * time.Millisecond   // wall: see at.NewConn
)

// Config is how a modem is driven. The zero value suits most modems.
type Config struct {
	Speed      float64           // line seconds in one of wall time; default 1
	Class      string            // of service, "1" or "1.0"; default "1"
	Init       []string          // commands sent after each reset, as "ATM0"
	Prefer     []string          // the same, that the modem need not know, as "AT+FLO=2"
	Dial       string            // put between ATD and the number; default "T"
	DialTime   time.Duration     // from dialling to the far end's signal (S7); default 60 s, at most 255 s
	Rings      map[string]string // number called, by the distinctive ring that tells it, as "B"
	CallerWait time.Duration     // for caller identification behind the first RING; default 4 s, negative none
	Unheld     bool              // nothing holds the computer up (no flow control): images are given at the line's pace
	Bugs       Bugs
	Log        *slog.Logger // may be nil
}

// Bugs are what some chips do wrong, and how they are driven all the same.
type Bugs struct {
	NoAdaptive bool          // do not use +FAR=1 even if the modem has it
	NoFCS      bool          // the modem keeps the check sequence of frames received to itself
	RHConnect  bool          // it says CONNECT to +FRH for any noise
	BareDLE    bool          // it does not double the DLEs in V.21 frames received
	SayDelay   time.Duration // it loses data that come so soon behind the CONNECT of +FTM
}

// Phone is a Class 1 modem on its telephone line. It is used by one goroutine;
// Close may be called from any.
type Phone struct {
	conn     *at.Conn
	valve    valve // nil: the port's flow control needs no switching
	cfg      Config
	identity string
	send     []at.Modulation // +FTM=?
	receive  []at.Modulation // +FRM=?
	adaptive bool            // +FAR=1 is in force
	deafTo   bool            // +FRS is not known to the modem
	call     *call
}

// valve is a port with XON/XOFF, whose octets are part of what is received: they
// are flow control only while an image is sent.
type valve interface{ ObeyXOFF(on bool) error }

// Open resets the modem behind port, which it owns from now on, and asks what
// it can do. On error the port is closed.
func Open(ctx context.Context, port io.ReadWriteCloser, cfg Config) (*Phone, error) {
	p := attach(port, cfg)
	if err := p.Reset(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// attach begins the dialogue with a modem in whatever state it is.
func attach(port io.ReadWriteCloser, cfg Config) *Phone {
	if !(cfg.Speed > 0) {
		cfg.Speed = 1
	}
	if cfg.Class == "" {
		cfg.Class = "1"
	}
	if cfg.Dial == "" {
		cfg.Dial = "T"
	}
	if cfg.DialTime <= 0 {
		cfg.DialTime = time.Minute
	}
	cfg.DialTime = min(cfg.DialTime, 255*time.Second)
	if cfg.CallerWait == 0 {
		cfg.CallerWait = 4 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	grain := fastGrain
	if cfg.Speed <= 1 {
		grain = 0 // delays of the computer are short on a real line
	}
	v, _ := port.(valve)
	return &Phone{conn: at.NewConn(port, grain), valve: v, cfg: cfg}
}

// Close closes the port, which drops DTR and so a call under way. It is
// idempotent and ends whatever waits for the modem.
func (p *Phone) Close() error { return p.conn.Close() }

// Identity is what the modem says of itself.
func (p *Phone) Identity() string { return p.identity }

// reset is Reset without its limit.
func (p *Phone) reset(ctx context.Context) error {
	p.call = nil
	if err := p.restart(ctx); err != nil {
		return err
	}
	orders := append([]string{plainAnswers, "AT+FCLASS=" + p.cfg.Class, "ATS0=0", fmt.Sprintf("ATS7=%d", p.cfg.DialTime/time.Second)}, p.cfg.Init...)
	for _, o := range orders {
		if err := p.order(ctx, o); err != nil {
			return err
		}
	}
	for _, o := range p.cfg.Prefer {
		if _, _, err := p.ask(ctx, o); err != nil {
			return err
		}
	}
	return p.inquire(ctx)
}

// plainAnswers: no echo, answers in words, and all of them.
const plainAnswers = "ATE0V1Q0"

// restart brings the modem into command state, on hook, with its defaults.
func (p *Phone) restart(ctx context.Context) error {
	// DLE ETX ends a transmission, CAN a reception; command state ignores them.
	if err := p.conn.Write(ctx, []byte{at.DLE, at.ETX, at.CAN, at.CR}, p.reply()); err != nil {
		return p.fault("reset", err)
	}
	if err := p.drain(ctx); err != nil {
		return p.fault("reset", err)
	}
	if err := p.zero(ctx); err != nil {
		return err
	}
	if err := p.drain(ctx); err != nil { // some say OK twice
		return p.fault("reset", err)
	}
	return nil
}

// order sends a command that must succeed.
func (p *Phone) order(ctx context.Context, cmd string) error {
	code, _, err := p.ask(ctx, cmd)
	if err != nil {
		return err
	}
	if code != at.OK {
		return fmt.Errorf("class1: %w: it answers %v to %s", line.ErrModem, code, cmd)
	}
	return nil
}

// ask sends a command that is answered at once.
func (p *Phone) ask(ctx context.Context, cmd string) (at.Code, []string, error) {
	code, info, err := p.do(ctx, cmd, p.reply())
	if err != nil {
		return code, nil, p.fault(cmd, err)
	}
	info = slices.DeleteFunc(info, func(s string) bool {
		return at.Parse(s) != at.Info || strings.HasPrefix(strings.ToUpper(s), "AT")
	})
	return code, info, nil
}

// do sends a command and waits for its result code, so long on the wall.
func (p *Phone) do(ctx context.Context, cmd string, within time.Duration) (at.Code, []string, error) {
	if err := p.conn.Command(ctx, cmd, p.reply()); err != nil {
		return at.Info, nil, err
	}
	code, info, err := p.conn.Result(ctx, within)
	p.cfg.Log.Debug("modem dialogue", "command", cmd, "result", code.String(), "info", info, "err", err)
	return code, info, err
}

// abort ends a reception, or a wait for one, and returns when the modem is in
// command state again. It has its own limit: ctx may be done already.
func (p *Phone) abort(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if err := p.conn.Write(ctx, []byte{at.CAN}, p.reply()); err != nil {
		return p.fault("abort", err)
	}
	_, _, err := p.conn.Result(ctx, max(p.wall(abortTime), abortFloor))
	if err != nil && !errors.Is(err, at.ErrTimeout) && !errors.Is(err, at.ErrTooMuch) {
		return p.fault("abort", err)
	}
	if err := p.drain(ctx); err != nil {
		return p.fault("abort", err)
	}
	return nil
}

func (p *Phone) drain(ctx context.Context) error {
	return p.conn.Drain(ctx, max(p.wall(quietTime), quietFloor))
}

// pause waits so long on the wall.
func (p *Phone) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// now is the wall clock without the time that waits have not counted.
func (p *Phone) now() time.Time { return time.Now().Add(-p.conn.Lost()) }

// wall is how long line time lasts on the wall.
func (p *Phone) wall(d time.Duration) time.Duration {
	return time.Duration(float64(d) / p.cfg.Speed)
}

// reply is the limit, on the wall, for an answer that is due at once.
func (p *Phone) reply() time.Duration { return max(p.wall(replyTime), replyFloor) }

// signal is the limit, on the wall, for a signal on the line that has begun.
func (p *Phone) signal(d time.Duration) time.Duration {
	if p.cfg.Speed > 1 {
		return p.wall(d) + fastLate
	}
	return p.wall(d) + lateness
}

// fault says what failed. A context that is done is no fault of the modem.
func (p *Phone) fault(what string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("class1: %s: %w", what, err)
	}
	return fmt.Errorf("class1: %s: %w: %w", what, line.ErrModem, err)
}
