package inspect

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Details are what ss -i and ss -m show, with the names of Linux's struct
// tcp_info. Sizes are bytes, windows of congestion segments.
type Details struct {
	Congestion   string   `json:"congestion,omitempty"`
	CAState      string   `json:"ca_state,omitempty"` // open, disorder, cwr, recovery, loss
	Options      []string `json:"options,omitempty"`  // ts, sack, ecn, accecn, ecnseen, fastopen
	Wscale       *[2]int  `json:"wscale,omitempty"`   // to send, to receive
	RTO          Seconds  `json:"rto_seconds,omitempty"`
	Backoff      int      `json:"backoff,omitempty"`
	RTT          Seconds  `json:"rtt_seconds,omitempty"`
	RTTVar       Seconds  `json:"rttvar_seconds,omitempty"`
	MinRTT       Seconds  `json:"minrtt_seconds,omitempty"`
	ATO          Seconds  `json:"ato_seconds,omitempty"`
	MSS          int      `json:"mss,omitempty"`
	PMTU         int      `json:"pmtu,omitempty"`
	RcvMSS       int      `json:"rcvmss,omitempty"`
	AdvMSS       int      `json:"advmss,omitempty"`
	Cwnd         int      `json:"cwnd,omitempty"`
	Ssthresh     int      `json:"ssthresh,omitempty"`
	LastSnd      Seconds  `json:"lastsnd_seconds,omitempty"`
	LastRcv      Seconds  `json:"lastrcv_seconds,omitempty"`
	LastAck      Seconds  `json:"lastack_seconds,omitempty"`
	Unacked      int      `json:"unacked,omitempty"`
	Retrans      int      `json:"retrans,omitempty"` // segments that are out again
	TotalRetrans uint32   `json:"total_retrans,omitempty"`
	NotSent      int      `json:"notsent,omitempty"`
	RcvSpace     int      `json:"rcv_space,omitempty"`
	SndWnd       int      `json:"snd_wnd,omitempty"`
	RcvWnd       int      `json:"rcv_wnd,omitempty"`
	AppLimited   bool     `json:"app_limited,omitempty"`

	BytesSent     uint64 `json:"bytes_sent,omitempty"`
	BytesRetrans  uint64 `json:"bytes_retrans,omitempty"`
	BytesAcked    uint64 `json:"bytes_acked,omitempty"`
	BytesReceived uint64 `json:"bytes_received,omitempty"`
	SegsOut       uint32 `json:"segs_out,omitempty"`
	SegsIn        uint32 `json:"segs_in,omitempty"`
	DataSegsOut   uint32 `json:"data_segs_out,omitempty"`
	DataSegsIn    uint32 `json:"data_segs_in,omitempty"`

	PacingRate    uint64 `json:"pacing_rate,omitempty"` // bytes per second
	MaxPacingRate uint64 `json:"max_pacing_rate,omitempty"`
	DeliveryRate  uint64 `json:"delivery_rate,omitempty"` // bytes per second
	Delivered     uint32 `json:"delivered,omitempty"`
	DeliveredCE   uint32 `json:"delivered_ce,omitempty"`
	// What AccECN counts; ss does not show it.
	ReceivedCE       uint32  `json:"received_ce,omitempty"`
	DeliveredE0Bytes uint32  `json:"delivered_e0_bytes,omitempty"`
	DeliveredE1Bytes uint32  `json:"delivered_e1_bytes,omitempty"`
	DeliveredCEBytes uint32  `json:"delivered_ce_bytes,omitempty"`
	ReceivedE0Bytes  uint32  `json:"received_e0_bytes,omitempty"`
	ReceivedE1Bytes  uint32  `json:"received_e1_bytes,omitempty"`
	ReceivedCEBytes  uint32  `json:"received_ce_bytes,omitempty"`
	BusyTime         Seconds `json:"busy_time_seconds,omitempty"`
	RwndLimited      Seconds `json:"rwnd_limited_seconds,omitempty"`
	SndbufLimited    Seconds `json:"sndbuf_limited_seconds,omitempty"`
	Lost             int     `json:"lost,omitempty"`
	Sacked           int     `json:"sacked,omitempty"`
	Fackets          int     `json:"fackets,omitempty"`
	DsackDups        uint32  `json:"dsack_dups,omitempty"`
	Reordering       int     `json:"reordering,omitempty"`
	ReordSeen        uint32  `json:"reord_seen,omitempty"`
	RcvRTT           Seconds `json:"rcv_rtt_seconds,omitempty"`
	RcvSsthresh      int     `json:"rcv_ssthresh,omitempty"`
	RcvOOOPack       uint32  `json:"rcv_ooopack,omitempty"`
	TotalRTO         uint16  `json:"total_rto,omitempty"`
	RTORecoveries    uint16  `json:"total_rto_recoveries,omitempty"`
	// What follows is the kernel's alone.
	RTOTime Seconds `json:"total_rto_time_seconds,omitempty"`
	Rehash  uint32  `json:"rehash,omitempty"` // times that another path was tried
	BBR     *BBR    `json:"bbr,omitempty"`
	ULP     string  `json:"ulp,omitempty"` // what works on top of TCP: tls, mptcp

	Memory *[9]uint32 `json:"skmem,omitempty"` // as ss -m shows it: r rb t tb f w o bl d
}

