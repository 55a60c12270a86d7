package lab

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// changesOf are what records of IGMPv3 and MLDv2 say.
var changesOf = map[uint8]string{wire.GroupIsMember: "is in", wire.GroupLeft: "leaves", wire.GroupJoined: "joins"}

// describeGroups says in words what a message of IGMP or MLD says; empty: it is none.
func describeGroups(ip *wire.IP, b []byte) string {
	var m wire.GroupMessage
	drop, name, newest, record := wire.UnknownProtocol, "IGMPv", byte(wire.IGMPv3Report), wire.IGMPRecordSize
	switch ip.Proto {
	case wire.ProtoIGMP:
		drop = wire.ParseIGMP(b, &m)
	case wire.ProtoICMPv6:
		name, newest, record = "MLDv", wire.ICMPv6ListenerReportV2, wire.MLDRecordSize
		drop = wire.ParseMLD(b, &m)
	default:
		return ""
	}
	left := len(b) >= wire.IGMPSize && b[0] == wire.IGMPv2Leave && ip.Proto == wire.ProtoIGMP
	done := len(b) >= wire.MLDSize && b[0] == wire.ICMPv6ListenerDone && ip.Proto == wire.ProtoICMPv6
	switch {
	case left:
		return name + "2: leaves " + wire.AddrFrom4(binary.BigEndian.Uint32(b[4:])).String()
	case done:
		return name + "1: leaves " + wire.AddrFrom16([16]byte(b[8:])).String()
	case len(b) >= wire.IGMPSize && b[0] == newest:
		return fmt.Sprintf("%s%d: %s", name, newestOf(ip), describeRecords(b[wire.IGMPSize:], record))
	case drop != wire.None:
		return ""
	case m.Type == wire.IGMPQuery || m.Type == wire.ICMPv6ListenerQuery:
		about := m.Group.String()
		if !m.Group.IsMulticast() {
			about = "any group"
		}
		return fmt.Sprintf("%s%d: asks who is in %s", name, m.Version, about)
	}
	return fmt.Sprintf("%s%d: joins %s", name, m.Version, m.Group)
}

func newestOf(ip *wire.IP) int {
	if ip.Version == 4 {
		return wire.NewestIGMP
	}
	return wire.NewestMLD
}

// describeRecords says what a report of the newest versions has, without lists of sources.
func describeRecords(b []byte, size int) string {
	var all []string
	for len(b) >= size {
		var group wire.Addr
		if size == wire.IGMPRecordSize {
			group = wire.AddrFrom4(binary.BigEndian.Uint32(b[4:]))
		} else {
			group = wire.AddrFrom16([16]byte(b[4:]))
		}
		change, known := changesOf[b[0]]
		if !known {
			change = fmt.Sprintf("record %d of", b[0])
		}
		all = append(all, change+" "+group.String())
		sources := int(binary.BigEndian.Uint16(b[2:])) * (size - 4)
		b = b[min(size+sources+4*int(b[1]), len(b)):]
	}
	return strings.Join(all, ", ")
}
