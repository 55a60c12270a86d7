package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/story"
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
			return say.Errorf(say.Text{"it has no detector", "它没有检测器"})
		}
	}
	if o.json {
		return eachJSON(w, all, func(a answer) any { return a.Flood })
	}
	return each(w, all, func(a answer) error {
		_, err := fmt.Fprintln(w, say.Verdict(a.Flood.Text, o.stdout.lang))
		for _, reason := range a.Flood.Reasons {
			fmt.Fprintf(w, "  %s\n", say.Verdict(reason, o.stdout.lang))
		}
		return err
	})
}

func (o *ssOptions) writeDefence(w io.Writer, all []answer) error {
	for _, a := range all {
		if a.Defence == nil {
			return say.Errorf(say.Text{"nothing is known of its defence", "对它的防御一无所知"})
		}
	}
	if o.json {
		return eachJSON(w, all, func(a answer) any { return a.Defence })
	}
	return each(w, all, func(a answer) error {
		p := defencePrinter{w, a.Report, o.stdout.lang}
		p.halfOpen()
		p.line("synack-retries", say.All("%d"), a.Defence.SynAckRetries)
		p.cookies()
		p.attackMode()
		return nil
	})
}

// defencePrinter prints the measures against SYN floods.
type defencePrinter struct {
	io.Writer
	*inspect.Report
	lang story.Lang
}

func (p *defencePrinter) line(name string, format say.Text, args ...any) {
	fmt.Fprintf(p, "%-16s "+format[p.lang]+"\n", append([]any{name}, args...)...)
}

// halfOpen tells of the half-open queue, and of the kernel's, of which each
// listener has its own. What ours evicts lives on as a cookie; the kernel evicts
// nothing, but answers what finds the queue full with a cookie.
func (p *defencePrinter) halfOpen() {
	d, n := p.Defence, p.Counters["TcpExt"]
	full := say.Text{"evicted", "淘汰"}
	if p.Source == "kernel" {
		full = say.Text{"answered by a cookie because it was full", "因已满而以 cookie 应答"}
	}
	p.line("half-open", say.Text{"%d/%d, dropped %d, %s %d", "%d/%d，丢弃 %d，%s %d"}, d.HalfOpen, d.MaxHalfOpen, n["TCPReqQFullDrop"], full[p.lang], n["TCPReqQFullDoCookies"])
	for i := range p.Rows {
		if r := &p.Rows[i]; r.Queue != nil && r.Queue.Length > 0 {
			p.line("", say.All("%v %d/%d"), r.Local, r.Queue.Length, r.Queue.Limit)
		}
	}
}

func (p *defencePrinter) cookies() {
	d, n := p.Defence, p.Counters["TcpExt"]
	sending := say.Text{"not sending", "未在发送"}
	if d.SendingCookies {
		sending = say.Text{"sending", "正在发送"}
	}
	if p.Source == "kernel" && d.Cookies == "auto" {
		sending = say.Text{"sent while a queue is full", "队列已满时发送"} // the kernel does not say whether one is full now
	}
	p.line("cookies", say.Text{"%s, %s, %d sent, %d came back, %d were forged or old", "%s，%s，发出 %d 个，返回 %d 个，伪造或过期 %d 个"}, d.Cookies, sending[p.lang],
		n["SyncookiesSent"], n["SyncookiesRecv"], n["SyncookiesFailed"])
}

func (p *defencePrinter) attackMode() {
	switch d := p.Defence; {
	case d.AttackEnter == 0: // the kernel has none
	case d.AttackEnter >= never:
		p.line("attack mode", say.Text{"never", "从不"})
	default:
		on := say.Text{"off", "未启用"}
		if d.Attack {
			on = say.Text{"on", "已启用"}
		}
		p.line("attack mode", say.Text{"%s, entered %d times; on at %d half-open, off below %d", "%s，进入过 %d 次；半连接达到 %d 时启用，低于 %d 时停用"}, on[p.lang], d.Attacks, d.AttackEnter, d.AttackLeave)
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
		return errors.Join(err, omitted(w, a.Omitted, o.stdout.lang))
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
