package play

import (
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// Aims returns, by the IDs of a run's packets, how a rule of the scenario names each:
// "the 3rd segment from client". Put behind "lose", "corrupt", "delay", "duplicate" or
// "mark" it means that packet, because until it is sent the run stays as it was.
// Packets that no rule can name, which are forged or no TCP, are left out.
func Aims(r *trace.Run) map[int]string {
	peers := map[string]map[string]bool{}
	for i := range r.Packets {
		if p := &r.Packets[i]; ruled(p) {
			if peers[p.From] == nil {
				peers[p.From] = map[string]bool{}
			}
			peers[p.From][p.To] = true
		}
	}
	aims, count := map[int]string{}, map[[2]string]int{}
	for i := range r.Packets {
		p := &r.Packets[i]
		if !ruled(p) {
			continue
		}
		way, to := [2]string{p.From}, ""
		if len(peers[p.From]) > 1 {
			way[1], to = p.To, " to "+p.To
		}
		count[way]++
		aims[p.ID] = fmt.Sprintf("the %s segment from %s%s", ordinal(count[way]), p.From, to)
	}
	return aims
}

// ruled reports whether rules are asked about a packet.
func ruled(p *trace.Packet) bool {
	if p.Forged || p.To == "" || p.To == p.From {
		return false
	}
	var ip wire.IP
	return wire.ParseIP(p.Data, &ip) == wire.None && ip.Proto == wire.ProtoTCP
}

// ordinal writes 1st, 2nd, 3rd, 4th.
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}

// Cast is who plays which part in a run: what its programs call says so.
type Cast struct {
	Client string `json:"client,omitempty"` // the first that connects; "": nobody does
	Server string `json:"server,omitempty"` // the first that listens
	Port   string `json:"port,omitempty"`   // where it listens
	Free   string `json:"free"`             // a name that no host has
}

func castOf(r *lab.Result) (c Cast) {
	for i := range r.Events {
		e := &r.Events[i]
		if e.Class != trace.Call {
			continue
		}
		switch call := strings.Fields(e.Text); {
		case len(call) < 2:
		case call[0] == "listen" && c.Server == "":
			c.Server, c.Port = e.Host, call[1]
		case (call[0] == "connect" || call[0] == "open") && c.Client == "":
			c.Client = e.Host
		}
	}
	taken := map[string]bool{}
	for i := range r.Hosts {
		taken[r.Hosts[i].Name] = true
	}
	for c.Free = "attacker"; taken[c.Free]; {
		c.Free += "2"
	}
	return c
}
