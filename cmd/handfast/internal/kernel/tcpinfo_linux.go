package kernel

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/handfast-tcp/handfast/inspect"
)

// What a slow start threshold and a smallest round trip are before there is one.
const (
	neverReached = 0xffff
	unmeasured   = 0xffff_ffff
)

// readMemory reads SK_MEMINFO_…, whose order is that of ss.
func readMemory(b []byte) *[9]uint32 {
	if len(b) < 36 {
		return nil
	}
	var m [9]uint32
	for i := range m {
		m[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return &m
}

// caStates are enum tcp_ca_state.
var caStates = [...]string{"open", "disorder", "cwr", "recovery", "loss"}

// readTCPInfo reads a struct tcp_info, of which older kernels know less.
func readTCPInfo(b []byte, d *inspect.Details) {
	// The struct has only ever grown at its end: what an older kernel does not know stays 0.
	full := make([]byte, max(len(b), 276))
	copy(full, b)
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(full[at:]) }
	n := func(at int) int { return int(min(uint64(u32(at)), math.MaxInt)) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(full[at:]) }
	micro := func(at int) inspect.Seconds { return inspect.Seconds(time.Duration(u32(at)) * time.Microsecond) }
	milli := func(at int) inspect.Seconds { return inspect.Seconds(time.Duration(u32(at)) * time.Millisecond) }
	for i, name := range [...]string{0: "ts", 1: "sack", 3: "ecn", 4: "ecnseen", 5: "fastopen"} {
		if name != "" && full[5]&(1<<i) != 0 {
			d.Options = append(d.Options, name)
		}
	}
	if full[5]&(1<<2) != 0 {
		d.Wscale = &[2]int{int(full[6] & 15), int(full[6] >> 4)}
	}
	d.Backoff, d.RTO, d.ATO, d.MSS, d.RcvMSS = int(full[4]), micro(8), micro(12), n(16), n(20)
	d.Unacked, d.Retrans, d.LastSnd, d.LastRcv, d.LastAck = n(24), n(36), milli(44), milli(52), milli(56)
	d.PMTU, d.RTT, d.RTTVar, d.Cwnd, d.AdvMSS = n(60), micro(68), micro(72), n(80), n(84)
	if s := n(76); s < neverReached {
		d.Ssthresh = s
	}
	d.RcvSpace, d.TotalRetrans, d.BytesAcked, d.BytesReceived = n(96), u32(100), u64(120), u64(128)
	d.SegsOut, d.SegsIn, d.NotSent = u32(136), u32(140), n(144)
	if u32(148) != unmeasured {
		d.MinRTT = micro(148)
	}
	d.DataSegsIn, d.DataSegsOut, d.BytesSent, d.BytesRetrans = u32(152), u32(156), u64(200), u64(208)
	d.SndWnd, d.RcvWnd, d.AppLimited = n(228), n(232), full[7]&1 != 0
	d.Sacked, d.Lost, d.Fackets, d.RcvSsthresh, d.Reordering = n(28), n(32), n(40), n(64), n(88)
	d.RcvRTT, d.PacingRate, d.MaxPacingRate, d.DeliveryRate = micro(92), limited(u64(104)), limited(u64(112)), u64(160)
	micro64 := func(at int) inspect.Seconds { return inspect.Seconds(time.Duration(u64(at)) * time.Microsecond) }
	d.BusyTime, d.RwndLimited, d.SndbufLimited = micro64(168), micro64(176), micro64(184)
	d.Delivered, d.DeliveredCE = u32(192), u32(196)
	d.ReceivedCE, d.DeliveredE1Bytes, d.DeliveredE0Bytes, d.DeliveredCEBytes = u32(248), u32(252), u32(256), u32(260)
	d.ReceivedE1Bytes, d.ReceivedE0Bytes, d.ReceivedCEBytes = u32(264), u32(268), u32(272)
	d.DsackDups, d.ReordSeen, d.RcvOOOPack = u32(216), u32(220), u32(224)
	if n := int(full[1]); n < len(caStates) {
		d.CAState = caStates[n]
	}
	u16 := func(at int) uint16 { return binary.NativeEndian.Uint16(full[at:]) }
	d.Rehash, d.TotalRTO, d.RTORecoveries, d.RTOTime = u32(236), u16(240), u16(242), milli(244)
}

// limited is a rate that may be without a limit, which is 0 here.
func limited(rate uint64) uint64 {
	if rate == ^uint64(0) {
		return 0
	}
	return rate
}

// readBBR reads a struct tcp_bbr_info. Its gains are in 1/256.
func readBBR(b []byte) *inspect.BBR {
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	return &inspect.BBR{Bandwidth: uint64(u32(4))<<32 | uint64(u32(0)), MinRTT: inspect.Seconds(time.Duration(u32(8)) * time.Microsecond),
		PacingGain: float64(u32(12)) / 256, CwndGain: float64(u32(16)) / 256}
}
