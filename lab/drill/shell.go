package drill

import (
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// shell reads what a script would have a shell do, as settings of the host. Nothing is run.
func (p *player) shell(e *script.Event) {
	if p.host != nil {
		at, _ := p.when(e)
		p.live(at)
	}
	done := false
	for i := range e.Shell.Lines {
		l := &e.Shell.Lines[i]
		switch {
		case i > 0 && e.Shell.Lines[i-1].OrElse && done:
		case l.OrElse && p.unknownTo(l):
			done = false
		default:
			p.command(l)
			done = true
		}
	}
}

// unknownTo reports whether a command sets what is not known here, which another behind || is
// for: scripts for several kernels have such.
func (p *player) unknownTo(l *script.ShellLine) bool {
	if path.Base(l.Words[0]) != "sysctl" {
		return false
	}
	for i, w := range l.Words {
		name, _, ok := strings.Cut(w, "=")
		if ok && sysctls[name] == nil && withoutEffect[name] == "" {
			p.note(l.At[i], "%s has no effect: %s", name, "it is not known here, and the command behind || is for that")
			return true
		}
	}
	return false
}

// harmless are commands without an effect here, and why.
var harmless = map[string]string{
	"ip":       "there is one way out, which forgets everything with the script",
	"tc":       "the script is the network: it says itself when packets come",
	"iptables": "the script is the network: it says itself which packets come",
	"ifconfig": "the device is made by --mtu and --local_ip",
	"tcpdrop":  "what there is ends with the script",
	"echo":     "nothing is printed",
	"set":      "no shell runs", "cd": "no shell runs", "export": "no shell runs", "true": "no shell runs", "source": "no shell runs",
	"nstat": "counters are asked by %{ }%", "modprobe": "there is no kernel", "ethtool": "there is no device", "rm": "there are no files", "grep": "counters are asked by %{ }%", "sync": "there are no files",
}

// command reads one command. The options that programs have are left out.
func (p *player) command(l *script.ShellLine) {
	words := l.Words
	switch name := path.Base(words[0]); {
	case name == "sysctl":
		p.sysctls(l)
	case strings.HasPrefix(name, "set_sysctls"):
		p.sysctls(l)
	case name == "defaults.sh":
		p.publicDefaults(words[0])
	case strings.HasPrefix(name, "sysctl_restore"):
	case name == "sleep":
		p.sleep(l)
	case name == "echo" && len(words) == 4 && words[2] == ">" && strings.HasPrefix(words[3], "/proc/sys/"):
		p.sysctl(l.At[3], words[3], words[1])
	case name == "sockstat":
		p.sockstat(l)
	case name == "ip" && p.linkMTU(l):
	case name == "ip" && len(words) > 2 && words[1] == "tcp_metrics" && words[2] == "flush":
		if p.Kernel != nil && p.host != nil {
			p.wrong(l.Pos, "%s stands behind the first event, which a kernel is not asked for", strings.Join(words, " "))
		}
		p.known = fastopen.Cache{BlackHole: p.known.BlackHole}
	case harmless[name] != "":
		p.note(l.Pos, "%s has no effect: %s", strings.Join(words, " "), harmless[name])
	default:
		p.wrong(l.Pos, "%q is not run, and means nothing here: there are sysctl NAME=VALUE, set_sysctls.py, defaults.sh, sleep, echo VALUE > /proc/sys/…, ip link set … mtu N", words[0])
	}
}

// sysctls reads the arguments of sysctl: -q -w name=value, or name value.
func (p *player) sysctls(l *script.ShellLine) {
	words := l.Words
	for i := 1; i < len(words); i++ {
		w, at := words[i], l.At[i]
		switch {
		case strings.HasPrefix(w, "-"), w == ">", strings.HasPrefix(w, ">"), strings.HasPrefix(w, "/dev/"), strings.HasPrefix(w, "2>"):
		case strings.Contains(w, "="):
			name, value, _ := strings.Cut(w, "=")
			p.sysctl(at, name, value)
		case i+2 < len(words) && words[i+1] == "=":
			p.sysctl(at, w, words[i+2])
			i += 2
		default:
			p.wrong(at, "%q should be NAME=VALUE", w)
		}
	}
}

// sleep lets time pass.
func (p *player) sleep(l *script.ShellLine) {
	if len(l.Words) != 2 {
		p.wrong(l.Pos, "sleep takes a number of seconds")
	}
	f, err := strconv.ParseFloat(strings.TrimSuffix(l.Words[1], "s"), 64)
	if err != nil || f < 0 || f > 1e6 {
		p.wrong(l.At[1], "%q is not a number of seconds", l.Words[1])
	}
	p.boot()
	p.live(p.now.Add(time.Duration(f * float64(time.Second))))
}

// linkMTU reads ip link set dev tun0 mtu N, before the host begins.
func (p *player) linkMTU(l *script.ShellLine) bool {
	w := l.Words
	if p.host == nil && len(w) > 4 && w[1] == "link" && w[len(w)-2] == "mtu" {
		p.setMTU(l.Pos, w[len(w)-1])
		return true
	}
	return false
}

func (p *player) initScripts(at script.Pos, v string) {
	for _, name := range strings.Split(v, ",") {
		if path.Base(name) == "defaults.sh" {
			p.publicDefaults(name)
		} else {
			p.note(at, "%s is not run: what it sets must stand in the script", name)
		}
	}
}
