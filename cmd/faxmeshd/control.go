package main

import (
	"context"
	"time"

	"github.com/faxmesh/faxmesh/cluster"
)

// ask asks the node that runs on a directory one question.
func (a *app) ask(ctx context.Context, dir, method string, patience time.Duration, question, answer any) error {
	if err := needData(dir); err != nil {
		return err
	}
	values, err := a.readSettings(dir, nil)
	if err != nil {
		return err
	}
	control, err := cluster.Reach(dir, values.Server().Cluster.Bind)
	if err != nil {
		return err
	}
	defer control.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return control.Call(ctx, method, question, answer)
}
