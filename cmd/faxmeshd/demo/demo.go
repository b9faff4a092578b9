package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
)

// DefaultSpeed makes a call of a minute pass in a few seconds.
const DefaultSpeed = 20

// storyTime is how long the story may take in real line time; at other speeds
// its calls take their share of it, and everything else stays.
const (
	storyTime = 4 * time.Minute
	stageTime = 30 * time.Second
)

// ErrUntrue: a step of the story did not come true.
var ErrUntrue = errors.New("the story did not come true")

//go:embed referral.tif
var referral []byte

// Options is how the demo is told.
type Options struct {
	Once  bool      // the story only
	JSON  bool      // the timeline as JSON lines
	Speed float64   // line seconds in one of wall time; 0: DefaultSpeed
	Data  string    // directory that is kept; empty: a temporary one
	Out   io.Writer // where the timeline goes
	Log   *slog.Logger
}

// Run sets the stage, tells the story and, unless it is told once only, keeps
// the nodes up until ctx is done. The error is ErrUntrue if a step was not as
// it should be.
func Run(ctx context.Context, opt Options) (err error) {
	if opt.Speed == 0 {
		opt.Speed = DefaultSpeed
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	dir := opt.Data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "faxmesh-demo-"); err != nil {
			return fmt.Errorf("make the demo's directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	line := newTimeline(opt.Out, opt.JSON)
	limit, cancel := context.WithTimeout(ctx, stageTime+time.Duration(float64(storyTime)*max(1/opt.Speed, 0.15)))
	defer cancel()

	s := newStage(dir, opt, line)
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.set(limit); err != nil {
		return fmt.Errorf("set the stage: %w", err)
	}
	if err := tell(limit, s); err != nil {
		if ctx.Err() != nil {
			return nil // stopped by the person who watches
		}
		line.check(false, "%v", err)
	}
	if failed := line.done(); len(failed) > 0 {
		return fmt.Errorf("%w: %s", ErrUntrue, strings.Join(failed, "; "))
	}
	if opt.Once {
		return nil
	}
	s.invite(opt.Out, opt.JSON)
	<-ctx.Done()
	line.say("demo", "stopping", "the nodes are stopped", nil)
	return nil
}
