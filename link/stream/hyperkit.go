package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/handfast-tcp/handfast/link"
)

// The handshake of hyperkit with VPNKit: greetings both ways, then what the machine
// wants, then what it is. Numbers are little-endian and not aligned.
//
// https://github.com/moby/hyperkit/blob/2f061e447e1435cdf1b9eda364cea6414f2c606b/src/lib/pci_virtio_net_vpnkit.c#L91
const (
	hyperkitMagic   = "VMN3T"
	hyperkitVersion = 22

	greetingSize = 5 + 4 + 40 // magic, version, commit
	requestSize  = 1 + 36 + 4 // command, UUID in text, an IPv4 address
	answerSize   = 1 + 257    // kind, then what goes with it

	commandEthernet  = 1
	commandPreferred = 8 // the same, with an address that the machine would like

	answerVIF   = 1 // MTU, largest frame, hardware address
	answerError = 2 // length, text
)

// AcceptHyperkit is the handshake in VPNKit's part, which a link with Hyperkit does itself:
// it tells the machine its MTU and hardware address. uuid is what the machine calls itself.
func AcceptHyperkit(c io.ReadWriter, mtu int, machine link.HardwareAddr) (uuid string, err error) {
	var greeting [greetingSize]byte
	if _, err := io.ReadFull(c, greeting[:]); err != nil {
		return "", fmt.Errorf("stream: hyperkit's greeting: %w", err)
	}
	if string(greeting[:5]) != hyperkitMagic {
		return "", fmt.Errorf("stream: the other end begins with %q, not with hyperkit's greeting %q: another framing, or one without handshake",
			greeting[:5], hyperkitMagic)
	}
	// Its version is repeated: whoever checks it finds the one that it speaks.
	if _, err := c.Write(greeting[:]); err != nil {
		return "", fmt.Errorf("stream: hyperkit's greeting: %w", err)
	}
	var request [requestSize]byte
	if _, err := io.ReadFull(c, request[:]); err != nil {
		return "", fmt.Errorf("stream: hyperkit's request: %w", err)
	}
	var answer [answerSize]byte
	if kind := request[0]; kind != commandEthernet && kind != commandPreferred {
		answer[0] = answerError
		text := fmt.Sprintf("command %d is not known", kind)
		answer[1] = byte(copy(answer[2:], text))
		c.Write(answer[:]) // it ends in any case
		return "", errors.New("stream: hyperkit's request: " + text)
	}
	answer[0] = answerVIF
	binary.LittleEndian.PutUint16(answer[1:], uint16(mtu))
	binary.LittleEndian.PutUint16(answer[3:], uint16(min(mtu+ethernetHeader, 1<<16-1)))
	copy(answer[5:], machine[:])
	if _, err := c.Write(answer[:]); err != nil {
		return "", fmt.Errorf("stream: the answer to hyperkit: %w", err)
	}
	return string(request[1:37]), nil
}

// DialHyperkit is the handshake as a machine has it, before New with HyperkitBare makes the link.
// uuid has 36 bytes.
func DialHyperkit(c io.ReadWriter, uuid string) (mtu int, machine link.HardwareAddr, err error) {
	if len(uuid) != 36 {
		return 0, machine, fmt.Errorf("stream: UUID %q has %d bytes, not 36", uuid, len(uuid))
	}
	var greeting [greetingSize]byte
	copy(greeting[:], hyperkitMagic)
	binary.LittleEndian.PutUint32(greeting[5:], hyperkitVersion)
	if _, err := c.Write(greeting[:]); err != nil {
		return 0, machine, fmt.Errorf("stream: hyperkit's greeting: %w", err)
	}
	if _, err := io.ReadFull(c, greeting[:]); err != nil {
		return 0, machine, fmt.Errorf("stream: VPNKit's greeting: %w", err)
	}
	if string(greeting[:5]) != hyperkitMagic {
		return 0, machine, fmt.Errorf("stream: the other end greets with %q, not with VPNKit's %q", greeting[:5], hyperkitMagic)
	}
	var request [requestSize]byte
	request[0] = commandEthernet
	copy(request[1:], uuid)
	if _, err := c.Write(request[:]); err != nil {
		return 0, machine, fmt.Errorf("stream: hyperkit's request: %w", err)
	}
	var answer [answerSize]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return 0, machine, fmt.Errorf("stream: VPNKit's answer: %w", err)
	}
	if answer[0] != answerVIF {
		return 0, machine, fmt.Errorf("stream: VPNKit refuses: %q", answer[2:][:answer[1]])
	}
	return int(binary.LittleEndian.Uint16(answer[1:])), link.HardwareAddr(answer[5:11]), nil
}
