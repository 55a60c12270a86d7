package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// handfastRun is handfast run in a process of its own, which can reach the servers of
// the test.
func handfastRun(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{"handfast", "run", "--map", "10.0.2.2=127.0.0.1"}, args...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	return cmd
}

// runner makes handfast run, with flags and a command.
type runner func(args ...string) *exec.Cmd

// eachWay runs a test over each kind of device that there is, and by a user without
// rights over the one that he gets.
func eachWay(t *testing.T, f func(t *testing.T, run runner)) {
	for _, link := range runLinks[1:] {
		t.Run(link, func(t *testing.T) {
			run := func(args ...string) *exec.Cmd { return handfastRun(t, append([]string{"--link", link}, args...)...) }
			if out, err := run("--", "true").CombinedOutput(); err != nil {
				t.Skipf("%v\n%s", err, out)
			}
			f(t, run)
		})
	}
	t.Run("nobody", func(t *testing.T) { f(t, runAsNobody(t)) })
}

// oneFile is a server on the loopback device, which has one file.
func oneFile(t *testing.T, file []byte) (port string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			sum := sha256.New()
			io.Copy(sum, r.Body)
			fmt.Fprintf(w, "%x", sum.Sum(nil))
			return
		}
		w.Write(file)
	}))
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// What a program downloads and uploads arrives, also on a bad network, and the
// summary says what passed.
func TestRunCarriesFiles(t *testing.T) {
	file := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	sum := fmt.Sprintf("%x", sha256.Sum256(file))
	path := filepath.Join(publicDir(t), "file")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	port := oneFile(t, file)
	url := "http://10.0.2.2:" + port + "/"
	eachWay(t, func(t *testing.T, run runner) {
		for _, bad := range [][]string{nil, {"--loss", "2%", "--delay", "5ms", "--reorder", "5%", "--duplicate", "2%", "--rate", "50mbit"}} {
			var told bytes.Buffer
			cmd := run(append(bad, "--", "curl", "-sS", url)...)
			cmd.Stderr = &told
			got, err := cmd.Output()
			if err != nil || !bytes.Equal(got, file) {
				t.Errorf("%v: %d bytes of %d came, %v\n%s", bad, len(got), len(file), err, &told)
			}
			// At the end a connection that the server is slow to close is cut off.
			if line := told.String(); !strings.Contains(line, "tcp    10.0.2.2:"+port) ||
				!strings.Contains(line, "closed") && !strings.Contains(line, "cut off at the end") {
				t.Errorf("%v: the summary is\n%s", bad, line)
			}
			got, err = run(append(bad, "--", "curl", "-sS", "-T", path, url)...).Output()
			if err != nil || string(got) != sum {
				t.Errorf("%v: %q arrived, %v", bad, got, err)
			}
		}
	})
}

// --delay is what a program measures.
func TestRunDelays(t *testing.T) {
	url := "http://10.0.2.2:" + oneFile(t, nil) + "/"
	eachWay(t, func(t *testing.T, run runner) {
		got, err := run("--delay", "60ms", "--", "curl", "-sS", "-w", "%{time_connect}", url).Output()
		seconds, parsed := strconv.ParseFloat(string(got), 64)
		if err = errors.Join(err, parsed); err != nil || seconds < 0.12 {
			t.Errorf("a connection took %s s, %v", got, err)
		}
	})
}

// By either device all that the command sends comes to us, also what would be its
// neighbour's, and nobody has to ask where we are: the question fails when we are late.
func TestRunIsTheOnlyNeighbour(t *testing.T) {
	port := oneFile(t, []byte("hello"))
	eachWay(t, func(t *testing.T, run runner) {
		for _, command := range []string{"curl -sS http://10.0.2.7:" + port, "curl -sS http://[fd00:2::7]:" + port} {
			command += "; ip neigh show nud reachable; ip neigh show nud stale"
			got, err := run("--map", "10.0.2.7=127.0.0.1", "--map", "fd00:2::7=127.0.0.1",
				"--", "sh", "-c", command).Output()
			if err != nil || string(got) != "hello" {
				t.Errorf("%s: %q, %v", command, got, err)
			}
		}
	})
}

