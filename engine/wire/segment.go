package wire

import "math/bits"

// AppendSegment appends the IP header and the TCP header of a packet with
// payload bytes behind them to b: ip.Append and h.Append in one go, with
// checksums that are right (RFC 9293, MUST-2). sum is the partial sum of the payload; h.Checksum is
// not used. ip says of no fragment, and its ID is 0.
//
// With offload a layer below completes the TCP checksum: its field then holds
// the folded sum of the pseudo-header, and sum is not used.
func AppendSegment(b []byte, ip *IP, h *TCP, payload int, sum uint64, offload bool) []byte {
	n, size := h.HeaderLen(), IPv4Size
	if ip.Version != 4 {
		size = IPv6Size
	}
	whole, w := grow(b, size+n)
	options, length := uint64(0), n+payload
	if n > TCPSize {
		options = h.Options.put(w[size+TCPSize:])
	}
	// Both headers as an array: their places are known, and no bound is checked again.
	var fixed *[TCPSize]byte
	pseudo := uint64(0)
	if ip.Version == 4 {
		w, src, dst := (*[IPv4Size + TCPSize]byte)(w), uint64(ip.Src.As4()), uint64(ip.Dst.As4())
		first := (4<<4|IPv4Size/4)<<56 | uint64(ip.TOS)<<48 | uint64(uint16(IPv4Size+length))<<32
		if ip.DontFragment {
			first |= ipv4DontFragment
		}
		second := uint64(ip.TTL)<<56 | uint64(ip.Proto)<<48 | src
		put64(w[0:], first)
		put64(w[8:], second|uint64(Checksum(addCarry(first, second)+dst))<<32)
		put32(w[16:], uint32(dst))
		pseudo = src + dst + uint64(ip.Proto) + uint64(length)
		fixed = (*[TCPSize]byte)(w[IPv4Size:])
	} else {
		w := (*[IPv6Size + TCPSize]byte)(w)
		ip.put6((*[IPv6Size]byte)(w[:]), ip.Proto, length)
		pseudo = PseudoSum(ip.Src, ip.Dst, ip.Proto, length)
		fixed = (*[TCPSize]byte)(w[IPv6Size:])
	}
	first, second, last := h.words(n)
	put64(fixed[0:], first)
	put64(fixed[8:], second)
	if offload {
		last |= uint32(Fold(pseudo)) << 16
	} else {
		var c uint64
		sum, c = bits.Add64(sum, pseudo, 0)
		sum, c = bits.Add64(sum, options, c)
		sum, c = bits.Add64(sum, first, c)
		sum, c = bits.Add64(sum, second, c)
		sum, c = bits.Add64(sum, uint64(last), c)
		last |= uint32(TransportChecksum(addCarry(sum, c))) << 16
	}
	put32(fixed[16:], last)
	return whole
}
