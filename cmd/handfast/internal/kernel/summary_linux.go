package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/handfast-tcp/handfast/inspect"
)

// Summary counts the kernel's sockets, as /proc/net/sockstat does.
func Summary() (*inspect.Summary, error) {
	v4, err := sockstat("/proc/net/sockstat")
	if err != nil {
		return nil, err
	}
	v6, err := sockstat("/proc/net/sockstat6")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	s := &inspect.Summary{Total: v4["sockets used"], Orphaned: v4["TCP orphan"], TimeWaits: v4["TCP tw"],
		Estab: int(Counters()["Tcp"]["CurrEstab"])}
	// As ss adds them up: TIME-WAIT has no socket of its own and is not among those allocated,
	// and closed is what is allocated and in no table.
	s.TCP = v4["TCP alloc"] + s.TimeWaits
	s.Closed = v4["TCP alloc"] - (v4["TCP inuse"] + v6["TCP6 inuse"] - s.TimeWaits)
	sum := inspect.Transport{Name: "INET"}
	for _, name := range []string{"RAW", "UDP", "TCP"} {
		t := inspect.Transport{Name: name, IP: v4[name+" inuse"], IPv6: v6[name+"6 inuse"]}
		s.Transports = append(s.Transports, t)
		sum.IP, sum.IPv6 = sum.IP+t.IP, sum.IPv6+t.IPv6
	}
	s.Transports = append(s.Transports, sum, inspect.Transport{Name: "FRAG", IP: v4["FRAG inuse"], IPv6: v6["FRAG6 inuse"]})
	return s, nil
}

// sockstat reads lines such as "TCP: inuse 3 orphan 0 tw 2 alloc 9 mem 1".
func sockstat(file string) (map[string]int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("count sockets: %w", err)
	}
	all := map[string]int{}
	for line := range strings.Lines(string(b)) {
		kind, rest, _ := strings.Cut(line, ":")
		words := strings.Fields(rest)
		for i := 0; i+1 < len(words); i += 2 {
			all[kind+" "+words[i]] = number(words[i+1])
		}
	}
	return all, nil
}