// --loss and --delay are what a program measures.
func TestRunLoses(t *testing.T) {
	eachWay(t, func(t *testing.T, run runner) {
		cmd := run("--loss", "30%", "--delay", "20ms", "--", "ping", "-i", "0.01", "10.0.2.2")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		// Replies come in order: when there is one to a later request, those to the first
		// ones are here, or lost.
		const asked = 60
		came, shortest := 0, math.Inf(1)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var seq int
			var took float64
			_, numbers, _ := strings.Cut(lines.Text(), "icmp_seq=")
			if fmt.Sscanf(numbers, "%d ttl=64 time=%f ms", &seq, &took); seq > asked {
				break
			}
			if seq > 0 {
				came, shortest = came+1, min(shortest, took)
			}
		}
		cmd.Process.Signal(syscall.SIGINT)
		io.Copy(io.Discard, out)
		cmd.Wait()
		// Of a request and its reply one is lost in 51 of 100 cases.
		if came < asked*23/100 || came > asked*75/100 || shortest < 40 {
			t.Errorf("%d of %d came back, after %v ms at least", came, asked, shortest)
		}
	})
}

// The exit code, standard input and the environment are the program's, and what was
// not allowed is refused.
func TestRunIsTransparent(t *testing.T) {
	port := oneFile(t, []byte("hello"))
	eachWay(t, func(t *testing.T, run runner) {
		for _, c := range []struct {
			args []string
			in   string
			want string
			code int
		}{
			{[]string{"--", "sh", "-c", "exit 7"}, "", "", 7},
			{[]string{"--", "sh", "-c", "kill -TERM $$"}, "", "", 128 + 15},
			{[]string{"--", "no-such-command"}, "", "", exitNotFound},
			{[]string{"--", "/no/such/command"}, "", "", exitNotFound},
			{[]string{"--", "/dev/null"}, "", "", exitNotExecutable},
			{[]string{"--", "cat"}, "what goes in", "what goes in", 0},
			{[]string{"--", "sh", "-c", "echo $HANDFAST_SANDBOX; id -u"}, "", "\n" + userOf(run()) + "\n", 0},
			{[]string{"--deny", ":" + port, "--", "curl", "-s", "http://10.0.2.2:" + port}, "", "", 7},
			{[]string{"--allow", "10.0.2.2:" + port, "--", "curl", "-s", "http://10.0.2.2:" + port}, "", "hello", 0},
			{[]string{"--offline", "--", "curl", "-s", "http://192.0.2.1/"}, "", "", 7},
			{[]string{"--", "nc", "-z", "10.0.2.2", "1"}, "", "", 1},
		} {
			cmd := run(c.args...)
			cmd.Stdin = strings.NewReader(c.in)
			got, err := cmd.Output()
			if code := cmd.ProcessState.ExitCode(); string(got) != c.want || code != c.code {
				t.Errorf("%q: %q, exit code %d, want %q, %d; %v", c.args, got, code, c.want, c.code, err)
			}
		}
	})
}

// userOf is the number of the user by whom a command is run.
func userOf(cmd *exec.Cmd) string {
	if cmd.SysProcAttr != nil && cmd.SysProcAttr.Credential != nil {
		return fmt.Sprint(cmd.SysProcAttr.Credential.Uid)
	}
	return strconv.Itoa(os.Geteuid())
}

// A program gets the signals that handfast gets. Of what it has started nothing stays
// when handfast is killed, or the program has ended, also what has left the session; and
// no file.
func TestRunLeavesNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, run runner) {
		for sig, code := range map[syscall.Signal]int{syscall.SIGKILL: -1, syscall.SIGTERM: 3} {
			mark := "handfast-mark-" + strconv.Itoa(os.Getpid())
			cmd := run("--", "sh", "-c",
				"setsid sh -c 'sleep 1000; : "+mark+"' & trap 'exit 3' TERM; echo begun; while :; do sleep 0.01; done")
			files := publicDir(t)
			cmd.Env = append(cmd.Env, "TMPDIR="+files, "XDG_RUNTIME_DIR="+files)
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fscanln(out, new(string)); err != nil || len(processes(mark)) < 2 {
				t.Fatalf("%v; there are %q", err, processes(mark))
			}
			cmd.Process.Signal(sig)
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != code {
				t.Errorf("%v: exit code %d, want %d", sig, got, code)
			}
			for end := time.Now().Add(untilLimit); len(processes(mark)) > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%v: there are still %q", sig, processes(mark))
				}
			}
			// The socket of one that was killed goes when somebody asks who there is, and its
			// door when the next one begins.
			for _, args := range [][]string{{"handfast", "ss"}, run("--", "true").Args} {
				next := run()
				next.Args, next.Env = args, cmd.Env
				next.Run()
			}
			if left := filesIn(files); len(left) > 0 {
				t.Errorf("%v: there are still %q", sig, left)
			}
		}
	})
}

// filesIn returns all that is in a folder but folders.
func filesIn(dir string) (found []string) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return err
	})
	return found
}

