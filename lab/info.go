package lab

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// shown are the fields of tcp.Info that a program can ask for, by ss's names.
var shown = map[string]func(*tcp.Info) any{
	"ca_state":     func(i *tcp.Info) any { return i.CAState },
	"cwnd":         func(i *tcp.Info) any { return i.SndCwnd },
	"ssthresh":     ssthresh,
	"unacked":      func(i *tcp.Info) any { return i.Unacked },
	"sacked":       func(i *tcp.Info) any { return i.Sacked },
	"lost":         func(i *tcp.Info) any { return i.Lost },
	"retrans":      func(i *tcp.Info) any { return fmt.Sprintf("%d/%d", i.Retrans, i.TotalRetrans) },
	"delivered":    func(i *tcp.Info) any { return i.Delivered },
	"dsack_dups":   func(i *tcp.Info) any { return i.DsackDups },
	"reordering":   func(i *tcp.Info) any { return i.Reordering },
	"reord_seen":   func(i *tcp.Info) any { return i.ReordSeen },
	"rto":          func(i *tcp.Info) any { return i.RTO.Round(time.Microsecond) },
	"rtt":          func(i *tcp.Info) any { return i.RTT.Round(time.Microsecond) },
	"minrtt":       func(i *tcp.Info) any { return i.MinRTT.Round(time.Microsecond) },
	"pacing_rate":  func(i *tcp.Info) any { return i.PacingRate },
	"notsent":      func(i *tcp.Info) any { return i.NotsentBytes },
	"snd_wnd":      func(i *tcp.Info) any { return i.SndWnd },
	"busy":         func(i *tcp.Info) any { return i.BusyTime.Round(time.Millisecond) },
	"rwnd_limited": func(i *tcp.Info) any { return i.RwndLimited.Round(time.Millisecond) },
}

// ssthresh is left out until slow start has ended for the first time, as ss does:
// there is no threshold yet, and 0 would say that slow start is over.
func ssthresh(i *tcp.Info) any {
	if i.SndSsthresh == 0 {
		return nil
	}
	return i.SndSsthresh
}

// readInfo reads the names of what a program wants to know of its connection, as ss -i
// has them, or of its host, as netstat -s has them.
func readInfo(_ *parser, l *lineReader) (func(*actor) string, error) {
	var names []string
	for {
		w, err := l.next("what to tell")
		if err != nil {
			return nil, err
		}
		if shown[w.text] == nil && !reflect.ValueOf(tcp.Counters{}).FieldByName(w.text).IsValid() {
			return nil, l.at(w, "%q is no counter like TCPLossProbes, and none of %s", w.text, strings.Join(slices.Sorted(maps.Keys(shown)), ", "))
		}
		names = append(names, w.text)
		if _, more := l.peek(); !more {
			return func(a *actor) string { return a.info(names) }, nil
		}
	}
}

func (a *actor) info(names []string) string {
	if a.conn == nil || !a.conn.usable() {
		return noConn
	}
	info := a.conn.entry.Info(a.node.now())
	counters := reflect.ValueOf(a.node.host.TCP().Counters())
	var all []string
	for _, name := range names {
		if show := shown[name]; show == nil {
			all = append(all, fmt.Sprintf("%s %d", name, counters.FieldByName(name).Uint()))
		} else if v := show(&info); v != nil {
			all = append(all, fmt.Sprintf("%s %v", name, v))
		}
	}
	text := strings.Join(all, ", ")
	a.world.record.say(a.node, trace.Note, "%s", text)
	return text
}
