package drill

import (
	"bytes"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// learnFastOpen keeps what connections have learnt of the script's servers, as the root
// package does for a host.
func (p *player) learnFastOpen() {
	for n, ok := p.host.TCP().NextFastOpen(); ok; n, ok = p.host.TCP().NextFastOpen() {
		p.known.Learn(p.now, n)
	}
}

// ownCookie returns the cookie that the host has given, or else the one that it would give: a
// host with the same secret is asked.
func (p *player) ownCookie(f *flow) []byte {
	if p.cookie != nil {
		return p.cookie
	}
	twin := p.settings
	twin.config.TCP.FastOpen = fastopen.Server | fastopen.EveryListener
	h, err := twin.newHost(p)
	if err != nil {
		p.fail("%v", err)
	}
	h.TCP().Listen(wire.Addr{}, f.tuple.LocalPort, 1, nil) // nobody else listens there
	var plain script.Packet
	plain.IP = script.IPInfo{ECN: -1, TOS: -1, TTL: -1, FlowLabel: -1}
	syn := p.packet(&plain, &header{tuple: f.tuple.Reverse(), seq: peerISN, flags: wire.SYN, window: 65535, options: []byte{byte(script.FastOpen), 2, 1, 1}}, nil)
	k := buf.NewPacket()
	m := k.ReceiveInto(len(syn))
	k.Data = m[:copy(m, syn)]
	h.Receive(p.now, 0, k)
	for k, _ := h.Output(p.now); k != nil; k, _ = h.Output(p.now) {
		k.Flatten()
		s, _ := parseSegment(k.Data)
		for _, o := range s.options {
			if o.Kind == script.FastOpen {
				p.cookie = bytes.Clone(o.Data)
			}
		}
		k.Release()
	}
	return p.cookie
}

// setFastOpenKeyOf gives a listener keys of its own: 16 bytes, or 32 for two.
func (p *player) setFastOpenKeyOf(c *script.Call, s *socket) outcome {
	p.needs(c, 5)
	key, size := []byte(textOf(&c.Args[3])), numberOf(&c.Args[4])
	if size != 16 && size != 32 {
		return failure("EINVAL")
	}
	if len(key) != int(size) {
		p.wrong(c.Args[3].Pos, "this is a key of %d bytes, and the call says %d: a byte is written \\x00 to \\xff", len(key), size)
	}
	s.fastOpenKeys = fastopen.Keys{}
	for i := range int(size) / 16 {
		s.fastOpenKeys[i] = fastopen.NewKey([16]byte(key[16*i:]))
	}
	if s.listener != nil {
		s.listener.SetFastOpenKeys(s.fastOpenKeys)
	}
	return ok(0)
}

// openFast begins a connection whose SYN may carry what follows: sendto with MSG_FASTOPEN, and
// connect where TCP_FASTOPEN_CONNECT is set. It reports whether it counts as connected, so that
// text may follow at once.
func (p *player) openFast(s *socket, address *script.Value) (o outcome, early bool) {
	if o := p.open(s, address); o.errno != "" {
		return o, false
	}
	t := s.entry.Tuple()
	p.act(s, func(e *tcp.Endpoint, now clock.Time) {
		e.FastOpen(now, s.entry, p.known.Hint(now, t.Local, t.Remote))
	})
	if early = s.entry.Writable(); early {
		s.connecting, s.untold = false, true
	}
	return outcome{}, early
}

// sendFast is sendto with MSG_FASTOPEN on a socket that is not connected.
func (p *player) sendFast(c *script.Call, s *socket, data []byte, flags int64) (attempt, *waiting) {
	if p.config.TCP.FastOpen&fastopen.Client == 0 {
		return once(failure("EOPNOTSUPP"))
	}
	var address *script.Value
	if len(c.Args) > 4 {
		if address = &c.Args[4]; address.Text == "AF_UNSPEC" {
			return once(failure("EOPNOTSUPP"))
		}
	}
	o, early := p.openFast(s, address)
	switch {
	case o.errno != "":
		return once(o)
	case early:
		return p.writeFast(s, data, flags)
	case s.nonBlocking || flags&constant("MSG_DONTWAIT") != 0:
		// The SYN asks for a cookie; the text is the program's to write when the handshake is done.
		return once(failure("EINPROGRESS"))
	}
	p.queueEarly(s, data, flags)
	return p.untilConnected(s, len(data))
}

// writeFast writes what goes on a SYN. A socket that does not wait takes no more than that, as
// in Linux; one that waits takes all, and returns when the handshake is done.
func (p *player) writeFast(s *socket, data []byte, flags int64) (attempt, *waiting) {
	if s.nonBlocking || flags&constant("MSG_DONTWAIT") != 0 {
		n := min(len(data), s.entry.SynRoom())
		if p.queueEarly(s, data[:n], flags); n == 0 {
			return once(failure("EINPROGRESS")) // nothing is written, so it was a connect
		}
		return once(ok(int64(n)))
	}
	p.queueEarly(s, data, flags)
	return p.untilConnected(s, len(data))
}

// queueEarly queues text before there is a connection to write to.
func (p *player) queueEarly(s *socket, data []byte, flags int64) {
	if len(data) == 0 {
		p.act(s, func(e *tcp.Endpoint, now clock.Time) { e.SendSyn(now, s.entry) })
	} else {
		part := mark(s.flow, data)
		p.act(s, func(e *tcp.Endpoint, now clock.Time) { p.send(e, now, s, part, flags, true) })
	}
	p.copied(s, flags, int64(len(data)))
	p.output()
}

// untilConnected is a write of n bytes that waits for the handshake.
func (p *player) untilConnected(s *socket, n int) (attempt, *waiting) {
	return forever(s, true, func() (outcome, bool) {
		if o, done := p.connected(s); !done || o.errno != "" {
			return o, done
		}
		return ok(int64(n)), true
	})
}
