package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/impair"
	"github.com/handfast-tcp/handfast/link/pipe"
	hftun "github.com/handfast-tcp/handfast/link/tun"
)

// wirePath is a path whose wire is an emulated one: the same for every peer, and
// what it does to packets is drawn from the same seed.
const wirePath path = "wire"

// The wire of all these rows, except for what a row changes.
const (
	wireRate    = 100_000_000           // bit/s
	wireDelay   = 25 * time.Millisecond // each way
	wireSeconds = 10                    // from the first byte on: slow start is a part of it
	pingEvery   = 20 * time.Millisecond
)

// bdp is how many bytes are under way on a full wire of that delay each way.
func bdp(delay time.Duration) int {
	return int(wireRate / 8 * int64(2*delay) / int64(time.Second))
}

// wireWith changes the direction of the data.
func wireWith(change func(*netem.Config)) (data, back netem.Config) {
	c := netem.Config{Rate: wireRate, Delay: wireDelay, QueueBytes: bdp(wireDelay)}
	back = c
	change(&c)
	back.Delay = c.Delay
	return c, back
}

// wireRows are paths as they are outside: what a sender makes of them decides.
func wireRows() (all []row) {
	peers := []string{"handfast", "handfast-bbr", "gvisor", "kernel", "kernel-bbr"}
	for _, w := range []struct {
		name, title string
		change      func(*netem.Config)
	}{
		{"wire", "100 Mbit/s, 25 ms each way, queue of one BDP", func(*netem.Config) {}},
		{"wire-loss", "the same as wire, 1 % lost", func(c *netem.Config) { c.Loss = 0.01 }},
		{"wire-reorder", "the same as wire, 1 % come 10 ms late", func(c *netem.Config) { c.Reorder, c.ReorderDelay = 0.01, 10*time.Millisecond }},
		{"wire-long", "100 Mbit/s, 100 ms each way, queue of one BDP, 0.1 % lost", func(c *netem.Config) {
			c.Delay, c.QueueBytes, c.Loss = 4*wireDelay, bdp(4*wireDelay), 0.001
		}},
		{"wire-bloat", "100 Mbit/s, 25 ms each way, queue of five BDP", func(c *netem.Config) { c.QueueBytes *= 5 }},
	} {
		r := row{name: w.name, title: w.title, kind: badWire, path: wirePath, streams: 1, seconds: wireSeconds, once: true, peers: peers, group: chartWire}
		r.data, r.back = wireWith(w.change)
		all = append(all, r)
	}
	return all
}

// layWire joins two stacks of p by the row's wire. The near one sends.
func (r row) layWire(p *peer, seed uint64) (near, far stack, err error) {
	a, b := pipe.New(pipe.Options{Name: "wire"})
	bad, err := impair.New(a, impair.Options{Out: r.data, In: r.back, Seed: seed})
	if err != nil {
		return nil, nil, err
	}
	return p.attachWire(bad, b, r.buffers)
}

// measureWire counts what arrives of one stream, from its first byte on, and how
// long a byte takes there and back on a connection beside it.
func measureWire(r row, p *peer, seed uint64, window time.Duration) (result, error) {
	near, far, err := r.layWire(p, seed)
	if err != nil {
		return result{}, fmt.Errorf("attach: %w", err)
	}
	l, err := far.listen(benchPort)
	if err != nil {
		return result{}, fmt.Errorf("listen: %w", err)
	}
	to := netip.AddrPortFrom(far.addr(), benchPort)
	senders, receivers, err := pairUp(2, l, func() (net.Conn, error) { return near.dial(to) })
	if err != nil {
		return result{}, err
	}
	defer closeAll(senders, receivers)
	go echo(receivers[1], 1)
	var got atomic.Int64
	failed := make(chan error, 2)
	from, err := readUsage()
	if err != nil {
		return result{}, err
	}
	go func() { failed <- push(senders[0]) }()
	go func() { failed <- drain(receivers[0], &got) }()
	took, err := pingBeside(senders[1], time.Now().Add(window))
	end, usageErr := readUsage()
	select {
	case streamErr := <-failed:
		err = errors.Join(err, fmt.Errorf("stream ended: %w", streamErr))
	default:
	}
	if err := errors.Join(err, usageErr); err != nil {
		return result{}, err
	}
	res := summarize(took, end.since(from))
	res.Bytes = got.Load()
	if res.Bytes == 0 {
		return result{}, errors.New("not one byte arrived in the window")
	}
	return res, nil
}

// pingBeside sends a byte now and then until the given time, and returns how long
// each took to come back.
func pingBeside(c net.Conn, until time.Time) (took []time.Duration, err error) {
	b := make([]byte, 1)
	for len(took) == 0 || time.Now().Before(until) {
		from := time.Now()
		if err := roundTrip(c, b); err != nil {
			return took, fmt.Errorf("ping: %w", err)
		}
		d := time.Since(from)
		took = append(took, d)
		time.Sleep(min(max(pingEvery-d, 0), time.Until(until)))
	}
	return took, nil
}

// kernelWire gives both ends of a wire a TUN device, each in a namespace of its
// own, so that the kernel talks to itself across the wire. Its devices have no
// offloads: the wire sees packets.
func kernelWire(control string) func(a, b link.Link, buffers int) (near, far stack, err error) {
	return func(a, b link.Link, buffers int) (near, far stack, err error) {
		if err := plugTUN(a, nearAddr); err != nil {
			return nil, nil, err
		}
		if err := errors.Join(readyKernel(), setBuffers(buffers)); err != nil {
			return nil, nil, err
		}
		other := newSpace()
		err = other.do(func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return os.NewSyscallError("unshare", err)
			}
			return errors.Join(plugTUN(b, farAddr), setBuffers(buffers))
		})
		return kernelStack{nearAddr, control}, spaceStack{kernelStack{address: farAddr}, other}, err
	}
}

// plugTUN makes a TUN device in the namespace of the calling thread and carries
// packets between it and a link.
func plugTUN(l link.Link, a netip.Addr) error {
	d, err := hftun.Open(hftun.Options{Name: tunName, NoOffload: true})
	if err != nil {
		return err
	}
	if err := setAddress(tunName, netip.PrefixFrom(a, prefixBits)); err != nil {
		return err
	}
	if err := setDevice(tunName, 1500); err != nil {
		return err
	}
	go relay(d, l)
	go relay(l, d)
	return nil
}

// relay carries packets until one of the links ends.
func relay(from, to link.Link) {
	batch := make([]*buf.Packet, 64)
	for {
		n, err := from.Read(0, batch)
		if err != nil || to.Write(0, batch[:n]) != nil {
			return
		}
	}
}
