package main

import (
	"context"
	"errors"
	"net/netip"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/story"
)

var tunGreeting = say.Text{
	story.English: "What is routed to %s goes through our TCP, for example after\n\n  ip route add 192.0.2.0/24 dev %[1]s\n\nCtrl-C ends it.\n",
	story.Chinese: "路由到 %s 的流量都经过我们的 TCP，例如执行：\n\n  ip route add 192.0.2.0/24 dev %[1]s\n\n按 Ctrl-C 结束。\n",
}

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
	o.stderr.printf(tunGreeting, name)
	select {
	case <-n.host.Done():
		err = n.host.Err()
	case <-ctx.Done():
	}
	n.close()
	return afterRun(err, n.report(&o.carrying, name))
}
