package tcp

import "testing"

// RFC 9293 §3.6, figure 13: both sides close at once.
func TestSimultaneousClose(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.close()
		c.want("our FIN", "F. 1:1(0) ack 1")
		c.receive("F. 1:1(0) ack 1") // crossed ours: does not acknowledge it
		c.want("ACK of the peer's FIN", ". 2:2(0) ack 2")
		c.wantState(Closing)
		c.receive(". 2:2(0) ack 2")
		c.wantState(TimeWait)
		c.wantIdle("nothing to say before 2 MSL")
		c.advance(2 * msl)
		c.wantState(Closed)
	})
}
