package drill

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// code runs a block of assertions about the connection.
func (p *player) code(c *script.Code) {
	names := p.names()
	for i := range c.Statements {
		s := &c.Statements[i]
		v, asked, err := s.Eval(names)
		switch {
		case err != nil:
			p.wrong(s.Pos, "%v%s", err, p.nearestName(err))
		case s.Set != "":
			p.vars[s.Set] = v
		case !script.True(v):
			if asked == "" {
				asked = fmt.Sprint(v)
			}
			p.event = &script.Event{Pos: s.Pos}
			p.failWith(&Failure{Problem: script.Say("the assertion does not hold"), Expected: quoted(s.Text), Got: quoted(asked)})
		}
	}
}

// nearestName is what was meant by a name that there is not, at the end of an error.
func (p *player) nearestName(err error) script.Phrase {
	words := strings.Fields(err.Error())
	name := words[len(words)-1]
	if _, known := infoFields[name]; known {
		return script.Say(": no connection is there to ask")
	}
	return script.Nearest(name, infoFields)
}

// names returns what a block can ask for: fields of the connection, counters of the host,
// constants, and what it has been told.
func (p *player) names() script.Names {
	info := p.info()
	return func(name string) (any, bool) {
		if v, ok := p.vars[name]; ok {
			return v, true
		}
		if field, ok := infoFields[name]; ok {
			if info == nil {
				return nil, false
			}
			return field(info), true
		}
		if n, ok := script.Constants[name]; ok {
			return float64(n), true
		}
		return p.counter(name)
	}
}

// counter returns a counter of the host, by the name that netstat -s has for it.
func (p *player) counter(name string) (any, bool) {
	f := reflect.ValueOf(p.host.TCP().Counters()).FieldByName(name)
	if !f.IsValid() || !f.CanUint() {
		return nil, false
	}
	return float64(f.Uint()), true
}

// info is what the connection looks like that the script is about.
func (p *player) info() *tcp.Info {
	if p.flow != nil && p.flow.socket != nil && p.flow.socket.entry != nil {
		i := p.flow.socket.entry.Info(p.now)
		return &i
	}
	if p.flow != nil {
		i := p.host.TCP().Look(p.flow.tuple)
		return &i
	}
	for _, s := range p.sockets {
		if s.listener != nil {
			return &tcp.Info{State: tcp.Listen}
		}
	}
	return nil
}

// linuxStates are the numbers of Linux for states.
var linuxStates = [...]float64{
	tcp.Closed: 7, tcp.Listen: 10, tcp.SynSent: 2, tcp.SynReceived: 3, tcp.Established: 1, tcp.CloseWait: 8,
	tcp.FinWait1: 4, tcp.Closing: 11, tcp.LastAck: 9, tcp.FinWait2: 5, tcp.TimeWait: 6,
}

var caStates = map[string]float64{"open": 0, "disorder": 1, "cwr": 2, "recovery": 3, "loss": 4}

func micros(d time.Duration) any { return float64(d.Microseconds()) }
func millis(d time.Duration) any { return float64(d.Milliseconds()) }

func optionBits(i *tcp.Info) any {
	n := 0
	for bit, on := range []bool{i.Timestamps, i.SACK, i.WindowScale, i.ECN, i.ECNSeen, i.FastOpen} {
		if on {
			n |= 1 << bit
		}
	}
	return float64(n)
}

// threshold is Linux's: a very large number while there is none.
func threshold(i *tcp.Info) any {
	if i.SndSsthresh == 0 {
		return float64(0x7fffffff)
	}
	return float64(i.SndSsthresh)
}

