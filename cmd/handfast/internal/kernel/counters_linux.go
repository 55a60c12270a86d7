package kernel

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// Counters reads the counters, by group and name.
func Counters() map[string]map[string]uint64 {
	groups := map[string]map[string]uint64{}
	for _, file := range []string{"/proc/net/snmp", "/proc/net/netstat"} {
		readCounters(file, groups)
	}
	return groups
}

// readCounters reads pairs of lines: names, and numbers.
func readCounters(file string, groups map[string]map[string]uint64) {
	f, err := os.Open(file)
	if err != nil {
		return // without /proc there are no counters
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		names := strings.Fields(lines.Text())
		if !lines.Scan() {
			return
		}
		numbers := strings.Fields(lines.Text())
		if len(names) != len(numbers) || len(names) == 0 {
			continue
		}
		group := map[string]uint64{}
		for i, name := range names[1:] {
			n, err := strconv.ParseInt(numbers[i+1], 10, 64) // MaxConn is -1
			if err == nil && n >= 0 {
				group[name] = uint64(n)
			}
		}
		groups[strings.TrimSuffix(names[0], ":")] = group
	}
}

// sysctl returns a setting of IPv4's, 0 when there is none.
func sysctl(name string) int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}
