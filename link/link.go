// Package link is where packets leave and enter a host: the Link interface.
// The kinds of link are packages below it.
package link

import (
	"errors"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// ErrClosed is what a link's methods return after Close.
var ErrClosed = errors.New("link: closed")

// Medium says what a link carries.
type Medium uint8

// The media.
const (
	IP       Medium = iota // IP packets, no link header: TUN
	Ethernet               // Ethernet frames: TAP, AF_PACKET
)

// HardwareAddr is an Ethernet address.
type HardwareAddr [6]byte

// Attributes are what a host must know of a link. They do not change.
type Attributes struct {
	Name   string
	Medium Medium
	// MTU is the largest IP packet in bytes, link header not counted: at least 68,
	// for IPv6 1280. A host uses at most 65535 of it.
	MTU int
	// HardwareAddr is ours; for Ethernet only.
	HardwareAddr HardwareAddr
	// Queues is how many goroutines may Read at the same time, each with its
	// own queue number: 1 to 256.
	Queues int
	// MaxGSO is the largest IP packet, in bytes, that Write takes as a
	// super-segment (Packet.GSOSize set); 0 when it takes none, or at least MTU.
	MaxGSO int
	// ChecksumOffload says that Write takes packets with ChecksumPartial.
	ChecksumOffload bool
}

// Link is a way for packets in and out. Read and Write may be called
// concurrently with each other and with Close.
type Link interface {
	Attributes() Attributes

	// Read waits for packets on a queue (0 ≤ queue < Queues) and puts at least
	// one and at most len(batch) into batch, in order of arrival. The caller
	// owns them, and each has all its headers contiguous in Data. After Close
	// it returns ErrClosed; any other error means that the link is gone.
	Read(queue int, batch []*buf.Packet) (int, error)

	// Write sends packets, in order, and takes ownership of all of them, also
	// when it fails. It does not wait for the far end: a packet that finds the
	// queue full is dropped and counted by the link. It may be called by
	// several goroutines, each with another queue number. An error means that
	// the link is gone.
	Write(queue int, batch []*buf.Packet) error

	// Close ends every Read and Write. It may be called more than once.
	Close() error
}
