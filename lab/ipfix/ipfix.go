// Package ipfix makes IPFIX messages (RFC 7011) of connections: one bidirectional flow
// record (RFC 5103) for each, in the elements that collectors read. It is pure: records
// and the time go in, messages come out; who sends them is another's affair.
package ipfix

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// EndReason is flowEndReason of the IANA registry.
type EndReason uint8

// The reasons why a flow ended.
const (
	IdleTimeout   EndReason = 1
	ActiveTimeout EndReason = 2 // it goes on: this was a part of it
	EndDetected   EndReason = 3 // FIN, RST
	ForcedEnd     EndReason = 4
	LackResources EndReason = 5
)

// Count is what went one way.
type Count struct {
	Packets, Octets uint64 // octets of IP packets
	Flags           uint16 // all TCP flags that were seen, RFC 9565
}

// Record is a flow: of one connection, or of many that are alike.
type Record struct {
	Source, Destination netip.AddrPort // the initiator, and whom it asked
	Start, End          time.Time
	Forward, Reverse    Count
	Reason              EndReason
}

// Sizes of messages in bytes.
const (
	// DefaultSize fits into one packet of any IPv6 path.
	DefaultSize = 1280 - 40 - 8
	// MinSize has room for the templates, and for one record.
	MinSize = 256
	MaxSize = 1<<16 - 1
)

// DefaultRefresh is how often templates are sent again: over UDP a collector that has
// lost them, or that was started later, reads nothing until then (RFC 7011 §8.4).
const DefaultRefresh = 30 * time.Second

// Exporter makes the messages of one observation domain. The zero value is ready to use.
type Exporter struct {
	Domain  uint32        // observation domain
	Size    int           // of a message, MinSize to MaxSize; default DefaultSize
	Refresh time.Duration // of the templates; default DefaultRefresh

	sequence  uint32 // data records sent so far
	templates time.Time
	message   []byte
	set       int // where the open set begins; 0: none
	family    uint16
	records   uint32 // in the message
	out       [][]byte
}

const (
	headerSize    = 16
	setHeader     = 4
	templateSet   = 2
	templateIPv4  = 256
	templateIPv6  = 257
	version       = 10
	reversePEN    = 29305 // RFC 5103 §6.1
	enterpriseBit = 1 << 15
)

// element is an information element of a template.
type element struct {
	id, size uint16
	reverse  bool
}

// What stands behind the addresses.
// https://www.iana.org/assignments/ipfix/ipfix.xhtml
// Collectors such as nfdump read the way back from the reverse elements, and not from
// initiatorOctets and responderOctets.
var common = []element{
	{7, 2, false}, {11, 2, false}, {4, 1, false}, // ports, protocol
	{6, 2, true}, {6, 2, false}, // tcpControlBits: nfdump has room for one direction, and takes what comes last
	{1, 8, false}, {2, 8, false}, {1, 8, true}, {2, 8, true}, // octets, packets
	{152, 8, false}, {153, 8, false}, // flowStartMilliseconds, flowEndMilliseconds
	{136, 1, false}, {239, 1, false}, // flowEndReason, biflowDirection
}

var addresses = map[uint16][]element{
	templateIPv4: {{8, 4, false}, {12, 4, false}},
	templateIPv6: {{27, 16, false}, {28, 16, false}},
}

func recordSize(family uint16) (n int) {
	for _, e := range append(addresses[family][:2:2], common...) {
		n += int(e.size)
	}
	return n
}

