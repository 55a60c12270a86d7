package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// runTUN carries what comes to a TUN of this network namespace, until Ctrl-C.
func (o *runOptions) runTUN(ctx context.Context, system netip.AddrPort, ports *openPorts) error {
	d, err := o.openTUN()
	if err != nil {
		return err
	}
	n, err := o.runNetwork(d, "tun", system)
	if err != nil {
		return errors.Join(err, d.Close())
	}
	defer n.close()
	ports.through(n.gateway, insideAddrs[0].Addr())
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	name := d.Attributes().Name
	fmt.Fprintf(o.stderr.report(), "What is routed to %s goes through our TCP, for example after\n\n  ip route add 192.0.2.0/24 dev %[1]s\n\nCtrl-C ends it.\n", name)
	select {
	case <-n.host.Done():
		err = n.host.Err()
	case <-ctx.Done():
	}
	n.close()
	return afterRun(err, n.report(&o.carrying, name))
}