// A server inside answers who comes from outside, and a port that is taken is named
// before the command begins.
func TestRunPublishes(t *testing.T) {
	eachWay(t, func(t *testing.T, run runner) {
		cmd := run("--publish", "127.0.0.1:48080:80", "--publish", "48080:53/udp", "--",
			"sh", "-c", "echo hello | nc -N -l 80; echo datagram | nc -u -l 53")
		var told bytes.Buffer
		cmd.Stdout, cmd.Stderr = &told, &told
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Process.Kill()
		if said := askPublished(t, "tcp", "127.0.0.1:48080"); said != "hello\n" {
			t.Errorf("by TCP: %q", said)
		}
		if said := askPublished(t, "udp", "127.0.0.1:48080"); said != "datagram\n" {
			t.Errorf("by UDP: %q", said)
		}
		if out, err := run("--publish", "127.0.0.1:48080:80", "--", "echo", "begun").CombinedOutput(); err == nil ||
			!strings.Contains(string(out), "address already in use") || strings.Contains(string(out), "begun") {
			t.Errorf("a port that is taken: %v\n%s", err, out)
		}
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if !strings.Contains(told.String(), ":80 from 127.0.0.1:") {
			t.Errorf("the summary is\n%s", &told)
		}
	})
}

// A program that knows of no proxy goes through one, with the bytes of both ways.
func TestRunThroughAProxy(t *testing.T) {
	file := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	port := oneFile(t, file)
	asked := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		far, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Error(err)
			return
		}
		near, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			io.Copy(far, buffered)
			far.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(near, far)
		near.Close()
	}))
	defer proxy.Close()
	eachWay(t, func(t *testing.T, run runner) {
		got, err := run("--proxy", proxy.URL, "--", "curl", "-sS", "http://192.0.2.7/").Output()
		if err != nil || !bytes.Equal(got, file) {
			t.Errorf("%d bytes of %d came, %v", len(got), len(file), err)
		}
		if got := <-asked; got != "CONNECT 192.0.2.7:80" {
			t.Errorf("the proxy was asked %q", got)
		}
	})
}

// What is routed to a device of this namespace is carried, through a proxy too, until
// Ctrl-C; a device that somebody has made is as he has set it up.
func TestRunTUN(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a device needs root")
	}
	port := oneFile(t, []byte("hello"))
	shell := func(command string) string {
		out, err := exec.Command("sh", "-c", command).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	for _, prepare := range []string{"true", "ip tuntap add hfrun mode tun && ip addr add 10.0.7.1/24 dev hfrun && ip link set hfrun up"} {
		shell(prepare)
		cmd := handfastRun(t, "--tun", "hfrun", "--map", "198.51.100.7=127.0.0.1")
		var told bytes.Buffer
		out, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(io.TeeReader(out, &told))
		for line := ""; !strings.Contains(line, "Ctrl-C"); {
			if line, err = lines.ReadString('\n'); err != nil {
				t.Skipf("%v\n%s", err, &told)
			}
		}
		shell("ip route add 198.51.100.0/24 dev hfrun")
		if got := shell("curl -sS http://198.51.100.7:" + port); got != "hello" {
			t.Errorf("%q", got)
		}
		cmd.Process.Signal(syscall.SIGINT)
		io.Copy(io.Discard, lines)
		if err := cmd.Wait(); err != nil || !strings.Contains(told.String(), "198.51.100.7:"+port) {
			t.Errorf("%v\n%s", err, &told)
		}
		exec.Command("ip", "link", "del", "hfrun").Run()
	}
}

// Without root it says what to do.
func TestRunTUNAsNobody(t *testing.T) {
	as := runAsNobody(t)
	out, err := as("--tun", "hfrun").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "sudo handfast run --tun hfrun") {
		t.Errorf("%v\n%s", err, out)
	}
}

// askPublished connects until somebody is there, and returns what is said.
func askPublished(t *testing.T, network, address string) string {
	t.Helper()
	p := make([]byte, 100)
	for end := time.Now().Add(untilLimit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial(network, address)
		if err != nil {
			continue // nobody listens yet
		}
		defer c.Close()
		for wait := 100 * time.Millisecond; ; wait = min(2*wait, time.Minute) {
			c.Write([]byte("?")) // a server of UDP learns who asks
			c.SetReadDeadline(time.Now().Add(wait))
			n, err := c.Read(p)
			if err == nil {
				return string(p[:n])
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) || wait == time.Minute {
				break // reset: the server is about to begin
			}
		}
	}
	return ""
}

