package wire

// Drop is why a packet was not used: a value, counted and traced, never an
// error. None means that it was used.
type Drop uint8

// The reasons.
const (
	None Drop = iota

	// Found while parsing.
	TooShort        // shorter than its headers
	BadVersion      // IP version is neither 4 nor 6, or not the one that the frame said
	BadHeaderLength // IHL below 5, data offset below 5, or past the end
	BadTotalLength  // IP length below the headers or past the end of the packet
	BadIPChecksum
	BadExtension // IPv6 extension header chain too long or broken
	BadTCPChecksum
	BadUDPChecksum
	BadICMPChecksum
	BadOption // option with an impossible length
	UnknownProtocol
	UnknownEtherType
	BadNeighbour  // NDP or ARP message that breaks its own rules
	BadMembership // IGMP or MLD message that breaks its own rules

	// Found by the host.
	NotOurs        // addressed to another host
	BadSource      // source is unspecified, broadcast, multicast, loopback or our own
	BadDestination // multicast or broadcast where TCP has no business
	NoRoute
	NeighbourPending // queue of packets that wait for a neighbour is full
	FragmentPending  // kept: waits for the other fragments
	FragmentOverlap
	FragmentLimit // too many or too much waiting
	FragmentECN   // one is marked CE, and the sender of another does not understand that (RFC 3168 §5.3)
	NoPort        // no listener
	QueueFull     // socket's receive queue is full
	ForgedICMP    // quotes something that we do not have in flight
	MTUExceeded
	NoAuth         // from a peer that signs what it sends (RFC 5925), and not signed
	BadAuth        // signed with another key, or changed on its way
	UnknownAuthKey // signed with a key that we do not have

	// Found by TCP.
	NoSocket         // no connection and no listener
	BadFlags         // SYN with FIN or RST, no flags at all
	BadSequence      // outside the receive window: RFC 9293 §3.10.7.4, first check
	BadAck           // ACK of something not sent, or too old (RFC 5961 §5)
	OldAck           // duplicate of an older ACK
	PAWS             // timestamp older than the last one (RFC 7323 §5)
	MissingTimestamp // ends a handshake without the timestamp that our SYN-ACK asks for (RFC 7323 §3.2)
	BlindReset       // RST in window but not exact: challenge ACK (RFC 5961 §3)
	BlindSyn         // SYN on a synchronised connection (RFC 5961 §4)
	NoAckFlag        // no ACK on a synchronised connection
	TimeWaitReset    // RST in TIME-WAIT (RFC 1337)
	Duplicate        // nothing new in it
	ReassemblyFull   // out of order and no room
	NoMemory         // all connections together hold as much as they may
	WindowFull       // past the receive window
	ListenFull       // half-open queue or accept queue full
	Closed           // data after the program closed its receiving side
	AcceptDeferred   // ends a handshake without text, which the listener waits for

	numDrops
)

var dropText = [numDrops]string{
	None: "used", TooShort: "too short", BadVersion: "bad IP version",
	BadHeaderLength: "bad header length", BadTotalLength: "bad total length",
	BadIPChecksum: "bad IP checksum", BadExtension: "bad IPv6 extension header",
	BadTCPChecksum: "bad TCP checksum", BadUDPChecksum: "bad UDP checksum",
	BadICMPChecksum: "bad ICMP checksum", BadOption: "bad option",
	UnknownProtocol: "unknown protocol", UnknownEtherType: "unknown EtherType",
	BadNeighbour: "bad NDP or ARP message", BadMembership: "bad IGMP or MLD message",
	NotOurs: "not our address", BadSource: "bad source address",
	BadDestination: "bad destination address", NoRoute: "no route",
	NeighbourPending: "neighbour queue full", FragmentPending: "waits for more fragments",
	FragmentOverlap: "overlapping fragment", FragmentLimit: "fragment limit", FragmentECN: "fragments differ in ECN",
	NoPort: "no such port", QueueFull: "receive queue full", ForgedICMP: "ICMP quotes nothing of ours",
	NoAuth: "not signed (TCP-AO)", BadAuth: "wrong signature (TCP-AO)", UnknownAuthKey: "unknown key (TCP-AO)",
	MTUExceeded: "larger than the MTU", NoSocket: "no socket", BadFlags: "bad flags",
	BadSequence: "out of window", BadAck: "unacceptable ACK", OldAck: "old ACK",
	PAWS: "old timestamp (PAWS)", MissingTimestamp: "no timestamp",
	BlindReset: "RST not exact: challenge ACK", BlindSyn: "SYN in a connection: challenge ACK",
	NoAckFlag: "no ACK flag", TimeWaitReset: "RST in TIME-WAIT", Duplicate: "duplicate",
	ReassemblyFull: "reassembly queue full", NoMemory: "no memory", WindowFull: "past the window",
	ListenFull: "listen queue full", Closed: "receiving side closed",
	AcceptDeferred: "no text yet",
}

func (d Drop) String() string {
	if int(d) < len(dropText) {
		return dropText[d]
	}
	return "unknown drop reason"
}

// NumDrops is the number of reasons, for tables of counters.
const NumDrops = int(numDrops)
