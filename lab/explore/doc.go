// Package explore takes two endpoints of engine/tcp, as they are shipped, with programs
// and a wire between them, and goes every way that they can go: each of the first
// packets under way may be the next to arrive, a packet may be lost, arrive twice, or be
// changed; several packets may come in one batch, before what the end has to send is
// taken; programs call early or late; timers fire although a packet is under way. What
// may go wrong in one world is bounded (Budget), and within the bounds nothing is left
// out: a state that was seen before is known by its fingerprint.
//
// After every step the connections are as tcp.Endpoint.Audit wants them, what leaves is
// what was written, and what is read is what was sent. Where nothing can happen any more,
// all programs have made their calls, have what these had to give, and nothing is left of
// the connections. And from every state, if nothing more goes wrong, the world comes to
// such an end: it neither waits for ever nor goes round in a circle.
//
// What is wrong is told as the shortest way to it with the least that goes wrong, which
// can be played again (ParsePath) and drawn (Tell).
//
// What an exploration does not see: a budget larger than it has, more than two
// connections of one four-tuple, and other controllers than NewReno. The
// fingerprint leaves out what the list irrelevant names, so two states that differ in
// these alone count as one.
package explore
