// Package soak lets hosts live: a seed draws two hosts, the wires between them, what
// their programs do, and everything that can go wrong for them, and Run plays it in virtual
// time. The same seed gives the same life, packet by packet.
//
// What is drawn: loss from 0 to 40 %, bursts, reordering, duplicates, corruption, jitter,
// rates and queues, marks, MTUs, and all of it changed while connections live; cuts and
// reboots; ICMP errors, true and forged; forged and repeated segments; floods of SYNs and of
// what calls for a RST. Of each
// host its congestion control, ECN, timestamps, SACK, window scaling, cookies, buffers and
// timers, TCP-AO with a change of keys, TCP Fast Open, its clock's offset and tick, and where its numbers begin: often just below 2^31 or
// 2^32. Of programs sizes and pauses, some of hours, readers that stop and go on, buffers
// that are changed, half-closes, aborts, linger, deadlines, keep-alive, and connections that
// use the ports of the last one again. Some lives carry gigabytes.
//
// What must be true of each life:
//
//   - a reader gets a prefix of what was written, byte for byte;
//   - a reader that is told of the end has got all that was written before it;
//   - when nobody was impolite (closed before the end, aborted, rebooted) and the wire was
//     not cut for longer than hosts bear, all arrives, nobody sees an error except for the
//     ACKs of its last text, and no connection gives up waiting;
//   - and once the wires have become calm and no program sleeps, something always moves
//     within patience;
//   - every packet is well-formed, with right checksums, and no larger than the link takes;
//   - every connection is as tcp.Endpoint.Audit wants it, after every step;
//   - every program ends, no connection is left behind, and no byte of buffers.
//
// A Relation plays a seed twice, the second time with one thing changed that should make
// no difference, and says what must be the same.
package soak