// BBR is what Linux's BBR knows of a path: struct tcp_bbr_info.
type BBR struct {
	Bandwidth  uint64  `json:"bandwidth"` // bytes per second
	MinRTT     Seconds `json:"min_rtt_seconds"`
	PacingGain float64 `json:"pacing_gain"`
	CwndGain   float64 `json:"cwnd_gain"`
}

func details(i *tcp.Info) *Details {
	d := &Details{Congestion: i.Congestion, RTO: Seconds(i.RTO), Backoff: int(i.Backoff), RTT: Seconds(i.RTT), RTTVar: Seconds(i.RTTVar),
		ATO: Seconds(i.ATO), MSS: i.SndMSS, PMTU: i.PMTU, RcvMSS: i.RcvMSS, AdvMSS: i.AdvMSS, Cwnd: i.SndCwnd, Ssthresh: i.SndSsthresh,
		LastSnd: Seconds(i.LastDataSent), LastAck: Seconds(i.LastAckRecv), Unacked: i.Unacked, Retrans: i.Retrans,
		TotalRetrans: i.TotalRetrans, NotSent: i.NotsentBytes, RcvSpace: i.RcvSpace, SndWnd: i.SndWnd, RcvWnd: i.RcvWnd,
		AppLimited: i.DeliveryRateAppLimited && i.DeliveryRate > 0, BytesSent: i.BytesSent, BytesRetrans: i.BytesRetrans, BytesAcked: i.BytesAcked,
		BytesReceived: i.BytesReceived, SegsOut: i.SegsOut, SegsIn: i.SegsIn, DataSegsOut: i.DataSegsOut, DataSegsIn: i.DataSegsIn,
		CAState: i.CAState, MinRTT: Seconds(i.MinRTT), LastRcv: Seconds(i.LastDataRecv), PacingRate: i.PacingRate, DeliveryRate: i.DeliveryRate,
		Delivered: i.Delivered, BusyTime: Seconds(i.BusyTime), RwndLimited: Seconds(i.RwndLimited), SndbufLimited: Seconds(i.SndbufLimited),
		Lost: i.Lost, Sacked: i.Sacked, DsackDups: i.DsackDups, Reordering: i.Reordering, ReordSeen: i.ReordSeen, RcvRTT: Seconds(i.RcvRTT),
		RcvSsthresh: i.RcvSsthresh, RcvOOOPack: i.RcvOOOPack, TotalRTO: i.TotalRTO, RTORecoveries: i.TotalRTORecoveries, DeliveredCE: i.DeliveredCE,
		ReceivedCE: i.ReceivedCE, DeliveredE0Bytes: i.DeliveredE0Bytes, DeliveredE1Bytes: i.DeliveredE1Bytes, DeliveredCEBytes: i.DeliveredCEBytes,
		ReceivedE0Bytes: i.ReceivedE0Bytes, ReceivedE1Bytes: i.ReceivedE1Bytes, ReceivedCEBytes: i.ReceivedCEBytes}
	if i.Timestamps {
		d.Options = append(d.Options, "ts")
	}
	if i.SACK {
		d.Options = append(d.Options, "sack")
	}
	if i.ECN {
		d.Options = append(d.Options, "ecn")
	}
	if i.AccECN {
		d.Options = append(d.Options, "accecn")
	}
	if i.ECNSeen {
		d.Options = append(d.Options, "ecnseen")
	}
	if i.FastOpen {
		d.Options = append(d.Options, "fastopen")
	}
	if i.WindowScale {
		d.Wscale = &[2]int{int(i.SndWscale), int(i.RcvWscale)}
	}
	// What Linux has and we do not stays 0: memory beside the payload, and a backlog.
	inFlight := i.SendQ - i.NotsentBytes
	d.Memory = &[9]uint32{0: uint32(i.RecvQ), 1: uint32(i.RcvBuf), 2: uint32(max(inFlight, 0)), 3: uint32(i.SndBuf), 5: uint32(i.SendQ)}
	return d
}

