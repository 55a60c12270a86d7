package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
)

// explainDial explains why there is no connection.
func explainDial(err error, to netip.AddrPort, waited time.Duration) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%v refused: the host is there, but no program listens on port %d (a reset answered the SYN)", to, to.Port())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Errorf("no answer from %v within %v: no host has the address, something on the way drops the SYN, or the listener's queue is full.\n"+
			"  Beyond this machine packets of a TUN only get where it forwards them and translates their addresses", to, waited)
	}
	return err
}

// explainEnd says what it means that a connection ended.
func explainEnd(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("the peer has reset the connection: its program died, or closed before it had read everything: %w", err)
	case errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Errorf("the peer has stopped answering: %w", err)
	}
	return err
}
