package main

import (
	"math/bits"
	"net/netip"
	"runtime"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// handfastPackets is a host on one end of a pipe; the other is ours.
func handfastPackets(o packetOptions) (*packetStack, error) {
	ours, theirs := pipe.New(pipe.Options{})
	shards := min(1<<(bits.Len(uint(runtime.GOMAXPROCS(0)))-1), 8)
	h, err := handfast.New(handfast.Config{Shards: shards, TCP: tcp.Config{
		// Each shard might get all of them; a limit takes no memory. An attack,
		// which begins at half of it, is not what is measured.
		MaxHalfOpen: o.capacity, AttackEnter: 2 * o.capacity, MaxTimeWait: o.capacity, MSL: 2 * time.Minute,
	}})
	if err != nil {
		return nil, err
	}
	err = h.Attach(theirs, handfast.LinkOptions{
		Addresses: []netip.Prefix{netip.PrefixFrom(nearAddr, prefixBits)},
		Routes:    []handfast.Route{{Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}},
	})
	if err != nil {
		return nil, err
	}
	s := &packetStack{
		send:    func(batch [][]byte) { handfastSend(ours, batch) },
		receive: handfastReceive(ours),
		entries: func() (n int) {
			for range h.Connections() {
				n++
			}
			return n
		},
	}
	if o.forward {
		s.listener, err = h.Forward(handfast.ListenOptions{})
	} else {
		s.listener, err = h.Listen("tcp", benchTarget.String())
	}
	return s, err
}

func handfastSend(l *pipe.End, batch [][]byte) {
	var packets [sendBatch]*buf.Packet
	for len(batch) > 0 {
		n := min(len(batch), sendBatch)
		for i, b := range batch[:n] {
			packets[i] = buf.NewPacket()
			packets[i].Data = append(packets[i].Data, b...) // as headers lie that come from memory
		}
		if l.Write(0, packets[:n]) != nil {
			return
		}
		batch = batch[n:]
	}
}

func handfastReceive(l *pipe.End) func(f func([]byte)) error {
	packets := make([]*buf.Packet, sendBatch)
	return func(f func([]byte)) error {
		n, err := l.Read(0, packets)
		if err != nil {
			return err
		}
		for _, p := range packets[:n] {
			if p.N > 0 {
				p.Flatten()
			}
			f(p.Data)
			p.Release()
		}
		return nil
	}
}