// memory is what ss -m shows.
func (d *Details) memory() string {
	if d.Memory == nil {
		return ""
	}
	var b strings.Builder
	for i, name := range [...]string{"r", "rb", "t", "tb", "f", "w", "o", "bl", "d"} {
		fmt.Fprintf(&b, ",%s%d", name, d.Memory[i])
	}
	return "skmem:(" + b.String()[1:] + ")"
}

// words collects what ss -i shows: things that are zero are left out, as there. Whoever has a
// script for ss finds the same words, in the same order.
type words []string

func (w *words) add(when bool, format string, args ...any) {
	if when {
		*w = append(*w, fmt.Sprintf(format, args...))
	}
}

func (w *words) number(name string, n uint64) { w.add(n != 0, "%s:%d", name, n) }

// milliseconds writes like C's %g, which ss uses: with six digits and no zeros behind. Never with
// an exponent, as %g would for what takes longer than a quarter of an hour.
func milliseconds(s Seconds) string {
	return strconv.FormatFloat(sixDigits(float64(s)/1e6), 'f', -1, 64)
}

// sixDigits rounds to six digits.
func sixDigits(f float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 6, 64), 64)
	if err != nil {
		return f
	}
	return r
}

// ssLine writes what ss -i shows, in its order and with its names.
type ssLine struct {
	words
	options bool // with what both sides agreed on: ss has that with -o and -e only
	numeric bool // rates as numbers
}

func (w *ssLine) write(d *Details) string {
	if w.options {
		w.words = append(w.words, d.Options...)
	}
	w.add(d.Congestion != "", "%s", d.Congestion)
	if d.Wscale != nil {
		w.add(true, "wscale:%d,%d", d.Wscale[0], d.Wscale[1])
	}
	const unmeasured = Seconds(3 * time.Second) // ss takes it for Linux's first value
	w.add(d.RTO != 0 && d.RTO != unmeasured, "rto:%s", milliseconds(d.RTO))
	w.number("backoff", uint64(d.Backoff))
	w.add(d.RTT != 0, "rtt:%s/%s", milliseconds(d.RTT), milliseconds(d.RTTVar))
	w.add(d.ATO != 0, "ato:%s", milliseconds(d.ATO))
	w.sizes(d)
	w.traffic(d)
	w.rates(d)
	w.queues(d)
	return strings.Join(w.words, " ")
}

func (w *ssLine) sizes(d *Details) {
	w.number("mss", uint64(d.MSS))
	w.number("pmtu", uint64(d.PMTU))
	w.number("rcvmss", uint64(d.RcvMSS))
	w.number("advmss", uint64(d.AdvMSS))
	w.number("cwnd", uint64(d.Cwnd))
	w.number("ssthresh", uint64(d.Ssthresh))
}

func (w *ssLine) traffic(d *Details) {
	w.number("bytes_sent", d.BytesSent)
	w.number("bytes_retrans", d.BytesRetrans)
	w.number("bytes_acked", d.BytesAcked)
	w.number("bytes_received", d.BytesReceived)
	w.number("segs_out", uint64(d.SegsOut))
	w.number("segs_in", uint64(d.SegsIn))
	w.number("data_segs_out", uint64(d.DataSegsOut))
	w.number("data_segs_in", uint64(d.DataSegsIn))
	if b := d.BBR; b != nil {
		gains := ""
		if b.PacingGain != 0 {
			gains += fmt.Sprintf(",pacing_gain:%v", sixDigits(b.PacingGain))
		}
		if b.CwndGain != 0 {
			gains += fmt.Sprintf(",cwnd_gain:%v", sixDigits(b.CwndGain))
		}
		w.add(true, "bbr:(bw:%s,mrtt:%s%s)", w.rate(float64(b.Bandwidth)), milliseconds(b.MinRTT), gains)
	}
}

