package main

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/rawfile"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/stopfd"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// The virtio network header, 10 bytes before each packet.
// https://docs.oasis-open.org/virtio/virtio/v1.2/virtio-v1.2.html#x1-2350006
const (
	virtioHeaderLen  = 10
	virtioNeedsCsum  = 1
	virtioGSOTCPv4   = 1
	virtioCsumOffset = 16 // of the checksum in a TCP header
)

// vnetEndpoint is a gVisor link on a TUN device with virtio headers. It takes
// from link/channel all that is not reading and writing.
type vnetEndpoint struct {
	*channel.Endpoint
	fd   int
	stop stopfd.StopFD
}

func newVnetEndpoint(fd int) (gstack.LinkEndpoint, error) {
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, virtioHeaderLen); err != nil {
		return nil, fmt.Errorf("TUNSETVNETHDRSZ: %w", err)
	}
	const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads); err != nil {
		return nil, fmt.Errorf("TUNSETOFFLOAD: %w", err)
	}
	stop, err := stopfd.New()
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	e := &vnetEndpoint{Endpoint: channel.New(1, 1500, ""), fd: fd, stop: stop}
	e.SupportedGSOKind = gstack.HostGSOSupported
	// Without CapabilityTXChecksumOffload: the stack leaves a checksum to the
	// link only in segments that carry GSO options, and a SYN has none.
	e.LinkEPCapabilities = gstack.CapabilityRXChecksumOffload
	return e, nil
}

// GSOMaxSize is the largest packet that the kernel takes whole.
func (*vnetEndpoint) GSOMaxSize() uint32 { return 65535 }

// Attach starts the reader.
func (e *vnetEndpoint) Attach(d gstack.NetworkDispatcher) {
	e.Endpoint.Attach(d)
	if d != nil {
		go e.read()
	}
}

// WritePackets writes each packet with one system call, its pieces gathered.
func (e *vnetEndpoint) WritePackets(pkts gstack.PacketBufferList) (int, tcpip.Error) {
	var room [16]unix.Iovec
	for i, p := range pkts.AsSlice() {
		h := virtioHeader(p)
		iov := rawfile.AppendIovecFromBytes(room[:0], h[:], rawfile.MaxIovs)
		for _, b := range p.AsSlices() {
			iov = rawfile.AppendIovecFromBytes(iov, b, rawfile.MaxIovs)
		}
		if errno := rawfile.NonBlockingWriteIovec(e.fd, iov); errno != 0 {
			return i, tcpip.TranslateErrno(errno)
		}
	}
	return pkts.Len(), nil
}

// virtioHeader says what the kernel has to complete in p.
func virtioHeader(p *gstack.PacketBuffer) (h [virtioHeaderLen]byte) {
	g := p.GSOOptions
	if g.Type == gstack.GSONone {
		return h
	}
	le := binary.LittleEndian
	le.PutUint16(h[2:], uint16(p.HeaderSize()))
	if g.NeedsCsum {
		h[0] = virtioNeedsCsum
		le.PutUint16(h[6:], g.L3HdrLen)
		le.PutUint16(h[8:], virtioCsumOffset)
	}
	if p.Data().Size() > int(g.MSS) {
		h[1] = virtioGSOTCPv4
		le.PutUint16(h[4:], g.MSS)
	}
	return h
}

// readSizes are the pieces that a packet is read into: small packets use
// little, a 64 KiB one fits.
var readSizes = [...]int{128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 2048}

// read passes what the kernel sends to the stack until the device goes.
func (e *vnetEndpoint) read() {
	var head [virtioHeaderLen]byte
	var views [len(readSizes)]*buffer.View
	iov := make([]unix.Iovec, 1+len(views))
	iov[0] = rawfile.IovecFromBytes(head[:])
	for {
		for i := 0; i < len(views) && views[i] == nil; i++ {
			views[i] = buffer.NewViewSize(readSizes[i])
			iov[i+1] = unix.Iovec{Base: views[i].BasePtr(), Len: uint64(views[i].Size())}
		}
		n, errno := rawfile.BlockingReadvUntilStopped(e.stop.EFD, e.fd, iov)
		if errno != 0 || n <= virtioHeaderLen {
			return
		}
		p := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: take(views[:], n-virtioHeaderLen)})
		p.RXChecksumValidated = true
		e.InjectInbound(header.IPv4ProtocolNumber, p)
		p.DecRef()
	}
}

// take moves the first n bytes out of views into a buffer.
func take(views []*buffer.View, n int) (b buffer.Buffer) {
	for i := 0; n > 0; i++ {
		v := views[i]
		views[i] = nil
		if v.Size() > n {
			v.CapLength(n)
		}
		n -= v.Size()
		if err := b.Append(v); err != nil {
			panic(err)
		}
	}
	return b
}
