package inspect

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/tcp"
)

// Details are what ss -i and ss -m show, with the names of Linux's struct
// tcp_info. Sizes are bytes, windows of congestion segments.
type Details struct {
	Congestion   string   `json:"congestion,omitempty"`
	Options      []string `json:"options,omitempty"` // ts, sack, ecn
	Wscale       *[2]int  `json:"wscale,omitempty"`  // to send, to receive
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

	Memory *[9]uint32 `json:"skmem,omitempty"` // as ss -m shows it: r rb t tb f w o bl d
}

func details(i *tcp.Info) *Details {
	d := &Details{Congestion: i.Congestion, RTO: Seconds(i.RTO), Backoff: int(i.Backoff), RTT: Seconds(i.RTT), RTTVar: Seconds(i.RTTVar),
		ATO: Seconds(i.ATO), MSS: i.SndMSS, PMTU: i.PMTU, RcvMSS: i.RcvMSS, AdvMSS: i.AdvMSS, Cwnd: i.SndCwnd, Ssthresh: i.SndSsthresh,
		LastSnd: Seconds(i.LastDataSent), LastAck: Seconds(i.LastAckRecv), Unacked: i.Unacked, Retrans: int(i.Retransmits),
		TotalRetrans: i.TotalRetrans, NotSent: i.NotsentBytes, RcvSpace: i.RcvSpace, SndWnd: i.SndWnd, RcvWnd: i.RcvWnd,
		AppLimited: i.AppLimited, BytesSent: i.BytesSent, BytesRetrans: i.BytesRetrans, BytesAcked: i.BytesAcked,
		BytesReceived: i.BytesReceived, SegsOut: i.SegsOut, SegsIn: i.SegsIn, DataSegsOut: i.DataSegsOut, DataSegsIn: i.DataSegsIn}
	if i.Options&tcp.OptTimestamps != 0 {
		d.Options = append(d.Options, "ts")
	}
	if i.Options&tcp.OptSACK != 0 {
		d.Options = append(d.Options, "sack")
	}
	if i.Options&tcp.OptWscale != 0 {
		d.Wscale = &[2]int{int(i.SndWscale), int(i.RcvWscale)}
	}
	inFlight := i.SendQ - i.NotsentBytes
	d.Memory = &[9]uint32{0: uint32(i.RecvQ), 1: uint32(i.RcvSpace), 2: uint32(max(inFlight, 0)), 3: uint32(i.SndBuf), 5: uint32(i.SendQ)}
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

// words collects what ss -i shows: things that are zero are left out.
type words []string

func (w *words) add(when bool, format string, args ...any) {
	if when {
		*w = append(*w, fmt.Sprintf(format, args...))
	}
}

func (w *words) number(name string, n uint64) { w.add(n != 0, "%s:%d", name, n) }

// milliseconds writes like C's %g: with six digits and no zeros behind.
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

// line is what ss -i shows, in its order and with its names.
func (d *Details) line() string {
	w := words(append([]string(nil), d.Options...))
	w.add(d.Congestion != "", "%s", d.Congestion)
	if d.Wscale != nil {
		w.add(true, "wscale:%d,%d", d.Wscale[0], d.Wscale[1])
	}
	w.add(d.RTO != 0, "rto:%s", milliseconds(d.RTO))
	w.number("backoff", uint64(d.Backoff))
	w.add(d.RTT != 0, "rtt:%s/%s", milliseconds(d.RTT), milliseconds(d.RTTVar))
	w.add(d.ATO != 0, "ato:%s", milliseconds(d.ATO))
	d.sizes(&w)
	d.traffic(&w)
	d.rates(&w)
	d.queues(&w)
	return strings.Join(w, " ")
}

func (d *Details) sizes(w *words) {
	w.number("mss", uint64(d.MSS))
	w.number("pmtu", uint64(d.PMTU))
	w.number("rcvmss", uint64(d.RcvMSS))
	w.number("advmss", uint64(d.AdvMSS))
	w.number("cwnd", uint64(d.Cwnd))
	w.number("ssthresh", uint64(d.Ssthresh))
}

func (d *Details) traffic(w *words) {
	w.number("bytes_sent", d.BytesSent)
	w.number("bytes_retrans", d.BytesRetrans)
	w.number("bytes_acked", d.BytesAcked)
	w.number("bytes_received", d.BytesReceived)
	w.number("segs_out", uint64(d.SegsOut))
	w.number("segs_in", uint64(d.SegsIn))
	w.number("data_segs_out", uint64(d.DataSegsOut))
	w.number("data_segs_in", uint64(d.DataSegsIn))
}

// rates has the sending rate that the window and the round trip allow, as ss
// reckons it.
func (d *Details) rates(w *words) {
	if d.RTT > 0 && d.MSS > 0 && d.Cwnd > 0 {
		bps := float64(d.Cwnd) * float64(d.MSS) * 8 / time.Duration(d.RTT).Seconds()
		w.add(true, "send %sbps", strconv.FormatFloat(bps, 'f', 0, 64))
	}
	w.number("lastsnd", uint64(time.Duration(d.LastSnd).Milliseconds()))
	w.number("lastrcv", uint64(time.Duration(d.LastRcv).Milliseconds()))
	w.number("lastack", uint64(time.Duration(d.LastAck).Milliseconds()))
	w.add(d.AppLimited, "app_limited")
}

func (d *Details) queues(w *words) {
	w.number("unacked", uint64(d.Unacked))
	w.add(d.TotalRetrans != 0 || d.Retrans != 0, "retrans:%d/%d", d.Retrans, d.TotalRetrans)
	w.number("rcv_space", uint64(d.RcvSpace))
	w.number("notsent", uint64(d.NotSent))
	w.add(d.MinRTT != 0, "minrtt:%s", milliseconds(d.MinRTT))
	w.number("snd_wnd", uint64(d.SndWnd))
	w.number("rcv_wnd", uint64(d.RcvWnd))
}
