package class1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Limits of what a modem says of itself.
const (
	maxIdentity = 200 // octets
	maxClasses  = 16
	knockTime   = 700 * time.Millisecond // wall: for a port to prove that a modem is there
	knocks      = 2
)

// ErrSilent: nothing answers to AT on this port, at this speed.
var ErrSilent = errors.New("class1: nothing answers to AT; is a modem there, and switched on?")

// Description is what a modem says of itself.
type Description struct {
	Identity string   // maker, model, revision; may be empty
	Classes  []string // of service, as "1", "1.0", "2"
	Sends    []line.Rate
	Receives []line.Rate // both empty for a modem that has no Class 1
	Adaptive bool        // +FAR=1
}

// Class is the service class by which this package can drive the modem, "" if
// there is none.
func (d Description) Class() string {
	for _, class := range []string{"1", "1.0"} {
		if slices.Contains(d.Classes, class) {
			return class
		}
	}
	return ""
}

// Probe asks the modem behind port what it is, and closes the port. It returns
// ErrSilent, within seconds, if there is none.
func Probe(ctx context.Context, port io.ReadWriteCloser, cfg Config) (Description, error) {
	p := attach(port, cfg)
	defer p.Close()
	if err := p.knock(ctx); err != nil {
		return Description{}, err
	}
	if err := p.restart(ctx); err != nil {
		return Description{}, err
	}
	if err := p.order(ctx, plainAnswers); err != nil {
		return Description{}, err
	}
	_, info, err := p.ask(ctx, "AT+FCLASS=?")
	if err != nil {
		return Description{}, err
	}
	d := Description{Classes: parseClasses(strings.Join(info, ","))}
	if d.Class() == "" {
		d.Identity, err = p.names(ctx)
		return d, err
	}
	if err := p.order(ctx, "AT+FCLASS="+d.Class()); err != nil {
		return d, err
	}
	if err := p.inquire(ctx); err != nil {
		return d, err
	}
	d.Identity, d.Adaptive, d.Sends, d.Receives = p.identity, p.adaptive, p.SendRates(), p.ReceiveRates()
	return d, p.order(ctx, "AT+FCLASS=0")
}

// knock finds out soon whether there is a modem at all: most ports have none.
func (p *Phone) knock(ctx context.Context) error {
	for range knocks {
		if err := p.conn.Write(ctx, []byte("\x10\x03\x18\rAT\r"), knockTime); err != nil && !errors.Is(err, at.ErrTimeout) {
			return p.fault("AT", err)
		}
		switch _, _, err := p.conn.Result(ctx, knockTime); {
		case err == nil:
			return nil
		case !errors.Is(err, at.ErrTimeout):
			return p.fault("AT", err)
		}
	}
	return ErrSilent
}

// inquire asks what the modem is and what it can do.
func (p *Phone) inquire(ctx context.Context) error {
	p.adaptive = false
	if !p.cfg.Bugs.NoAdaptive {
		code, _, err := p.ask(ctx, "AT+FAR=1")
		if err != nil {
			return err
		}
		p.adaptive = code == at.OK
	}
	var err error
	if p.identity, err = p.names(ctx); err != nil {
		return err
	}
	if p.send, err = p.modulations(ctx, "AT+FTM=?"); err != nil {
		return err
	}
	if p.receive, err = p.modulations(ctx, "AT+FRM=?"); err != nil {
		return err
	}
	p.cfg.Log.Info("fax modem ready", "modem", p.identity, "sends", fmt.Sprint(p.SendRates()), "receives", fmt.Sprint(p.ReceiveRates()), "adaptive", p.adaptive)
	return nil
}

// names asks for maker, model and revision.
func (p *Phone) names(ctx context.Context) (string, error) {
	var names []string
	for _, q := range []string{"AT+FMI?", "AT+FMM?", "AT+FMR?"} {
		_, info, err := p.ask(ctx, q)
		if err != nil {
			return "", err
		}
		names = append(names, info...)
	}
	all := strings.Join(names, ", ")
	return all[:min(len(all), maxIdentity)], nil
}

// SendRates lists the rates at which the modem can send, slowest first.
func (p *Phone) SendRates() []line.Rate { return rates(p.send) }

// ReceiveRates lists the rates at which the modem can receive, slowest first.
func (p *Phone) ReceiveRates() []line.Rate { return rates(p.receive) }

// rates is what can be done with a modem's modulations: V.17 needs both
// trainings.
func rates(list []at.Modulation) []line.Rate {
	var out []line.Rate
	for _, t := range at.Traits() {
		if t.Short || !slices.Contains(list, t.Code) {
			continue
		}
		if short, _ := at.ForRate(t.Rate, true); slices.Contains(list, short.Code) {
			out = append(out, t.Rate)
		}
	}
	return out
}

func (p *Phone) modulations(ctx context.Context, query string) ([]at.Modulation, error) {
	code, info, err := p.ask(ctx, query)
	if err != nil {
		return nil, err
	}
	list := parseList(strings.Join(info, ","))
	if code != at.OK || len(list) == 0 {
		return nil, fmt.Errorf("class1: %w: it lists no modulations to %s; is it a fax modem of Class 1?", line.ErrModem, query)
	}
	if len(rates(list)) == 0 || rates(list)[0] != line.V27ter2400 {
		return nil, fmt.Errorf("class1: %w: it has no V.27ter 2400 by %s, which every fax machine must have (T.30 table 2)", line.ErrModem, query)
	}
	return list, nil
}

// parseList reads a list of modulations such as 24,48 or (24,48,72-74).
func parseList(s string) []at.Modulation {
	var list []at.Modulation
	for item := range strings.FieldsFuncSeq(s, func(r rune) bool { return !strings.ContainsRune("0123456789-", r) }) {
		low, high, isRange := strings.Cut(item, "-")
		from, err := strconv.Atoi(low)
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(high); err != nil {
				continue
			}
		}
		for _, t := range at.Traits() {
			if int(t.Code) >= from && int(t.Code) <= to {
				list = append(list, t.Code)
			}
		}
	}
	return list
}

// parseClasses reads a list of service classes such as 0,1,1.0,2 or (0-2,8).
func parseClasses(s string) []string {
	var list []string
	for item := range strings.FieldsFuncSeq(s, func(r rune) bool { return !strings.ContainsRune("0123456789.-", r) }) {
		low, high, isRange := strings.Cut(item, "-")
		if !isRange {
			list = append(list, item)
			continue
		}
		from, errFrom := strconv.Atoi(low)
		to, errTo := strconv.Atoi(high)
		if errFrom != nil || errTo != nil {
			continue
		}
		for n := from; n <= min(to, from+maxClasses); n++ {
			list = append(list, strconv.Itoa(n))
		}
	}
	return list[:min(len(list), maxClasses)]
}
