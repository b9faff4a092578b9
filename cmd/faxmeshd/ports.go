package main

import (
	"errors"
	"fmt"
	"net"
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

// freePorts looks whether a node's ports can be had, to say which setting to
// change before anything is done.
func freePorts(v *settings.Values) error {
	server := v.Server()
	name := func(key string) string {
		return fmt.Sprintf("[NETWORK] %s (%s)", key, v.Origin("NETWORK", key))
	}
	if err := freeTCP(server.Client.Bind); err != nil {
		return portError(err, name("SERVERTCPPORT"))
	}
	err := freeTCP(server.Cluster.Bind)
	if err == nil {
		err = freeUDP(server.Cluster.Bind)
	}
	return portError(err, name("SERVERUDPPORT"))
}

func freeTCP(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return ln.Close()
}

func freeUDP(addr string) error {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
