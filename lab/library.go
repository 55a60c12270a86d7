package lab

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"path"
)

//go:embed scenarios/*.txt
var scenarioFiles embed.FS

// Info describes a scenario that comes with the package.
type Info struct {
	Name               string
	Group, GroupZH     string // what it is about
	Title, TitleZH     string
	Summary, SummaryZH string // one line each; Simplified Chinese
}

// groups is the order in which scenarios are listed: what comes first in a life,
// and in a group the easy ones first.
var groups = []struct {
	name, nameZH string
	scenarios    []string
}{
	{"Opening", "打开连接", []string{"three-way-handshake", "three-way-handshake-lost-syn", "three-way-handshake-lost-syn-ack", "three-way-handshake-lost-final-ack", "withheld-third-ack", "connection-refused", "simultaneous-open", "fast-open", "fast-open-stale-cookie", "old-duplicate-syn", "two-passive-sockets"}},
	{"Closing", "关闭连接", []string{"four-way-close", "server-closes-first", "three-segment-close", "half-close", "simultaneous-close", "lost-last-ack", "no-time-wait", "port-reuse", "linger-zero", "close-with-unread-data", "half-open-peer-restarted", "client-crashes-and-returns", "keepalive-dead-peer"}},
	{"Loss", "丢失与路径", []string{"fast-retransmit", "sack-recovery", "reordering", "tail-loss", "tail-loss-probe", "spurious-timeout", "spurious-recovery-undone", "path-mtu", "black-hole"}},
	{"Sending rate", "发送速率", []string{"slow-start-exit", "pacing", "ecn", "accecn"}},
	{"Flow control and other things", "流量控制等", []string{"zero-window", "nagle-and-delayed-ack", "urgent-data", "authenticated"}},
	{"SYN floods", "SYN 泛洪", []string{"syn-flood", "syn-flood-cache", "syn-flood-with-shorter-timeouts", "syn-flood-cookies", "syn-flood-attack-mode"}},
}

// Scenarios lists the scenarios that come with the package, group by group. They are read
// each time: nobody waits for a page of text.
func Scenarios() (list []Info) {
	for _, g := range groups {
		for _, name := range g.scenarios {
			s, err := Find(name)
			if err != nil {
				panic(err) // a test loads every one of them
			}
			list = append(list, Info{name, g.name, g.nameZH, s.Title, s.TitleZH, s.Summary, s.SummaryZH})
		}
	}
	return list
}

// Find returns the scenario of that name that comes with the package. It fails
// when there is none.
func Find(name string) (*Scenario, error) {
	b, err := scenarioFiles.ReadFile(path.Join("scenarios", name+".txt"))
	if err != nil {
		return nil, fmt.Errorf("no scenario is called %q", name)
	}
	return Load(name+".txt", bytes.NewReader(b))
}

// Load reads a scenario. Its errors begin with name, line and column.
func Load(name string, r io.Reader) (*Scenario, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return parse(name, string(text))
}
