package lab

import (
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Where a stream begins in its number space is of no concern to anybody, except where
// numbers are compared the wrong way: then it is one of 2^31 connections that breaks. The
// functions here choose where a stream begins by what an engine takes from outside
// anyway: its clock and its keys.

// AimISN moves a host's clock, which must not have been used yet, so that the connection
// that it opens to a port of a peer from a port of its own when the world has lived for
// so long begins with the number want or up to 15 before it, and where the clock ticks
// coarsely up to a tick more. The clock moves by so many times three seconds: what else
// depends on it, like where milliseconds end, stays.
func (w *World) AimISN(from, to string, ports [2]uint16, life time.Duration, want seq.Num) {
	n := w.node(from)
	c := n.double(tcp.CookiesAuto)
	_, err := c.host.Connect(n.Clock.at(start.Add(life)), wire.Addr{}, ports[0], w.node(to).addr, ports[1], nil)
	if err != nil {
		return // no way to the peer: there will be no connection
	}
	// RFC 6528 §3: the number grows by one every four microseconds, and by 750,000 in
	// three seconds. That is 46,875 times 16, so that multiples of it reach every 16th
	// number; the inverse of 46,875 says how often.
	// https://www.rfc-editor.org/rfc/rfc6528#section-3
	first := c.firstNumber(n.Clock.at(start.Add(life)))
	times := uint32(want-first) / 16 * inverse % (1 << 28)
	n.Clock.Offset += time.Duration(times) * 3 * time.Second
}

// inverse times 46,875 is 1, modulo 2^32.
const inverse uint32 = 2017512211

// AimCookies gives a host keys of cookies with which it answers the first SYN that
// arrives by a number from want on to within after it, if it finds some in so many
// tries.
func (w *World) AimCookies(name string, want seq.Num, within seq.Size, tries int) {
	n := w.node(name)
	n.aim = func(syn []byte) {
		now, r := n.now(), w.random(n.index, 1<<20)
		c := n.double(tcp.CookiesAlways)
		if _, err := c.host.TCP().Forward(netip.Prefix{}, 1, nil); err != nil {
			return
		}
		for range tries {
			var k tcp.CookieKeys
			for _, key := range []*[16]byte{&k.Base, &k.Previous, &k.Current, &k.Next} {
				for i := range key {
					key[i] = byte(r.Uint32())
				}
			}
			c.host.TCP().ShareCookieKeys(k)
			c.host.Receive(now, 0, packetOf(syn))
			if c.firstNumber(now).In(want, within) {
				n.host.TCP().ShareCookieKeys(k)
				return
			}
		}
	}
}

// double is a host of its own that has the same secrets as the node in its first life.
func (n *node) double(m tcp.CookieMode) *node {
	c := &node{HostConfig: n.HostConfig, world: n.world, index: n.index, addr: n.addr}
	c.Host.TCP.Cookies = m
	c.HostConfig.Batches = false
	if err := c.boot(); err != nil {
		panic(err) // the node has booted with the same
	}
	return c
}

// firstNumber is the sequence number of the last SYN that the host has to send.
func (n *node) firstNumber(now clock.Time) (isn seq.Num) {
	for p, _ := n.host.Output(now); p != nil; p, _ = n.host.Output(now) {
		var ip wire.IP
		var h wire.TCP
		p.Flatten()
		if wire.ParseIP(p.Data, &ip) == wire.None {
			if _, d := wire.ParseTCP(p.Data[ip.HeaderLen:], &h); d == wire.None && h.Flags.Has(wire.SYN) {
				isn = h.Seq
			}
		}
		p.Release()
	}
	n.trace.Take()
	return isn
}

// packetOf returns a packet with a copy of the bytes.
func packetOf(data []byte) *buf.Packet {
	p := buf.NewPacket()
	p.Data = p.ReceiveInto(len(data))[:copy(p.Block.Bytes(), data)]
	return p
}

// aimed calls aim with the first SYN that comes.
func (n *node) aimed(data []byte) {
	var ip wire.IP
	var h wire.TCP
	if wire.ParseIP(data, &ip) != wire.None || ip.Proto != wire.ProtoTCP {
		return
	}
	if _, d := wire.ParseTCP(data[ip.HeaderLen:], &h); d == wire.None && h.Flags&(wire.SYN|wire.ACK) == wire.SYN {
		n.aim(data)
		n.aim = nil
	}
}
