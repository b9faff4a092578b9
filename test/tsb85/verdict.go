package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// verdicts are the endings that scripts name, each with those of ours that mean
// it. The names were made for another program, whose endings are finer in some
// places and coarser in others.
var verdicts = map[string][]status.Code{
	// The dialogue went to its proper end. That may include a page rejected with
	// RTN at the end, or abandoned with EOR, which here is no success.
	"OK": {status.OK, status.PageRejected, status.PageAbandoned},

	"T0_EXPIRED":    {status.NoIdentification, status.NoCarrier, status.NoAnswer},
	"T3_EXPIRED":    {status.PageRejected, status.Disconnected},
	"OPER_INT_FAIL": {status.PageRejected, status.Disconnected},
	"CEDTONE":       {status.NoIdentification, status.NoCarrier},
	"T1_EXPIRED":    {status.NoIdentification, status.NoCommand, status.NoCarrier},
	"CANNOT_TRAIN":  {status.TrainingFailed},
	"INCOMPATIBLE":  {status.NotSupported, status.RecvBadFormat},
	"NORESSUPPORT":  {status.NotSupported},
	"NOSIZESUPPORT": {status.NotSupported},
	"RX_INCAPABLE":  {status.CannotReceive},
	"TX_INCAPABLE":  {status.NothingOffered, status.NothingToPoll, status.PollRefused},
	"NOPOLL":        {status.NothingOffered, status.NothingToPoll, status.PollRefused},
	"CALLDROPPED":   {status.LineDropped},
	"RETRYDCN":      {status.NoResponse, status.NoTrainResponse, status.BadResponse, status.NoCommand},
	"HDLC_CARRIER":  {status.NoCommand, status.NoResponse, status.NoIdentification},
	"TX_BADDCS":     {status.Disconnected, status.BadResponse},
	"TX_BADPG":      {status.Disconnected, status.PageRejected},
	"TX_ECMPHD":     {status.BadResponse, status.ECMFailed},
	"TX_GOTDCN":     {status.Disconnected, status.PollRefused},
	"TX_INVALRSP":   {status.BadResponse},
	"TX_NODIS":      {status.NoIdentification},
	"TX_PHBDEAD":    {status.NoTrainResponse},
	"TX_PHDDEAD":    {status.NoResponse},
	"TX_T5EXP":      {status.RemoteBusy},
	"RX_ECMPHD":     {status.Fruitless, status.NoCommand, status.SenderLeft},
	"RX_GOTDCS":     {status.NothingToPoll, status.BadResponse},
	"RX_INVALCMD":   {status.Fruitless, status.NoCommand},
	"RX_NOCARRIER":  {status.NoCommand, status.SenderLeft},
	"RX_NOEOL":      {status.RowTooLong, status.NoCommand, status.SenderLeft, status.NotStored, status.PageAbandoned},
	"RX_NOFAX":      {status.NoCommand},
	"RX_T2EXPDCN":   {status.OK, status.NoCommand},
	"RX_T2EXPD":     {status.NoCommand},
	"RX_T2EXPFAX":   {status.NoCommand},
	"RX_T2EXPMPS":   {status.NoCommand},
	"RX_T2EXPRR":    {status.NoCommand},
	"RX_T2EXP":      {status.NoCommand},
	"RX_DCNWHY":     {status.SenderLeft, status.Disconnected, status.PollRefused},
	"RX_DCNDATA":    {status.SenderLeft, status.PageAbandoned, status.PollRefused},
	"RX_DCNFAX":     {status.SenderLeft},
	"RX_DCNPHD":     {status.SenderLeft, status.Disconnected},
	"RX_DCNRRD":     {status.SenderLeft, status.Disconnected},
	"RX_DCNNORTN":   {status.SenderLeft},

	"IDENT_UNACCEPTABLE": {status.WrongPassword},
	"SUB_UNACCEPTABLE":   {status.WrongPassword},
	"SEP_UNACCEPTABLE":   {status.WrongSelection, status.WrongPassword, status.NothingOffered},
	"PSA_UNACCEPTABLE":   {status.WrongSelection, status.WrongPassword, status.NothingOffered},
	"SID_UNACCEPTABLE":   {status.WrongPassword},
	"TSA_UNACCEPTABLE":   {status.WrongPassword},
	"IRA_UNACCEPTABLE":   {status.WrongPassword},
	"CIA_UNACCEPTABLE":   {status.WrongPassword, status.WrongSelection},
	"ISP_UNACCEPTABLE":   {status.WrongPassword, status.WrongSelection},
	"CSA_UNACCEPTABLE":   {status.WrongPassword},
	"PWD_UNACCEPTABLE":   {status.WrongPassword},
}

// unexpected is the ending of a call in which a valid frame came that had no
// place there, whatever became of the call.
const unexpected = "UNEXPECTED"

// judge compares how the device says the call has ended with the script. While
// the call still runs nothing has gone wrong, which scripts that stop there
// call OK.
func (d *device) judge(ctx context.Context, want string) error {
	if _, ended := d.result(); !ended && want == "OK" {
		return nil
	}
	if err := d.wait(ctx); err != nil {
		return err
	}
	r, _ := d.result()
	if want == unexpected {
		if r.Unexpected == 0 {
			return fmt.Errorf("it has not noticed the frame that was out of place; its call ended %v", r.Status)
		}
		return nil
	}
	meant, known := verdicts[want]
	if !known {
		return fmt.Errorf("ending %q is unknown", want)
	}
	if !slices.Contains(meant, r.Status) {
		return fmt.Errorf("its call ended %s", ending(r))
	}
	return nil
}

func ending(r modem.Report) string {
	if r.Err != nil {
		return fmt.Sprintf("%v (%v)", r.Status, r.Err)
	}
	return r.Status.String()
}