// rates has among others the sending rate that the window and the round trip
// allow, as ss reckons it.
func (w *ssLine) rates(d *Details) {
	if d.RTT > 0 && d.MSS > 0 && d.Cwnd > 0 {
		w.add(true, "send %s", w.rate(float64(d.Cwnd)*float64(d.MSS)/time.Duration(d.RTT).Seconds()))
	}
	w.number("lastsnd", uint64(time.Duration(d.LastSnd).Milliseconds()))
	w.number("lastrcv", uint64(time.Duration(d.LastRcv).Milliseconds()))
	w.number("lastack", uint64(time.Duration(d.LastAck).Milliseconds()))
	if d.PacingRate != 0 {
		limit := ""
		if d.MaxPacingRate != 0 {
			limit = "/" + w.rate(float64(d.MaxPacingRate))
		}
		w.add(true, "pacing_rate %s%s", w.rate(float64(d.PacingRate)), limit)
	}
	w.add(d.DeliveryRate != 0, "delivery_rate %s", w.rate(float64(d.DeliveryRate)))
	w.number("delivered", uint64(d.Delivered))
	w.number("delivered_ce", uint64(d.DeliveredCE))
	w.add(d.AppLimited, "app_limited")
	w.busy(d)
}

// rate writes bytes per second as bits, as ss does: in full, or with three
// digits and a unit.
func (w *ssLine) rate(bytes float64) string {
	bits, unit := bytes*8, ""
	if w.numeric {
		return strconv.FormatFloat(bits, 'f', 0, 64) + "bps"
	}
	for _, u := range []string{"k", "M", "G", "T"} {
		if bits < 1000 {
			break
		}
		bits, unit = bits/1000, u
	}
	digits := 3
	if unit == "" {
		digits = 6
	}
	return strconv.FormatFloat(bits, 'g', digits, 64) + unit + "bps"
}

// busy says for how long there was something to send, and what of that time
// a buffer was the limit.
func (w *ssLine) busy(d *Details) {
	if d.BusyTime == 0 {
		return
	}
	milli := func(s Seconds) int64 { return time.Duration(s).Milliseconds() }
	w.add(true, "busy:%dms", milli(d.BusyTime))
	share := func(s Seconds) float64 { return 100 * float64(s) / float64(d.BusyTime) }
	w.add(d.RwndLimited != 0, "rwnd_limited:%dms(%.1f%%)", milli(d.RwndLimited), share(d.RwndLimited))
	w.add(d.SndbufLimited != 0, "sndbuf_limited:%dms(%.1f%%)", milli(d.SndbufLimited), share(d.SndbufLimited))
}

func (w *ssLine) queues(d *Details) {
	w.number("unacked", uint64(d.Unacked))
	w.add(d.TotalRetrans != 0 || d.Retrans != 0, "retrans:%d/%d", d.Retrans, d.TotalRetrans)
	w.number("lost", uint64(d.Lost))
	w.number("sacked", uint64(d.Sacked))
	w.number("dsack_dups", uint64(d.DsackDups))
	w.number("fackets", uint64(d.Fackets))
	// 3 is what each connection of Linux begins with, and ss leaves it out.
	w.add(d.Reordering > 0 && d.Reordering != 3, "reordering:%d", d.Reordering)
	w.number("reord_seen", uint64(d.ReordSeen))
	w.add(d.RcvRTT != 0, "rcv_rtt:%s", milliseconds(d.RcvRTT))
	w.number("rcv_space", uint64(d.RcvSpace))
	w.number("rcv_ssthresh", uint64(d.RcvSsthresh))
	w.number("notsent", uint64(d.NotSent))
	w.add(d.MinRTT != 0, "minrtt:%s", milliseconds(d.MinRTT))
	w.number("rcv_ooopack", uint64(d.RcvOOOPack))
	w.number("snd_wnd", uint64(d.SndWnd))
	w.number("rcv_wnd", uint64(d.RcvWnd))
	w.number("rehash", uint64(d.Rehash))
	w.add(d.ULP != "", "tcp-ulp-%s", d.ULP)
}