// Messages returns the messages that tell of the records, with the templates where they are due.
// No records are fine: whether there is a message depends on the templates then. They are the caller's.
func (e *Exporter) Messages(now time.Time, records []Record) [][]byte {
	e.out = nil
	if refresh := e.Refresh; e.templates.IsZero() || now.Sub(e.templates) >= orDefault(refresh, DefaultRefresh) {
		e.templates = now
		e.begin(now)
		e.putTemplates()
	}
	for i := range records {
		e.put(now, &records[i])
	}
	e.end()
	return e.out
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// begin begins a message: RFC 7011 §3.1.
func (e *Exporter) begin(now time.Time) {
	e.message = append(make([]byte, 0, e.size()), 0, version, 0, 0)
	e.message = binary.BigEndian.AppendUint32(e.message, uint32(now.Unix()))
	e.message = binary.BigEndian.AppendUint32(e.message, e.sequence)
	e.message = binary.BigEndian.AppendUint32(e.message, e.Domain)
	e.set, e.records = 0, 0
}

func (e *Exporter) size() int { return min(max(orDefault(e.Size, DefaultSize), MinSize), MaxSize) }

// end ends the message, if one was begun. The sequence number of the next one counts its data records.
func (e *Exporter) end() {
	if e.message == nil {
		return
	}
	e.endSet()
	binary.BigEndian.PutUint16(e.message[2:], uint16(len(e.message)))
	e.sequence += e.records
	e.out, e.message = append(e.out, e.message), nil
}

func (e *Exporter) beginSet(id uint16) {
	e.set = len(e.message)
	e.message = binary.BigEndian.AppendUint16(e.message, id)
	e.message = append(e.message, 0, 0)
}

func (e *Exporter) endSet() {
	if e.set != 0 {
		binary.BigEndian.PutUint16(e.message[e.set+2:], uint16(len(e.message)-e.set))
		e.set = 0
	}
}

func (e *Exporter) putTemplates() {
	e.beginSet(templateSet)
	for _, id := range []uint16{templateIPv4, templateIPv6} {
		all := append(addresses[id][:2:2], common...)
		e.message = binary.BigEndian.AppendUint16(e.message, id)
		e.message = binary.BigEndian.AppendUint16(e.message, uint16(len(all)))
		for _, k := range all {
			id := k.id
			if k.reverse {
				id |= enterpriseBit
			}
			e.message = binary.BigEndian.AppendUint16(e.message, id)
			e.message = binary.BigEndian.AppendUint16(e.message, k.size)
			if k.reverse {
				e.message = binary.BigEndian.AppendUint32(e.message, reversePEN)
			}
		}
	}
	e.endSet()
}

// put appends a record, to the open set, to another one, or to another message.
func (e *Exporter) put(now time.Time, r *Record) {
	src, dst := r.Source.Addr().Unmap(), r.Destination.Addr().Unmap()
	family := uint16(templateIPv6)
	if src.Is4() && dst.Is4() {
		family = templateIPv4
	}
	if e.message == nil || len(e.message)+setHeader+recordSize(family) > e.size() {
		e.end()
		e.begin(now)
	}
	if e.set == 0 || e.family != family {
		e.endSet()
		e.beginSet(family)
		e.family = family
	}
	if family == templateIPv4 {
		e.message = append(append(e.message, src.AsSlice()...), dst.AsSlice()...)
	} else {
		a, b := src.As16(), dst.As16()
		e.message = append(append(e.message, a[:]...), b[:]...)
	}
	e.putRest(r)
	e.records++
}

// putRest appends what common describes.
func (e *Exporter) putRest(r *Record) {
	const tcp, initiator = 6, 1
	b := e.message
	b = binary.BigEndian.AppendUint16(b, r.Source.Port())
	b = binary.BigEndian.AppendUint16(b, r.Destination.Port())
	b = append(b, tcp)
	b = binary.BigEndian.AppendUint16(b, r.Reverse.Flags)
	b = binary.BigEndian.AppendUint16(b, r.Forward.Flags)
	for _, n := range [...]uint64{r.Forward.Octets, r.Forward.Packets, r.Reverse.Octets, r.Reverse.Packets,
		uint64(r.Start.UnixMilli()), uint64(r.End.UnixMilli())} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	e.message = append(b, byte(r.Reason), initiator)
}