// infoFields are the fields of Linux's struct tcp_info, in its units.
var infoFields = map[string]func(i *tcp.Info) any{
	"tcpi_state":         func(i *tcp.Info) any { return linuxStates[i.State] },
	"tcpi_ca_state":      func(i *tcp.Info) any { return caStates[i.CAState] },
	"tcpi_options":       optionBits,
	"tcpi_snd_wscale":    func(i *tcp.Info) any { return float64(i.SndWscale) },
	"tcpi_rcv_wscale":    func(i *tcp.Info) any { return float64(i.RcvWscale) },
	"tcpi_retransmits":   func(i *tcp.Info) any { return float64(i.Retransmits) },
	"tcpi_probes":        func(i *tcp.Info) any { return float64(i.Probes) },
	"tcpi_backoff":       func(i *tcp.Info) any { return float64(i.Backoff) },
	"tcpi_rto":           func(i *tcp.Info) any { return micros(i.RTO) },
	"tcpi_ato":           func(i *tcp.Info) any { return micros(i.ATO) },
	"tcpi_rtt":           func(i *tcp.Info) any { return micros(i.RTT) },
	"tcpi_rttvar":        func(i *tcp.Info) any { return micros(i.RTTVar) },
	"tcpi_min_rtt":       func(i *tcp.Info) any { return micros(i.MinRTT) },
	"tcpi_rcv_rtt":       func(i *tcp.Info) any { return micros(i.RcvRTT) },
	"tcpi_snd_mss":       func(i *tcp.Info) any { return float64(i.SndMSS) },
	"tcpi_rcv_mss":       func(i *tcp.Info) any { return float64(i.RcvMSS) },
	"tcpi_advmss":        func(i *tcp.Info) any { return float64(i.AdvMSS) },
	"tcpi_pmtu":          func(i *tcp.Info) any { return float64(i.PMTU) },
	"tcpi_unacked":       func(i *tcp.Info) any { return float64(i.Unacked) },
	"tcpi_sacked":        func(i *tcp.Info) any { return float64(i.Sacked) },
	"tcpi_lost":          func(i *tcp.Info) any { return float64(i.Lost) },
	"tcpi_retrans":       func(i *tcp.Info) any { return float64(i.Retrans) },
	"tcpi_fackets":       func(*tcp.Info) any { return 0.0 },
	"tcpi_snd_cwnd":      func(i *tcp.Info) any { return float64(i.SndCwnd) },
	"tcpi_cwnd":          func(i *tcp.Info) any { return float64(i.SndCwnd) },
	"tcpi_snd_ssthresh":  threshold,
	"tcpi_snd_wnd":       func(i *tcp.Info) any { return float64(i.SndWnd) },
	"tcpi_rcv_wnd":       func(i *tcp.Info) any { return float64(i.RcvWnd) },
	"tcpi_rcv_ssthresh":  func(i *tcp.Info) any { return float64(i.RcvSsthresh) },
	"tcpi_rcv_space":     func(i *tcp.Info) any { return float64(i.RcvSpace) },
	"tcpi_reordering":    func(i *tcp.Info) any { return float64(i.Reordering) },
	"tcpi_reord_seen":    func(i *tcp.Info) any { return float64(i.ReordSeen) },
	"tcpi_total_retrans": func(i *tcp.Info) any { return float64(i.TotalRetrans) },
	"tcpi_notsent_bytes": func(i *tcp.Info) any { return float64(i.NotsentBytes) },
	"tcpi_bytes_sent":    func(i *tcp.Info) any { return float64(i.BytesSent) },
	"tcpi_bytes_retrans": func(i *tcp.Info) any { return float64(i.BytesRetrans) },
	// Linux counts the SYN, too, as a byte.
	"tcpi_bytes_acked":               func(i *tcp.Info) any { return float64(i.BytesAcked) + 1 },
	"tcpi_bytes_received":            func(i *tcp.Info) any { return float64(i.BytesReceived) },
	"tcpi_segs_out":                  func(i *tcp.Info) any { return float64(i.SegsOut) },
	"tcpi_segs_in":                   func(i *tcp.Info) any { return float64(i.SegsIn) },
	"tcpi_data_segs_out":             func(i *tcp.Info) any { return float64(i.DataSegsOut) },
	"tcpi_data_segs_in":              func(i *tcp.Info) any { return float64(i.DataSegsIn) },
	"tcpi_delivered":                 func(i *tcp.Info) any { return float64(i.Delivered) },
	"tcpi_delivered_ce":              func(i *tcp.Info) any { return float64(i.DeliveredCE) },
	"tcpi_delivered_ce_bytes":        func(i *tcp.Info) any { return float64(i.DeliveredCEBytes) },
	"tcpi_delivered_e0_bytes":        func(i *tcp.Info) any { return float64(i.DeliveredE0Bytes) },
	"tcpi_delivered_e1_bytes":        func(i *tcp.Info) any { return float64(i.DeliveredE1Bytes) },
	"tcpi_received_ce_bytes":         func(i *tcp.Info) any { return float64(i.ReceivedCEBytes) },
	"tcpi_received_e0_bytes":         func(i *tcp.Info) any { return float64(i.ReceivedE0Bytes) },
	"tcpi_received_e1_bytes":         func(i *tcp.Info) any { return float64(i.ReceivedE1Bytes) },
	"tcpi_received_ce":               func(i *tcp.Info) any { return float64(i.ReceivedCE) },
	"tcpi_dsack_dups":                func(i *tcp.Info) any { return float64(i.DsackDups) },
	"tcpi_rcv_ooopack":               func(i *tcp.Info) any { return float64(i.RcvOOOPack) },
	"tcpi_total_rto":                 func(i *tcp.Info) any { return float64(i.TotalRTO) },
	"tcpi_total_rto_recoveries":      func(i *tcp.Info) any { return float64(i.TotalRTORecoveries) },
	"tcpi_last_data_sent":            func(i *tcp.Info) any { return millis(i.LastDataSent) },
	"tcpi_last_data_recv":            func(i *tcp.Info) any { return millis(i.LastDataRecv) },
	"tcpi_last_ack_recv":             func(i *tcp.Info) any { return millis(i.LastAckRecv) },
	"tcpi_busy_time":                 func(i *tcp.Info) any { return micros(i.BusyTime) },
	"tcpi_rwnd_limited":              func(i *tcp.Info) any { return micros(i.RwndLimited) },
	"tcpi_sndbuf_limited":            func(i *tcp.Info) any { return micros(i.SndbufLimited) },
	"tcpi_pacing_rate":               func(i *tcp.Info) any { return float64(i.PacingRate) },
	"tcpi_delivery_rate":             func(i *tcp.Info) any { return float64(i.DeliveryRate) },
	"tcpi_delivery_rate_app_limited": func(i *tcp.Info) any { return bit(i.DeliveryRateAppLimited) },
}

func bit(on bool) any {
	if on {
		return 1.0
	}
	return 0.0
}