// processes returns those with mark in their command line or their environment that
// have not ended.
func processes(mark string) (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range all {
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte(mark)) {
			found = append(found, string(bytes.ReplaceAll(text, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// What is ignored stays ignored: nohup works.
func TestRunUnderNohup(t *testing.T) {
	program := publicCopy(t)
	eachWay(t, func(t *testing.T, run runner) {
		ran := run("--", "sh", "-c", "kill -HUP $$; echo lives")
		cmd := exec.Command("sh", append([]string{"-c", `trap "" HUP; exec "$@"`, "sh", program}, ran.Args[1:]...)...)
		cmd.Env, cmd.SysProcAttr = ran.Env, ran.SysProcAttr
		if out, err := cmd.Output(); string(out) != "lives\n" || err != nil {
			t.Errorf("%q, %v", out, err)
		}
	})
}

// publicDir is a folder where everybody may write.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runAsNobody is handfast run by an ordinary user.
func runAsNobody(t *testing.T) runner {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	program := publicCopy(t)
	dir := publicDir(t)
	as := func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, append([]string{"run", "--map", "10.0.2.2=127.0.0.1"}, args...)...)
		cmd.Env, cmd.Dir, cmd.SysProcAttr = append(os.Environ(), "XDG_RUNTIME_DIR="+dir), "/", asNobody()
		return cmd
	}
	if out, err := as("--", "true").CombinedOutput(); err != nil {
		t.Skipf("%v %s", err, out)
	}
	return as
}

// An ordinary user needs nothing, and stays who he is.
func TestRunAsNobody(t *testing.T) {
	as := runAsNobody(t)
	got, err := as("--", "sh", "-c", "id -u; grep CapEff /proc/self/status; curl -sS http://10.0.2.2:"+oneFile(t, []byte("hello"))).Output()
	if want := "65534\nCapEff:\t0000000000000000\nhello"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}

// Pings of an ordinary user's program go out where the system has ping sockets for
// him. What stands in their way comes back.
func TestRunPing(t *testing.T) {
	const patience = "300" // seconds
	as := runAsNobody(t)
	for _, what := range []string{"addr %s 1.2.3.4/32 dev lo", "addr %s 2001:db8::7/128 dev lo", "route %s unreachable 198.18.7.0/24"} {
		ip := func(verb string) ([]byte, error) {
			return exec.Command("ip", strings.Fields(fmt.Sprintf(what, verb))...).CombinedOutput()
		}
		if out, err := ip("add"); err != nil {
			t.Fatalf("%s: %v %s", what, err, out)
		}
		t.Cleanup(func() { ip("del") })
	}
	ping := func(args ...string) (string, error) {
		out, err := as(append([]string{"--", "ping", "-i", "0.2"}, args...)...).CombinedOutput()
		return string(out), err
	}
	setPings := func(group string) {
		if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte(group), 0); err != nil {
			t.Skip(err)
		}
	}
	setPings("1 0")
	if out, err := ping("-c2", "-W", patience, "1.2.3.4"); err == nil || !strings.Contains(out, "Packet filtered") || strings.Count(out, "ping_group_range") != 1 {
		t.Errorf("without ping sockets: %v\n%s", err, out)
	}
	setPings("0 65534")
	// With -w it ends when so many replies have come, and -c with nothing else does not
	// wait for the last one: only for twice the longest round trip so far.
	const last = "icmp_seq=3 "
	for _, c := range []struct {
		args []string
		want []string
		ok   bool
	}{
		{[]string{"-c3", "-w", patience, "1.2.3.4"}, []string{"64 bytes from 1.2.3.4: icmp_seq=1 ", last}, true},
		{[]string{"-c3", "-w", patience, "-s5000", "1.2.3.4"}, []string{"5008 bytes from 1.2.3.4: icmp_seq=1 ", last}, true},
		{[]string{"-c3", "-w", patience, "2001:db8::7"}, []string{"64 bytes from 2001:db8::7: icmp_seq=1 ", last}, true},
		{[]string{"-c3", "-w", patience, "-s5000", "2001:db8::7"}, []string{"5008 bytes from 2001:db8::7: icmp_seq=1 ", last}, true},
		{[]string{"-c1", "-w", patience, "10.0.2.2"}, []string{" 0% packet loss"}, true}, // who is asked is us
		{[]string{"-c1", "-W", patience, "198.18.7.1"}, []string{"Destination Host Unreachable"}, false},
		{[]string{"-c1", "-W", patience, "-t1", "1.2.3.4"}, []string{"From 10.0.2.2 icmp_seq=1 Time to live exceeded"}, false},
	} {
		out, err := ping(c.args...)
		for _, want := range c.want {
			if (err == nil) != c.ok || !strings.Contains(out, want) {
				t.Errorf("ping %q: %v, want %q in\n%s", c.args, err, want, out)
			}
		}
	}
}
