package drill

import (
	"fmt"
	"maps"
	"slices"

	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// zeroCopies is what a socket tells of writes with MSG_ZEROCOPY: which of them are
// acknowledged, so that the program may use its memory again. Text is always copied here, and
// that is told, too.
type zeroCopies struct {
	made  uint32 // how many writes there were
	ends  []int  // where those end that are not acknowledged, counted in bytes of the stream
	told  uint32 // the first number that the program has not been told
	ready uint32 // the first that is not acknowledged
}

// copied notes a write of n bytes.
func (p *player) copied(s *socket, flags, n int64) {
	s.stamped(n)
	if flags&constant("MSG_ZEROCOPY") == 0 || s.options[optZeroCopy] == 0 || n <= 0 {
		return
	}
	s.copies.made++
	s.copies.ends = append(s.copies.ends, len(s.flow.wrote))
}

// look finds out which writes are acknowledged.
func (z *zeroCopies) look(p *player, s *socket) {
	if len(z.ends) == 0 {
		return
	}
	i := p.host.TCP().Look(s.flow.tuple)
	for len(z.ends) > 0 && int(int32(i.SndUna-i.ISS-1)) >= z.ends[0] {
		z.ends = z.ends[1:]
		z.ready++
	}
}

// waiting reports whether something is to be told.
func (z *zeroCopies) waiting() bool { return z.told != z.ready }

// errorQueue is recvmsg with MSG_ERRQUEUE: the writes that are acknowledged, as one range.
func (p *player) errorQueue(s *socket, c *script.Call) outcome {
	if len(s.stamping.queue) > 0 {
		return p.stampQueue(s, c)
	}
	z := &s.copies
	if z.look(p, s); !z.waiting() {
		return failure("EAGAIN")
	}
	got := map[string]int64{
		"ee_errno": 0, "ee_origin": constant("SO_EE_ORIGIN_ZEROCOPY"), "ee_type": 0, "ee_code": constant("SO_EE_CODE_ZEROCOPY_COPIED"),
		"ee_info": int64(z.told), "ee_data": int64(z.ready - 1),
	}
	z.told = z.ready
	if v := c.Args[1].Field("msg_control"); v != nil {
		p.compareErrors(v, got)
	}
	return ok(0)
}

// compareErrors compares what a script expects of the error queue.
func (p *player) compareErrors(v *script.Value, got map[string]int64) {
	for i := range v.Items {
		data := v.Items[i].Field("cmsg_data")
		if data == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if want := data.Field(name); want != nil && want.Kind == script.Number && want.Number != got[name] {
				p.failWith(&Failure{Problem: script.Say("the error queue tells something else"), Expected: quoted(fmt.Sprintf("%s=%d", name, want.Number)), Got: quoted(fmt.Sprintf("%s=%d", name, got[name]))})
			}
		}
	}
}
