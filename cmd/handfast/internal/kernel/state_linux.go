package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// linuxStates are the states by the numbers of Linux's tcp_states.h.
var linuxStates = [...]tcp.State{1: tcp.Established, 2: tcp.SynSent, 3: tcp.SynReceived, 4: tcp.FinWait1,
	5: tcp.FinWait2, 6: tcp.TimeWait, 7: tcp.Closed, 8: tcp.CloseWait, 9: tcp.LastAck, 10: tcp.Listen,
	11: tcp.Closing, 12: tcp.SynReceived}

// State asks the kernel for the state of its socket with these ends, by
// sock_diag(7). A socket that is not there is CLOSED.
func State(local, remote netip.AddrPort) (tcp.State, error) {
	// Not a dump: one exact question is answered by one hash look-up.
	req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, 0)
	req.AddData(oneRequest{local, remote})
	answers, err := req.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	if errors.Is(err, unix.ENOENT) {
		return tcp.Closed, nil
	}
	if err != nil {
		return 0, fmt.Errorf("sock_diag: %w", err)
	}
	if len(answers) != 1 || len(answers[0]) < 8 || int(answers[0][1]) >= len(linuxStates) {
		return 0, errors.New("sock_diag: an answer without a state")
	}
	if binary.BigEndian.Uint16(answers[0][6:]) != remote.Port() {
		return tcp.Closed, nil // it is the listener: the connection is gone
	}
	return linuxStates[answers[0][1]], nil
}

// oneRequest is the kernel's struct inet_diag_req_v2.
type oneRequest struct{ local, remote netip.AddrPort }

// Len returns the struct's size in bytes.
func (oneRequest) Len() int { return 56 }

// Serialize returns the struct as the kernel reads it: addresses and ports in
// network order, the rest in the machine's.
func (d oneRequest) Serialize() []byte {
	b := make([]byte, d.Len())
	b[0], b[1] = unix.AF_INET6, unix.IPPROTO_TCP
	src, dst := d.local.Addr().AsSlice(), d.remote.Addr().AsSlice()
	if d.local.Addr().Is4() {
		b[0] = unix.AF_INET
	}
	binary.NativeEndian.PutUint32(b[4:], 0xfff) // every state
	binary.BigEndian.PutUint16(b[8:], d.local.Port())
	binary.BigEndian.PutUint16(b[10:], d.remote.Port())
	copy(b[12:28], src)
	copy(b[28:44], dst)
	const noCookie = 0xffff_ffff
	binary.NativeEndian.PutUint32(b[48:], noCookie)
	binary.NativeEndian.PutUint32(b[52:], noCookie)
	return b
}
