package wire

import "fmt"

// flagLetters are tcpdump's names of the flags, from bit 0 up.
const flagLetters = "FSRP.UEWe"

// String returns the flags as tcpdump prints them: "S", "S.", ".", "P.", "R.",
// "SEW"; "none" when there are none.
func (f Flags) String() string {
	var b [len(flagLetters)]byte
	s := b[:0]
	for i := range len(flagLetters) {
		if f&(1<<i) != 0 {
			s = append(s, flagLetters[i])
		}
	}
	if len(s) == 0 {
		return "none"
	}
	return string(s)
}

// String returns the options as tcpdump prints them, without the padding:
// "mss 1460,sackOK,TS val 1 ecr 0,wscale 7", FastOpenString, and "tcp-ao keyid 1 rnextkeyid 1 mac 0x...". It is
// empty when there are none.
func (o *Options) String() string {
	var b []byte
	add := func(s OptionSet, format string, args ...any) {
		if !o.Has(s) {
			return
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, format, args...)
	}
	add(OptMSS, "mss %d", o.MSS)
	add(OptSACKPermitted, "sackOK")
	add(OptTimestamps, "TS val %d ecr %d", o.TSVal, o.TSEcr)
	add(OptWindowScale, "wscale %d", o.WindowScale)
	add(OptUserTimeout, "%v", o.UserTimeout)
	add(OptAccECN, "%s", o.AccECNString())
	add(OptFastOpen, "%s", o.FastOpenString())
	add(OptAuth, "%v", o.Auth())
	n := min(int(o.SACKBlocks), len(o.SACK))
	add(OptSACK, "sack %d ", n)
	if o.Has(OptSACK) {
		for _, s := range o.SACK[:n] {
			b = fmt.Appendf(b, "{%d:%d}", s.Left, s.Right)
		}
	}
	return string(b)
}

// String returns the header as tcpdump prints it: "443 > 51000: Flags [S.],
// seq 1, ack 2, win 65535, options [mss 1460,sackOK]".
func (h *TCP) String() string {
	b := fmt.Appendf(nil, "%d > %d: Flags [%v], seq %d", h.SrcPort, h.DstPort, h.Flags, h.Seq)
	if h.Flags.Has(ACK) {
		b = fmt.Appendf(b, ", ack %d", h.Ack)
	}
	b = fmt.Appendf(b, ", win %d", h.Window)
	if h.Flags.Has(URG) {
		b = fmt.Appendf(b, ", urg %d", h.Urgent)
	}
	if s := h.Options.String(); s != "" {
		b = fmt.Appendf(b, ", options [%s]", s)
	}
	return string(b)
}
