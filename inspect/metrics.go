package inspect

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// WriteMetrics writes a host's figures in Prometheus' text format: base units,
// _total for what only grows, and no label that holds an address. Counters keep
// Linux's names, as a label: what is written for node_netstat_TcpExt_ListenDrops
// asks here for handfast_netstat_total{counter="TcpExt_ListenDrops"}. The control socket answers GET /metrics with the same; this is for a
// program that has an HTTP server of its own.
//
// https://prometheus.io/docs/instrumenting/exposition_formats/
func WriteMetrics(w io.Writer, h *handfast.Host) error {
	return writeMetrics(w, Collect(h, "", 0))
}

// WriteMetrics writes the figures of a report in the same format.
func (r *Report) WriteMetrics(w io.Writer) error { return writeMetrics(w, r) }

// Metrics returns the same figures by name, for expvar.Func:
//
//	expvar.Publish("handfast", expvar.Func(func() any { return inspect.Metrics(h) }))
func Metrics(h *handfast.Host) map[string]float64 {
	all := map[string]float64{}
	for _, f := range families(Collect(h, "", 0)) {
		for _, s := range f.samples {
			all[f.name+s.suffix+s.labels] = s.value
		}
	}
	return all
}

// family is the samples of one metric.
type family struct {
	name, kind, help string
	samples          []sample
}

type sample struct {
	labels string // with braces, or ""
	value  float64
	suffix string // of the name, in a histogram
}

// labelEscapes are all that the format has: what Go would write for a tab is an
// error there.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func label(name, value string) string {
	return fmt.Sprintf(`{%s="%s"}`, name, labelEscapes.Replace(strings.ToValidUTF8(value, "�")))
}

func gauge(name, help string, value float64) family {
	return family{name, "gauge", help, []sample{{value: value}}}
}

func writeMetrics(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	for _, f := range families(r) {
		fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		for _, s := range f.samples {
			fmt.Fprintf(out, "%s%s%s %v\n", f.name, s.suffix, s.labels, s.value)
		}
	}
	return out.Flush()
}

func families(r *Report) []family {
	all := []family{connectionFamily(r)}
	all = append(all, listenFamilies(r)...)
	if len(r.Links) > 0 {
		all = append(all, linkFamily(r.Links))
	}
	if r.Defence != nil {
		all = append(all, r.Defence.families()...)
	}
	if r.Flood != nil {
		all = append(all, r.Flood.family())
	}
	drops := family{name: "handfast_packets_dropped_total", kind: "counter", help: "Received packets that were not used, by reason."}
	for _, reason := range sortedNames(r.Drops) {
		drops.samples = append(drops.samples, sample{labels: label("reason", reason), value: float64(r.Drops[reason])})
	}
	all = append(all, drops)
	if r.totals != nil {
		all = append(all, endFamilies(r.totals)...)
	}
	if len(r.Counters) > 0 {
		all = append(all, counterFamily(r))
	}
	return all
}

// counterFamily has Linux's counters by the names that nstat gives them. As parts of the
// metric's name they would break Prometheus' rule for one, which is snake case.
func counterFamily(r *Report) family {
	f := family{name: "handfast_netstat_total", kind: "counter", help: "Linux's counters, by group and name."}
	for _, group := range counterGroups {
		for _, name := range sortedNames(r.Counters[group]) {
			f.samples = append(f.samples, sample{labels: label("counter", group+"_"+name), value: float64(r.Counters[group][name])})
		}
	}
	return f
}

func connectionFamily(r *Report) family {
	var count [tcp.NumStates]int
	for i := range r.Rows {
		if !r.Rows[i].UDP() {
			count[r.Rows[i].State]++
		}
	}
	f := family{name: "handfast_connections", kind: "gauge", help: "Connections by state, listeners among them."}
	for s := tcp.Listen; s <= tcp.TimeWait; s++ {
		state := strings.ReplaceAll(strings.ToLower(s.String()), "-", "_")
		f.samples = append(f.samples, sample{labels: label("state", state), value: float64(count[s])})
	}
	return f
}

// linkFamily counts links that have the same name as one: a new one takes the
// place of one that is gone.
func linkFamily(links []Link) family {
	f := family{name: "handfast_link_up", kind: "gauge", help: "1 while a link works, 0 after it is gone, by name."}
	at := map[string]int{}
	for _, l := range links {
		k, known := at[l.Name]
		if !known {
			k = len(at)
			at[l.Name] = k
			f.samples = append(f.samples, sample{labels: label("link", l.Name)})
		}
		f.samples[k].value = max(f.samples[k].value, number(l.Gone == ""))
	}
	return f
}

// listenFamilies sum listeners that have the same port.
func listenFamilies(r *Report) []family {
	all := []family{
		{name: "handfast_listen_queue_length", kind: "gauge", help: "Connections that wait for Accept, by port."},
		{name: "handfast_listen_queue_limit", kind: "gauge", help: "How many connections may wait for Accept, by port."},
		{name: "handfast_listen_syns_total", kind: "counter", help: "SYNs for listeners, by port."},
		{name: "handfast_listen_handshakes_total", kind: "counter", help: "Handshakes completed, by port."},
		{name: "handfast_listen_drops_total", kind: "counter", help: "SYNs dropped, by port."},
	}
	at := map[uint16]int{}
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Listen == nil {
			continue
		}
		k, known := at[row.Local.Port]
		if !known {
			k = len(at)
			at[row.Local.Port] = k
		}
		figures := [...]float64{float64(row.RecvQ), float64(row.SendQ), float64(row.Listen.SYNs), float64(row.Listen.Completed), float64(row.Listen.Drops)}
		for j := range all {
			if !known {
				all[j].samples = append(all[j].samples, sample{labels: label("port", strconv.Itoa(int(row.Local.Port)))})
			}
			all[j].samples[k].value += figures[j]
		}
	}
	return all
}

func (d *Defence) families() []family {
	return []family{
		gauge("handfast_half_open_entries", "Half-open connections that are kept.", float64(d.HalfOpen)),
		gauge("handfast_half_open_limit", "Half-open connections that may be kept.", float64(d.MaxHalfOpen)),
		gauge("handfast_sending_cookies", "1 while SYNs are answered without keeping anything.", number(d.SendingCookies)),
		gauge("handfast_attack_mode", "1 while the attack mode is on.", number(d.Attack)),
		{"handfast_attack_mode_entered_total", "counter", "How often the attack mode was entered.", []sample{{value: float64(d.Attacks)}}},
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (f *Flood) family() family {
	all := family{name: "handfast_flood_level", kind: "gauge", help: "1 at the level that the flood detector sees."}
	for level := detect.Quiet; level <= detect.Flood; level++ {
		name := level.String()
		all.samples = append(all.samples, sample{labels: label("level", strings.ReplaceAll(name, " ", "_")), value: number(name == f.Level)})
	}
	return all
}
