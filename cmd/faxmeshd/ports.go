package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/faxmesh/faxmesh/clientlib/settings"
)

// portError says which setting to change if a port cannot be had.
func portError(err error, setting string) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Addr == nil {
		return err
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s port %s is in use by another program: stop it, or change %s", op.Net, op.Addr, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is not an address of this machine: change %s", op.Addr, setting)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s port %s needs rights that this user has not: change %s", op.Net, op.Addr, setting)
	}
	return err
}

// serverPortError is portError for a node, which has two ports.
func serverPortError(err error, v *settings.Values) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Addr == nil {
		return err
	}
	_, port, _ := net.SplitHostPort(op.Addr.String())
	key := "SERVERUDPPORT"
	if port == strconv.Itoa(v.Int("NETWORK", "SERVERTCPPORT")) {
		key = "SERVERTCPPORT"
	}
	return portError(err, fmt.Sprintf("[NETWORK] %s (%s)", key, v.Origin("NETWORK", key)))
}
