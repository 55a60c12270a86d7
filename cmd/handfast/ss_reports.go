package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
)

// What ss shows beside the table: -s, --flood and --defence.

func writeJSON(w io.Writer, rows []inspect.Row) error {
	out := json.NewEncoder(w)
	for i := range rows {
		if err := out.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o *ssOptions) writeFlood(w io.Writer, all []answer) error {
	for _, a := range all {
		if a.Flood == nil {
			return errors.New("it has no detector")
		}
	}
	if o.json {
		return eachJSON(w, all, func(a answer) any { return a.Flood })
	}
	return each(w, all, func(a answer) error {
		_, err := fmt.Fprintln(w, a.Flood.Text)
		for _, reason := range a.Flood.Reasons {
			fmt.Fprintf(w, "  %s\n", reason)
		}
		return err
	})
}

func (o *ssOptions) writeDefence(w io.Writer, all []answer) error {
	for _, a := range all {
		if a.Defence == nil {
			return errors.New("nothing is known of its defence")
		}
	}
	if o.json {
		return eachJSON(w, all, func(a answer) any { return a.Defence })
	}
	return each(w, all, func(a answer) error {
		p := defencePrinter{w, a.Report}
		p.halfOpen()
		p.line("synack-retries", "%d", a.Defence.SynAckRetries)
		p.cookies()
		p.attackMode()
		return nil
	})
}

// defencePrinter prints the measures against SYN floods.
type defencePrinter struct {
	io.Writer
	*inspect.Report
}

func (p *defencePrinter) line(name, format string, args ...any) {
	fmt.Fprintf(p, "%-16s "+format+"\n", append([]any{name}, args...)...)
}

// halfOpen tells of the half-open queue, and of the kernel's, of which each
// listener has its own. What ours evicts lives on as a cookie; the kernel evicts
// nothing, but answers what finds the queue full with a cookie.
func (p *defencePrinter) halfOpen() {
	d, n := p.Defence, p.Counters["TcpExt"]
	full := "evicted"
	if p.Source == "kernel" {
		full = "answered by a cookie because it was full"
	}
	p.line("half-open", "%d/%d, dropped %d, %s %d", d.HalfOpen, d.MaxHalfOpen, n["TCPReqQFullDrop"], full, n["TCPReqQFullDoCookies"])
	for i := range p.Rows {
		if r := &p.Rows[i]; r.Queue != nil && r.Queue.Length > 0 {
			p.line("", "%v %d/%d", r.Local, r.Queue.Length, r.Queue.Limit)
		}
	}
}

func (p *defencePrinter) cookies() {
	d, n := p.Defence, p.Counters["TcpExt"]
	sending := "not sending"
	if d.SendingCookies {
		sending = "sending"
	}
	if p.Source == "kernel" && d.Cookies == "auto" {
		sending = "sent while a queue is full" // the kernel does not say whether one is full now
	}
	p.line("cookies", "%s, %s, %d sent, %d came back, %d were forged or old", d.Cookies, sending,
		n["SyncookiesSent"], n["SyncookiesRecv"], n["SyncookiesFailed"])
}

func (p *defencePrinter) attackMode() {
	switch d := p.Defence; {
	case d.AttackEnter == 0: // the kernel has none
	case d.AttackEnter >= never:
		p.line("attack mode", "never")
	default:
		on := "off"
		if d.Attack {
			on = "on"
		}
		p.line("attack mode", "%s, entered %d times; on at %d half-open, off below %d", on, d.Attacks, d.AttackEnter, d.AttackLeave)
	}
}

// writeSummary counts sockets as ss -s does, and of ours also by state, in the
// order in which states are gone through.
func (o *ssOptions) writeSummary(w io.Writer, all []answer) error {
	if o.json {
		return eachJSON(w, all, func(a answer) any { return summaryOf(a.Report) })
	}
	return each(w, all, func(a answer) error {
		err := inspect.WriteSummary(w, inspect.Summarize(a.Rows))
		count := byState(a.Rows)
		for _, s := range slices.Sorted(maps.Keys(count)) {
			fmt.Fprintf(w, "  %-12s %d\n", s.SS(), count[s])
		}
		return errors.Join(err, omitted(w, a.Omitted))
	})
}

func (o *ssOptions) writeKernelSummary(w io.Writer) error {
	s, err := kernel.Summary()
	if err != nil {
		return err
	}
	return inspect.WriteSummary(w, *s)
}

func byState(rows []inspect.Row) map[tcp.State]int {
	count := map[tcp.State]int{}
	for i := range rows {
		if !rows[i].UDP() {
			count[tcp.State(rows[i].State)]++
		}
	}
	return count
}

// summary is what ss -s says, in JSON.
type summary struct {
	Total  int            `json:"total"`
	States map[string]int `json:"states"` // of TCP, by RFC name
	UDP    int            `json:"udp,omitempty"`
}

func summaryOf(r *inspect.Report) summary {
	s := summary{len(r.Rows) + r.Omitted, map[string]int{}, 0}
	for state, n := range byState(r.Rows) {
		s.States[state.String()] = n
	}
	for i := range r.Rows {
		if r.Rows[i].UDP() {
			s.UDP++
		}
	}
	return s
}
