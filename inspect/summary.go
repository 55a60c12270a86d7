package inspect

import (
	"bufio"
	"fmt"
	"io"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Unknown stands for a number that cannot be known.
const Unknown = -1

// Summary is what ss -s shows: how many sockets there are.
type Summary struct {
	Total                                   int // of a kernel with those that are not of IP
	TCP, Estab, Closed, Orphaned, TimeWaits int
	Transports                              []Transport
}

// Transport is how many sockets a protocol has, those in TIME-WAIT left out.
// Each is a number or Unknown.
type Transport struct {
	Name     string
	IP, IPv6 int
}

// Summarize counts rows.
func Summarize(rows []Row) Summary {
	s := Summary{Total: len(rows)}
	var udp, of Transport
	for i := range rows {
		r := &rows[i]
		count := &of
		if r.UDP() {
			count = &udp
		} else {
			s.countTCP(r)
		}
		switch {
		case r.State == State(tcp.TimeWait):
		case r.netid() == r.Proto:
			count.IP++
		default:
			count.IPv6++
		}
	}
	udp.Name, of.Name = "UDP", "TCP"
	s.Transports = []Transport{{Name: "RAW"}, udp, of, {"INET", udp.IP + of.IP, udp.IPv6 + of.IPv6}, {"FRAG", Unknown, Unknown}}
	return s
}

func (s *Summary) countTCP(r *Row) {
	s.TCP++
	switch tcp.State(r.State) {
	case tcp.Established, tcp.CloseWait: // as Linux's CurrEstab
		s.Estab++
	case tcp.TimeWait:
		s.TimeWaits++
	case tcp.Closed:
		s.Closed++
	}
	if r.Orphan {
		s.Orphaned++
	}
}

// WriteSummary writes s as ss -s does. What is not known is a dash.
func WriteSummary(w io.Writer, s Summary) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "Total: %d\nTCP:   %d (estab %d, closed %d, orphaned %d, timewait %d)\n\n",
		s.Total, s.TCP, s.Estab, s.Closed, s.Orphaned, s.TimeWaits)
	fmt.Fprintln(out, "Transport Total     IP        IPv6")
	for _, t := range s.Transports {
		total := t.IP + t.IPv6
		if t.IP == Unknown || t.IPv6 == Unknown {
			total = Unknown
		}
		fmt.Fprintf(out, "%s\t  %-9s %-9s %-9s\n", t.Name, known(total), known(t.IP), known(t.IPv6))
	}
	fmt.Fprintln(out)
	return out.Flush()
}

func known(n int) string {
	if n == Unknown {
		return "-"
	}
	return fmt.Sprint(n)
}
